"""The table of an ablation as Markdown: arms, contrasts, what the encoder learnt about people, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from ssl_bench.config.arms import NONE
from ssl_bench.numbers import counted, ends_text, number_text, p_text
from ssl_bench.plugin.names import LEAKAGE
from ssl_bench.report.render import markdown
from ssl_bench.report.table import Table
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO
from ssl_bench.results.rundir import place_name

"""The protocol that tells what a frozen encoder knows about people."""


def people(record: Record, encoder: str) -> dict[str, float]:
    """What a run's encoder tells of the people of its own dataset: R2 of the age, AUROC of sex and views, by name."""
    return {
        f"{row.label} {'R2' if row.metric == 'r2' else 'AUROC'}": row.value
        for row in record.metrics
        if place_name(row, record.data.name) == LEAKAGE and row.encoder == encoder
        and row.metric in ("r2", "auroc") and row.value is not None
    }  # fmt: skip


def macro_auroc(record: Record, encoder: str, protocol: str) -> float | None:
    """Test macro AUROC of a run's encoder by a protocol, as :func:`place_name` calls it."""
    for row in record.metrics:
        place = place_name(row, record.data.name)
        found = (row.encoder, place, row.split, row.label, row.metric, row.subgroup)
        if found == (encoder, protocol, "test", MACRO, "auroc", "all") and row.fraction == 1.0:
            return None if row.value is None else float(row.value)
    return None


def arm_row(records: Sequence[Record], encoder: str, protocols: Sequence[str]) -> dict[str, Any]:
    """One line of the table: macro AUROC of every seed and protocol, and the mean of what the encoder tells."""
    values = {name: [macro_auroc(record, encoder, name) for record in records] for name in protocols}
    told = [people(record, encoder) for record in records]
    names = [name for name in told[0] if all(name in one for one in told)]
    return {
        "auroc": values,
        "people": {name: fmean(one[name] for one in told) for name in names},
    }


def page(result: Mapping[str, Any]) -> str:
    """The page that an ablation leaves."""
    return "\n".join([*_heading(result), "", *_arms(result), *_contrasts(result), *_closing(result)]) + "\n"


def _heading(result: Mapping[str, Any]) -> Iterator[str]:
    data = result["data"] + (" (SYNTHETIC DATA)" if result["synthetic"] else "")
    yield f"# Ablation: {result['method']} with {result['fusion']} on {data}"
    yield ""
    units = "studies" if result.get("unit") == "study" else "images"
    yield (
        f"{counted(result['seeds'], 'paired seed')}; test split, {result['n_images']} {units} of "
        f"{result['n_patients']} patients; macro AUROC of protocol {result['protocol']}."
    )


def _arms(result: Mapping[str, Any]) -> Iterator[str]:
    rows = result["arms"]
    protocols = list(rows[0]["auroc"])
    told = list(dict.fromkeys(name for row in rows for name in row["people"]))
    names = ["features", "arm", *(f"{name}, mean (SD of seeds)" for name in protocols), *told]
    cells = ([*(_spread(row["auroc"][name]) for name in protocols),
              *(number_text(row["people"].get(name), "") for name in told)] for row in rows)  # fmt: skip
    lines = ((row["features"], row["arm"], *own) for row, own in zip(rows, cells, strict=True))
    yield markdown(Table(tuple(names), tuple(lines)))


def _contrasts(result: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for one in result["contrasts"]:
        value, low, high = (None if one[key] is None else 100 * one[key] for key in ("value", "low", "high"))
        first = f"{one['first']} - {one['second']}" + (" (primary)" if one["primary"] else "")
        told, ends = "" if value is None else f"{value:+.2f}", ends_text(low, high, "+.2f") or "none"
        rows.append((one["features"], first, told, ends, p_text(one["p"]), p_text(one["p_holm"]), one["note"]))
    yield markdown(
        Table(("features", "contrast", "AUROC points", "95 % interval", "p", "p (Holm)", "note"), tuple(rows))
    )


def _closing(result: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"- {sentence}" for sentence in result["verdict"])
    yield f"- all arms but {NONE} have the same parameters; arms share data, first weights, crops and order by seed"
    yield from (f"- note: {note}" for note in result["notes"])


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    return f"{fmean(known):.4f}" + (f" ({stdev(known):.4f})" if len(known) > 1 else "")
