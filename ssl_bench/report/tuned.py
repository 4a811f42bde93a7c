"""What tables say of runs whose options a tune has chosen: its budget, its rule, and which runs stand beside none."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench.comparison.groups import RunGroup
from ssl_bench.config.tuned import ORACLE
from ssl_bench.results.record import Record
from ssl_bench.results.settings import TuningSettings

TUNING = ("budget", "rule")
"""Headings of the columns."""

UNTUNED = "-"
NEITHER = (UNTUNED, UNTUNED)

SELECTED_ON_TEST = (
    "its options were selected on the test split (rule oracle), so nothing compares; --allow-oracle shows it"
)


def tuning_of(record: Record) -> TuningSettings:
    """How the options of a run were chosen; empty where no tune chose them."""
    return record.settings.tuning or TuningSettings()


def selected_on_test(record: Record) -> bool:
    """Whether the test split has selected the options of a run."""
    return tuning_of(record).rule == ORACLE


def tuning_texts(group: RunGroup) -> tuple[str, str]:
    """Budget and rule behind the options of a group; dashes where no tune chose them."""
    own = [run.record for run in group.runs
           if not run.baseline or run.record.method == run.encoder]  # fmt: skip
    found = [tuning_of(record) for record in own]
    budgets, rules = (dict.fromkeys(_text(one, key) for one in found) for key in TUNING)
    return " / ".join(budgets) or UNTUNED, " / ".join(rules) or UNTUNED


def _text(tuning: TuningSettings, key: str) -> str:
    pruned = f", pruned by {tuning.pruner}" if key == "budget" and tuning.pruner not in (None, "none") else ""
    return f"{tuning.named(key) or UNTUNED}{pruned}"


def tuning_notes(groups: Iterable[RunGroup]) -> list[str]:
    """What a reader must know of tuned groups: who had which budget, selected by which rule.

    An untrained baseline that no tune chose, such as the one beside every run, is not spoken of.
    """
    budgets: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        text = tuning_texts(group)
        if text != NEITHER or not group.runs[0].baseline:
            budgets.setdefault(text, []).append(group.name)
    if set(budgets) <= {NEITHER}:
        return []
    told = [f"{', '.join(names)}: " + ("not tuned" if text == NEITHER else f"{text[0]}, selected by {text[1]}")
            for text, names in budgets.items()]  # fmt: skip
    uneven = " Budgets or rules differ, so a difference may be one of tuning." if len(budgets) > 1 else ""
    flattered = [name for (_, rule), names in budgets.items() if ORACLE in rule for name in names]
    warned = f" {', '.join(flattered)}: selected on the test split, not comparable." if flattered else ""
    return [f"Options by sslbench tune: {'; '.join(told)}.{uneven}{warned}"]
