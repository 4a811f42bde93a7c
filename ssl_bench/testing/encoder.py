"""Checks of encoders: weights of others behind the suite's interface."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssl_bench.errors import HandledError
from ssl_bench.plugin.components import EncoderSpec
from ssl_bench.plugin.encoders import POOLINGS, BaseEncoder, standard_input
from ssl_bench.testing.checks import Check, Subject, check_descriptor, check_options, listed, run_all

SHAPES = ((90, 76), (64, 101), (80, 80))
"""Height and width of the pictures that are prepared."""


class EncoderSubject(Subject[EncoderSpec]):
    """An encoder under test, with a file or folder that it opens."""

    path: Path

    @cached_property
    def network(self) -> BaseEncoder:
        """The encoder, opened once."""
        found = self.component.load()(self.options, self.path, self.component)
        self.expect(
            isinstance(found, BaseEncoder), f"must give a ssl_bench.plugin.encoders.BaseEncoder, found {type(found)}"
        )
        return found  # type: ignore[no-any-return]

    def inputs(self) -> list[Tensor]:
        """Pictures of several shapes as inputs."""
        return [self.network.prepare(picture) for picture in pictures()]

    @torch.inference_mode()
    def pooled(self, images: Tensor) -> Tensor:
        """Pooled features ``(B, D)``."""
        return cast("Tensor", self.network.eval()(images, tokens=False).pooled)


def check_encoder(component: EncoderSpec | str, path: Path, **options: Any) -> None:
    """Check an encoder.

    Args:
        component: its descriptor, or the name of an installed encoder.
        path: a file or folder that it opens; random weights do.
        **options: of the encoder.

    Raises:
        AssertionError: one sentence on what is wrong.
        UsageError: no installed plugin offers the name, or an option is wrong.
    """
    run_all(encoder_checks(component, path, **options))


def encoder_checks(component: EncoderSpec | str, path: Path, **options: Any) -> list[Check]:
    """The checks of :func:`check_encoder` by name; nothing is opened before one is called."""
    subject = EncoderSubject(component, EncoderSpec, options)
    subject.path = path
    checks = [check_descriptor, check_options, check_input, check_stated, check_features, check_batches, check_faults]
    return listed(subject, checks)


def check_input(subject: EncoderSubject) -> None:
    """Pictures of any shape become finite inputs of the stated channels and size."""
    how = subject.network.preprocessing
    wanted = (how.channels, how.size, how.size)
    for given in subject.inputs():
        subject.expect(
            given.dtype == torch.float32 and tuple(given.shape) == wanted and bool(given.isfinite().all()),
            f"must prepare pictures as finite float32 of shape {wanted}, found {given.dtype} {tuple(given.shape)}",
        )


def check_stated(subject: EncoderSubject) -> None:
    """Where nothing is resized, the stated statistics and range give the input."""
    how = subject.network.preprocessing
    side = how.resize or how.size
    picture = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    apart = float((standard_input(picture, how) - subject.network.prepare(picture)).abs().max())
    scale = max(1.0, (how.high - how.low) / min(how.std))
    subject.expect(
        apart <= 1e-4 * scale,
        f"states a preprocessing ({how}) that differs from what it does by {apart:.3g} on a picture of its own size; "
        "protocols that augment images and the record rely on the statement",
    )


def check_features(subject: EncoderSubject) -> None:
    """Features are finite, of the stated width, and differ between pictures."""
    found = torch.stack([subject.pooled(given[None])[0] for given in subject.inputs()])
    network = subject.network
    subject.expect(
        found.shape == (len(SHAPES), network.dim), f"gives {tuple(found.shape)} features for dim {network.dim}"
    )
    subject.expect(bool(found.isfinite().all()), "gives features that are not finite")
    subject.expect(float(found.std(0).max()) > 0, "gives the same features for every picture")
    subject.expect(network.pooling in POOLINGS, f"pools by '{network.pooling}', expected one of {', '.join(POOLINGS)}")


def check_batches(subject: EncoderSubject) -> None:
    """An image has the same features alone and among others, and each time it is embedded."""
    images = torch.stack(subject.inputs())
    alone = torch.cat([subject.pooled(image[None]) for image in images])
    apart = float((subject.pooled(images) - alone).abs().max() / alone.abs().max().clamp(min=1e-6))
    subject.expect(
        apart <= 1e-4, f"gives other features in a batch than alone (relative {apart:.2g}); is it in eval()?"
    )


def check_faults(subject: EncoderSubject) -> None:
    """A file that is not there or is cut is refused by a DataError of one sentence."""
    broken = subject.path.parent / f"broken-{subject.path.name}"
    for what, path in (("is missing", broken / "nothing"), ("holds noise", _noise(broken))):
        try:
            subject.component.load()(subject.options, path, subject.component)
        except HandledError:
            continue
        except Exception as error:
            subject.fail(f"ends in {type(error).__name__} where its file {what}; raise ssl_bench.errors.DataError")
        subject.fail(f"opens a file that {what}")


def _noise(path: Path) -> Path:
    path.write_bytes(b"no weights" * 99)
    return path


def pictures() -> list[npt.NDArray[np.uint8]]:
    """Smooth pictures with a texture, of several shapes."""
    rng = np.random.default_rng(1)
    found = []
    for height, width in SHAPES:
        rows, columns = np.mgrid[:height, :width]
        waves = np.sin(rows / rng.uniform(4, 9)) * np.cos(columns / rng.uniform(4, 9))
        found.append(np.clip(128 + 70 * waves + rng.normal(0, 12, (height, width)), 0, 255).astype(np.uint8))
    return found
