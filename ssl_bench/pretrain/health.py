"""Whether a training went on for long enough for its numbers to say anything of its method. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from ssl_bench.plugin.names import RANDOM, TRAINED
from ssl_bench.plugin.notes import Note
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO, MetricRow

LOW_RANK = 4.0
"""A centred effective rank of the evaluated encoder below this means that few directions distinguish images."""

LAST = 3
"""Logged steps whose mean loss is the loss at the end."""

CODE = "not-trained-long-enough"

UNREADY = "¶"
"""The mark of a result of such a training."""

LEGEND = (
    f"{UNREADY}: not trained long enough here, so not ranked: the loss did not end below its start, the centred "
    f"effective rank of the evaluated encoder ended below {LOW_RANK:g}, or its nearest neighbours tell less of the "
    "validation images than those of the random encoder; the notes of its runs say which"
)

Entry = Mapping[str, Any]


def health_notes(log: Path, rows: Iterable[MetricRow]) -> list[Note]:
    """A note on a trained encoder that is not healthy at the end of its training, else nothing.

    Args:
        log: ``log.jsonl`` of the training.
        rows: metrics of the record; only those of validation images are looked at.
    """
    entries = read_entries(log)
    found = [*_loss(entries), *_rank(entries), *_neighbours(rows)]
    if not found:
        return []
    text = f"not trained long enough here: {'; '.join(sentence for sentence, _ in found)}"
    return [Note(CODE, text, numbers={key: value for _, numbers in found for key, value in numbers.items()})]


def unready(record: Record) -> bool:
    """Whether a record says that its training was not long enough."""
    return any(note.code == CODE for note in record.notes)


def read_entries(log: Path) -> list[dict[str, Any]]:
    """Logged steps; those of a missing log are none, and a line that was cut is left out."""
    if not log.is_file():
        return []
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


Complaint = tuple[str, dict[str, float]]


def _loss(entries: Sequence[Entry]) -> list[Complaint]:
    losses = [float(entry["loss"]) for entry in entries if "loss" in entry]
    if len(losses) < 2:
        return []
    first, last = losses[0], fmean(losses[1:][-LAST:])
    if last < first:
        return []
    return [(f"the loss began at {first:.4g} and ended at {last:.4g}", {"loss_first": first, "loss_last": last})]


def _rank(entries: Sequence[Entry]) -> list[Complaint]:
    # Alignment is of the fixed validation images alone: without them the rank is of a method's own features.
    ranks = [float(entry["effective_rank"]) for entry in entries if "alignment" in entry]
    if not ranks or ranks[-1] >= LOW_RANK:
        return []
    sentence = f"the evaluated encoder's features ended at an effective rank of {ranks[-1]:.1f}, below {LOW_RANK:g}"
    return [(sentence, {"effective_rank": ranks[-1], "lowest_rank": LOW_RANK})]


def _neighbours(rows: Iterable[MetricRow]) -> list[Complaint]:
    values = {row.encoder: row.value for row in rows if _compared(row)}
    trained, random = values.get(TRAINED), values.get(RANDOM)
    if trained is None or random is None or trained >= random:
        return []
    sentence = f"kNN on validation images is {trained:.3f}, and {random:.3f} for the random encoder (macro AUROC)"
    return [(sentence, {"knn": trained, "knn_random": random})]


def _compared(row: MetricRow) -> bool:
    """Whether a row is the macro AUROC of all validation images by nearest neighbours among all training images."""
    wanted = ("knn", "validate", MACRO, "auroc", "all", 1.0)
    found = (row.protocol, row.split, row.label, row.metric, row.subgroup, row.fraction)
    return found == wanted and row.dataset == row.fitted_on
