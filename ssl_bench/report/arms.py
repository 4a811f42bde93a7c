"""From the run directories of an ablation to its table and contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssl_bench.comparison.ablation import Contrast, contrasts, families, found_by, over_findings, verdict
from ssl_bench.comparison.pairs import RunScores, run_scores
from ssl_bench.config.arms import NONE
from ssl_bench.config.config import RunConfig
from ssl_bench.errors import UsageError
from ssl_bench.plan.plan import CONTROL
from ssl_bench.plugin.names import RANDOM, TRAINED
from ssl_bench.plugin.notes import Note
from ssl_bench.report.ablation import arm_row
from ssl_bench.results.record import Record
from ssl_bench.results.standing import ENCODERS
from ssl_bench.stats.intervals import FEWEST
from ssl_bench.stats.resampled import resampled
from ssl_bench.stats.significance import SEEDS
from ssl_bench.sweep.ablation import AblationCell

UNTRAINED = {RANDOM: "untrained encoder"}
"""What the table calls a baseline, where not by its name."""


def summarise(planned: Sequence[AblationCell], config: RunConfig, fewest: int = FEWEST) -> dict[str, Any]:
    """What ``ablation.json`` holds: a row for each arm, the contrasts, and the verdict.

    Args:
        planned: all runs.
        config: of the first.
        fewest: positive and negative patients of a finding in the macro means of the contrasts.

    Raises:
        UsageError: no protocol gave predictions.
    """
    runs = {cell: run_scores(cell.folder) for cell in planned}
    first = next(iter(runs.values()))
    protocol = next((name for name in config.evaluate.protocols if name in first.tables), None)
    if protocol is None:
        raise UsageError(
            f"an ablation compares predictions, and {', '.join(config.evaluate.protocols)} gave none; add --eval linear"
        )
    measured = {
        cell: resampled(run.tables[protocol], config.evaluate.replicates, planned[0].seed, run.identity)
        for cell, run in runs.items()
    }
    seeds = len({cell.seed for cell in planned})
    keys = list(dict.fromkeys((cell.features, cell.arm) for cell in planned))
    found = contrasts({key: [measured[cell] for cell in planned if _key(cell) == key] for key in keys}, fewest)
    record, table = first.record, first.tables[protocol]
    return {
        "schema": 1,
        "method": config.method.name,
        "fusion": _fusion(planned, runs),
        "data": record.data.name,
        "synthetic": record.synthetic,
        "seeds": seeds,
        "protocol": protocol,
        "n_images": len(table.ids),
        "unit": table.unit,
        "n_patients": len(set(table.patients)),
        "arms": _rows(keys, runs),
        "contrasts": [_plain(one) for one in found],
        "verdict": verdict(found, seeds),
        "notes": [
            *families(found),
            *found_by(found, max(seeds, SEEDS)),
            over_findings([*measured.values()], fewest),
            *_other(fewest),
            *map(str, _kept(record.notes)),
        ],
        "cells": [str(cell.folder) for cell in planned],
    }


def _key(cell: AblationCell) -> tuple[str, str]:
    return cell.features, cell.arm


def _fusion(planned: Sequence[AblationCell], runs: Mapping[AblationCell, RunScores]) -> str:
    return next(str(runs[cell].record.fusion) for cell in planned if cell.arm != NONE)


def _rows(keys: Sequence[tuple[str, str]], runs: Mapping[AblationCell, RunScores]) -> list[dict[str, Any]]:
    """The baselines, and each arm; the arm without EHR stands for all feature sets."""
    protocols = list(next(iter(runs.values())).tables)
    rows: list[dict[str, Any]] = []
    for features, arm in keys:
        records = [run.record for cell, run in runs.items() if _key(cell) == (features, arm)]
        if not rows:
            rows += [{"features": "", "arm": UNTRAINED.get(name, name), **arm_row(records, name, protocols)}
                     for name in _baselines(records[0])]  # fmt: skip
        rows.append({"features": "" if arm == NONE else features, "arm": arm, **arm_row(records, TRAINED, protocols)})
    return rows


def _baselines(record: Record) -> list[str]:
    """The encoders of a run that it did not train."""
    return [name for name in dict.fromkeys(row.encoder for row in record.metrics) if name not in ENCODERS]


def _plain(one: Contrast) -> dict[str, Any]:
    difference = one.difference
    return {
        "features": one.features, "first": one.first, "second": one.second, "primary": one.primary,
        "value": difference.value, "low": difference.low, "high": difference.high, "p": difference.p,
        "p_holm": one.p_holm, "claimed": one.claimed, "note": difference.note, "each": list(one.each),
    }  # fmt: skip


def _other(fewest: int) -> list[str]:
    """That the means of the arms are those of the records, where these are over other findings."""
    told = f"the means of the arms are those of the records, over findings with at least {FEWEST} patients of a class"
    return [told] if fewest != FEWEST else []


def _kept(notes: Sequence[Note]) -> list[Note]:
    """Notes that hold for all arms."""
    return [note for note in notes if note.code != CONTROL]
