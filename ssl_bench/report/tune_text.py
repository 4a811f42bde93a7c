"""A tune in the terminal: what is searched, what was chosen, and how the methods rank at several budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from ssl_bench.numbers import interval_text, number_text
from ssl_bench.report.table import plain_console
from ssl_bench.tune.result import notes
from ssl_bench.tune.studies import StudyPlan


def print_spaces(studies: Sequence[StudyPlan], budget: str, seeds: int) -> None:
    """Print what would be searched."""
    table = Table("study", "hyperparameter", "default", "range")
    for study in studies:
        for number, one in enumerate(study.space.told() or [{"key": "nothing", "default": "", "range": ""}]):
            name = "" if number else study.name
            table.add_row(name, str(one["key"]), value_text(one["default"]), str(one["range"]))
    console = plain_console()
    console.print(table)
    console.print(f"{len(studies)} studies of {budget} each, then {seeds} fresh seeds with the selected setting",
                  soft_wrap=True)  # fmt: skip


def print_result(found: Mapping[str, Any]) -> None:
    """Print what was chosen, the ranking at each budget, and what a reader must know."""
    console = plain_console()
    for heading, (columns, rows) in tables(found).items():
        table = Table(*columns, title=heading)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for note in notes(found):
        console.print(f"note: {note}", soft_wrap=True)


Rows = tuple[Sequence[str], list[Sequence[str]]]


def tables(found: Mapping[str, Any]) -> dict[str, Rows]:
    """Choices, rankings and final numbers as texts, by heading."""
    return {"chosen settings": _choices(found), "ranking by budget": _rankings(found), "final runs": _finals(found)}


def _choices(found: Mapping[str, Any]) -> Rows:
    rows: list[Sequence[str]] = []
    for study in found["studies"]:
        chosen, default = study["chosen"], study["trials"][0]["value"] if study["trials"] else None
        failed = sum(trial["state"] != "done" for trial in study["trials"])
        trials = f"{len(study['trials'])}{f' ({failed} failed or pruned)' if failed else ''}"
        if chosen is None:
            rows.append((study["name"], trials, "none", number_text(default), "-", "all trials failed"))
            continue
        rows.append((study["name"], trials, str(chosen["trial"]), number_text(default), number_text(chosen["value"]),
                     settings_text(chosen["settings"], chosen["edges"])))  # fmt: skip
    return ("study", "trials", "chosen trial", "default", "chosen", "setting"), rows


def _rankings(found: Mapping[str, Any]) -> Rows:
    budgets = found["ranking"]
    if not budgets:
        return ("method",), []
    ranks = [{row["method"]: row for row in one["methods"]} for one in budgets]
    rows = [(method, *(rank_text(of.get(method)) for of in ranks)) for method in ranks[-1]]
    heads = ["1 (defaults)" if one["budget"] == 1 else f"{one['budget']} trials" for one in budgets]
    return ("method", *heads), list(rows)


def _finals(found: Mapping[str, Any]) -> Rows:
    """Of the test split."""
    rows: list[Sequence[str]] = []
    for study in found["studies"]:
        for method, final in study["final"].items():
            values = [row["value"] for row in final["seeds"].values() if row["value"] is not None]
            rows.append((method, f"{len(values)} of {len(final['seeds'])}", number_text(final["mean"]),
                         number_text(final["sd"])))  # fmt: skip
    return ("method", "seeds", "test macro AUROC", "SD"), rows


def rank_text(row: Mapping[str, Any] | None) -> str:
    """``2: 0.712 [0.690, 0.731]``."""
    if row is None:
        return "-"
    ends = (row["low"], row["high"]) if row["low"] < row["high"] else (None, None)
    return f"{row['rank']}: {interval_text(row['expected'], *ends)}"


def settings_text(settings: Mapping[str, Any], edges: Mapping[str, str]) -> str:
    """``pretrain.lr 0.0031, method.momentum 0.99 (high end: widen)``; of trial 0 ``official default``."""
    marks = {key: f" ({end} end: widen)" for key, end in edges.items()}
    told = [f"{key} {value_text(value)}{marks.get(key, '')}" for key, value in settings.items()]
    beside = [f"{key} at the {end} end: widen" for key, end in edges.items() if key not in settings]
    return ", ".join(told or ["official default", *beside])


def value_text(value: Any) -> str:
    """A setting with four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(value_text, value)) if isinstance(value, list | tuple) else str(value)
