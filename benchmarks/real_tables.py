"""Further tables of docs/real.md: few labels, what of a patient can be read from frozen features, gaps of subgroups.

Made of the records in a study file alone: means and standard deviations over seeds, without intervals over patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from ssl_bench.results.row import MACRO

FEWEST_PATIENTS = 5
"""Positive and negative test patients of a finding that counts, as in the tables with intervals."""

WAITING = "Not finished yet."

HOME = "nih14"
"""The dataset of the study; rows of others are external."""

LEAKAGE = (("sex=F", "auroc"), ("view=AP", "auroc"), ("age", "r2"))
GAPS = (("sex", "sex=F"), ("view", "view=PA"))
ALSO = ("r2", "auroc_gap")
"""Metrics of the records that the tables need and a leaderboard does not."""

Rows = list[Mapping[str, Any]]


def of_seeds(values: Mapping[str, Any], name: str, protocol: str) -> list[Rows]:
    """Rows of a protocol on the study's own dataset in the records of a configuration, a list for each seed."""
    return [[row for row in run["record"]["metrics"]
             if row["protocol"] == protocol and row.get("dataset", HOME) == HOME and "value" in row]
            for run in values["runs"] if run["configuration"] == name]  # fmt: skip


def mean_text(numbers: Sequence[float]) -> str:
    """Mean and standard deviation over seeds."""
    return f"{fmean(numbers):.3f}" + (f" ± {stdev(numbers):.3f}" if len(numbers) > 1 else "")


def efficiency(values: Mapping[str, Any], names: Sequence[str], least: float = 0.0) -> str:
    """Macro AUROC of the linear probe on shares of the training patients, over the findings that every draw has.

    Args:
        values: of the study.
        names: of the configurations.
        least: smaller shares are left out, and with them what their draws do not hold.
    """
    found = {(name, seed): {at: draw for at, draw in _draws(rows).items() if at[0] >= least}
             for name in names for seed, rows in enumerate(of_seeds(values, name, "linear"))}  # fmt: skip
    shares = sorted({share for of in found.values() for share, _ in of})
    labels = sorted(set.intersection(*({*draw} for of in found.values() for draw in of.values())))
    if len(shares) < 2 or any({share for share, _ in of} != {*shares} for of in found.values()):
        return WAITING
    lines = _head("configuration", *(f"{share:.0%} of the patients" for share in shares))
    for name in names:
        seeds = [of for (other, _), of in found.items() if other == name]
        means = ([fmean(draw[label] for (at, _), draw in of.items() if at == share for label in labels) for of in seeds]
                 for share in shares)  # fmt: skip
        lines.append(_line(name, map(mean_text, means)))
    return "\n".join([*lines, "", f"Findings in every draw: {', '.join(labels)}."])


def _draws(rows: Rows) -> dict[tuple[float, int], dict[str, float]]:
    """AUROC by finding, for each share of the labels and each draw of it."""
    draws: dict[tuple[float, int], dict[str, float]] = {}
    for row in rows:
        many = min(row.get("n_positive_patients", 0), row.get("n_negative_patients", 0)) >= FEWEST_PATIENTS
        if (row["metric"], row["subgroup"]) == ("auroc", "all") and row["label"] != MACRO and many:
            draws.setdefault((row["fraction"], row["draw"]), {})[row["label"]] = row["value"]
    return draws


def leakage(values: Mapping[str, Any], names: Sequence[str]) -> str:
    """How well frozen features tell age, sex and view."""
    lines = _head("configuration", "sex, AUROC", "view (AP), AUROC", "age, R2")
    for name in names:
        seeds = [{(row["label"], row["metric"]): row["value"] for row in rows if row["fraction"] == 1}
                 for rows in of_seeds(values, name, "leakage")]  # fmt: skip
        if not all(seeds):
            return WAITING
        lines.append(_line(name, (mean_text([seed[one] for seed in seeds]) for one in LEAKAGE)))
    return "\n".join(lines)


def gaps(values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Differences of macro AUROC between subgroups, over the findings that both hold, by linear probe."""
    lines = _head("configuration", "women minus men", "PA minus AP", "largest between ages")
    for name in names:
        seeds = [{row["subgroup"]: row for row in rows
                  if (row["metric"], row["label"], row["fraction"]) == ("auroc_gap", MACRO, 1)}
                 for rows in of_seeds(values, name, "linear")]  # fmt: skip
        if not all({"sex", "view", "age"} <= {*seed} for seed in seeds):
            return WAITING
        signed = ([_signed(seed[group], first) for seed in seeds] for group, first in GAPS)
        ages = mean_text([seed["age"]["value"] for seed in seeds])
        lines.append(_line(name, [*map(mean_text, signed), ages]))
    return "\n".join(lines)


def _signed(row: Mapping[str, Any], first: str) -> float:
    """A gap as the first group minus the other; the note says which group was ahead."""
    return float(row["value"]) if str(row["note"]).startswith(f"{first} minus") else -float(row["value"])


def _head(*names: str) -> list[str]:
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _line(name: str, cells: Iterator[str] | Sequence[str]) -> str:
    return f"| `{name}` | {' | '.join(cells)} |"
