"""Where test images lie on a map of their embeddings, and what colours them. No Matplotlib: the page draws maps too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.report.kept import DAMAGED, Arrays, kept_or_new, of_record
from ssl_bench.report.palette import LeftOut
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

MOST, FEWEST = 2000, 5
"""Most images on a map, and fewest images and features that make one."""

PERPLEXITY = 30.0
COMPONENTS = 50
"""Principal components that t-SNE starts from."""

FINDINGS = 4
"""Findings on the map: the most prevalent ones."""

FEATURES = ("sex", "age", "view")
CATEGORIES = 6
"""Values of a feature that get a marker of their own."""


def coordinates(run: RunDirectory, record: Record, encoder: str) -> Arrays:
    """``image_id (N,)``, ``tsne (N, 2)``, ``pca (N, 2)``, ``explained (2,)``, ``images ()`` of the test split.

    Raises:
        LeftOut: the embeddings are missing or damaged, or there is nothing to lay out.
    """
    source = of_record(run, run.embeddings(encoder, f"{record.data.name}-test"), record)
    seed = record.settings.seed
    settings = {"seed": seed, "most": MOST, "perplexity": PERPLEXITY, "components": COMPONENTS}
    path = run.path / "plots" / f"map-{encoder}.npz"
    return kept_or_new(path, [source], settings, lambda: _project(source, seed))


def _project(source: Path, seed: int) -> dict[str, npt.NDArray[Any]]:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    images, features = _read(source)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[:MOST])
    rows = features[chosen].astype(np.float64)
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    with threadpool_limits(1):  # the same sums on every machine; a thousand short steps gain nothing from threads
        pca = PCA(min(COMPONENTS, *rows.shape), svd_solver="full").fit(rows)
        reduced = pca.transform(rows)
        tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    return {
        "image_id": images[chosen], "tsne": tsne, "pca": reduced[:, :2], "explained": pca.explained_variance_ratio_[:2],
        "images": np.array(len(images)),
    }  # fmt: skip


def _read(source: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Image ids (N,) and embeddings (N, D) that can be laid out on a plane."""
    try:
        with np.load(source, allow_pickle=False) as arrays:
            images, features = arrays["image_id"], arrays["embeddings"]
    except DAMAGED as error:
        raise LeftOut(f"{source.name} is damaged ({error})") from None
    if min(features.shape) < FEWEST:
        raise LeftOut(
            f"{source.name} holds {len(images)} images and {features.shape[1]} features, a map needs {FEWEST}"
        )
    if (features == features[0]).all():
        raise LeftOut(f"all embeddings in {source.name} are the same")
    return images, features


def prevalent(frame: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    """The findings with most positive images on the map, in the order of the labels."""
    counts = {label: int((frame[label] == 1).sum()) for label in labels}
    most = sorted((label for label in labels if counts[label]), key=lambda label: -counts[label])[:FINDINGS]
    return [label for label in labels if label in most]
