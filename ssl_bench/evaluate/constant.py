"""Encoders that give every image the same features: their numbers are those of guessing, whatever they seem to say."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ssl_bench.plan.parts import ResolvedComponent
from ssl_bench.plugin.notes import Note
from ssl_bench.results.row import Comparison, MetricRow
from ssl_bench.results.rows import CONSTANT
from ssl_bench.results.rundir import RunDirectory

ALIKE = 1e-4
"""Largest spread of features over images, as a share of their size, at which they are one and the same."""


def is_constant(features: npt.NDArray[np.float32]) -> bool:
    """Whether features ``(N, D)`` differ between images by no more than rounding."""
    if len(features) < 2:
        return False
    wide = features.astype(np.float64)
    return bool(np.sqrt(wide.var(axis=0).mean()) <= ALIKE * np.sqrt((wide**2).mean()))


def constant_encoders(run: RunDirectory, encoders: Iterable[str], dataset: str) -> list[Note]:
    """A note for each encoder whose kept embeddings of the test split are constant.

    Args:
        run: with its embeddings.
        encoders: by their names in the table.
        dataset: as in the names of the files.
    """
    return [_note(encoder) for encoder in encoders if _collapsed(run, encoder, f"{dataset}-test")]


def meaningful(comparisons: Iterable[Comparison], notes: Iterable[Note], frozen: Collection[str]) -> list[Comparison]:
    """The differences that say something: none of guessing minus an encoder, which looks like a result.

    Args:
        comparisons: rows of the record.
        notes: of :func:`constant_encoders`.
        frozen: protocols on the frozen features; fine-tuning may lead a constant encoder elsewhere.
    """
    constant = {str(note.numbers["encoder"]) for note in notes}
    return [row for row in comparisons
            if row.protocol not in frozen or not constant & {row.encoder, row.against}]  # fmt: skip


def without_claim(rows: Iterable[MetricRow], notes: Iterable[Note], frozen: Collection[str]) -> list[MetricRow]:
    """Rows of the record; those of guessing keep their value, which predictions give, and get a note for an interval.

    Args:
        rows: of metrics.
        notes: of :func:`constant_encoders`.
        frozen: as for :func:`meaningful`.
    """
    constant = {str(note.numbers["encoder"]) for note in notes}
    ends = dict.fromkeys(("ci_low", "ci_high", "percentile_low", "percentile_high"))
    return [row.but(**ends, note=CONSTANT) if row.protocol in frozen and row.encoder in constant else row
            for row in rows]  # fmt: skip


def frozen(evaluators: Iterable[ResolvedComponent]) -> list[str]:
    """Protocols on the frozen encoder's features."""
    return [part.name for part in evaluators if part.component.needs == "embeddings"]


def _collapsed(run: RunDirectory, encoder: str, name: str) -> bool:
    try:
        with np.load(run.embeddings(encoder, name), allow_pickle=False) as kept:
            return is_constant(kept["embeddings"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # it embeds nothing, or keeps nothing
        return False


def _note(encoder: str) -> Note:
    text = (
        f"the {encoder} encoder gives all images of the test split the same features: its numbers carry no "
        "information, the table prints 'constant' instead, and differences from it are left out"
    )
    return Note("constant-embeddings", text, numbers={"encoder": encoder})
