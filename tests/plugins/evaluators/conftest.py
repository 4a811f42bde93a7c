"""What the tests of the evaluators share: a context whose embeddings carry two findings, sex, age and view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from ssl_bench.plugin.contracts import EvalContext, Split
from ssl_bench.testing.tiny import backbone

LABELS = ("Effusion", "Mass")
WIDTH = 8


def split(name: str, size: int, rng: np.random.Generator, start: int) -> Split:
    """Two images a patient; columns 0 and 1 carry the findings, 2 the sex, 3 the age, and none the view."""
    embeddings = rng.normal(size=(size, WIDTH)).astype(np.float32)
    noisy = embeddings + 0.5 * rng.normal(size=embeddings.shape)
    labels = (noisy[:, :2] > 0.3).astype(np.float32)
    ehr = {
        "age": 50 + 15 * noisy[:, 3].astype(np.float64),
        "sex": np.where(noisy[:, 2] > 0, "F", "M").astype(object),
        "view": np.where(rng.random(size) > 0.5, "PA", "AP").astype(object),
    }
    rows = np.arange(start, start + size)
    images = np.array([f"image-{row}" for row in rows])
    patients = np.array([f"patient-{row // 2}" for row in rows])
    return Split(name, images, patients, embeddings, labels, rows, ehr)


@pytest.fixture
def context() -> EvalContext:
    """200 training, 80 validation and 100 test images, without an encoder."""
    rng = np.random.default_rng(0)
    sizes = {"train": 200, "validate": 80, "test": 100}
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
    splits = {name: split(name, size, rng, starts[name]) for name, size in sizes.items()}
    return EvalContext(splits, LABELS, None, "cpu", seed=3)  # type: ignore[arg-type]


@pytest.fixture
def pictured(context: EvalContext) -> EvalContext:
    """The context with a tiny encoder, and images of 32 px in which a finding is a bright half."""
    labels = np.concatenate([part.labels for part in context.splits.values()])
    noise = torch.randn((len(labels), 1, 32, 32), generator=torch.Generator().manual_seed(0))
    pictures = 0.3 * noise
    pictures[:, :, :16] += torch.tensor(labels[:, 0])[:, None, None, None]
    pictures[:, :, 16:] += torch.tensor(labels[:, 1])[:, None, None, None]
    torch.manual_seed(0)
    return replace(context, encoder=backbone("vit"), images=lambda rows: pictures[torch.from_numpy(rows)], black=-1.0)


@pytest.fixture
def changed() -> Callable[..., EvalContext]:
    """``changed(context, "test", labels=...)``: the context with another part of one split."""

    def change(context: EvalContext, name: str, **parts: object) -> EvalContext:
        other = replace(context.splits[name], **parts)  # type: ignore[arg-type]
        return replace(context, splits={**context.splits, name: other})

    return change
