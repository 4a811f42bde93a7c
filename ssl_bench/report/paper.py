"""The paper's tables: linear evaluation and fine-tuning, an arm a line, as Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ssl_bench.errors import UsageError, shortened
from ssl_bench.evaluate.arms import Arm, Bench, Place, Record, Row, Test, macro, place_of
from ssl_bench.evaluate.compare import ALPHA, SEEDS, adjusted_p
from ssl_bench.evaluate.intervals import Interval
from ssl_bench.report.table import MACRO, METRICS, beyond

TITLES = {
    "linear": "Linear evaluation",
    "linear-paper": "Linear evaluation with augmented images",
    "finetune": "Fine-tuning",
}
"""Protocols of the paper's tables, in their order."""

MARKS = {"methods": "*", "encoders": "†"}


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        arm, place, label, metric: what it is of.
        interval: of the value; over several seeds, of their mean.
        seeds: runs behind it.
        sd: standard deviation over the seeds; None where there is one.
        best: the highest of its column.
        test: against the reference arm; None where there is none to make.
        p_holm: of the test, adjusted for all tests of the call.
    """

    arm: str
    place: Place
    label: str
    metric: str
    interval: Interval
    seeds: int
    sd: float | None
    best: bool = False
    test: Test | None = None
    p_holm: float | None = None

    @property
    def mark(self) -> str:
        """``*`` or ``†`` where the arm differs from the reference."""
        if self.test is None or self.test.level is None or self.p_holm is None or self.p_holm >= ALPHA:
            return ""
        return MARKS[self.test.level]


@dataclass(frozen=True)
class PaperTable:
    """A table as text.

    Attributes:
        title: what it shows.
        columns: headings; the first is of the arms' or findings' names.
        rows: a name and cells each; a cell is its value, the rest of it, its mark, and whether it is the best.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[str, str, str, bool], ...]], ...]


def paper_cells(bench: Bench, protocols: Sequence[str], *, per_label: bool) -> list[Cell]:
    """All numbers of the tables, tested and marked.

    Args:
        bench: with the arms, the reference first.
        protocols: whose numbers are shown.
        per_label: with those of single findings, which are not tested.

    Raises:
        UsageError: no run has a row of these protocols.
        DataError: test images differ, or predictions are gone.
    """
    known = places_of(bench.arms)
    places = [place for name in protocols for place in known if place[0] == name]
    if not places:
        have = sorted({place[0] for place in known})
        raise UsageError(f"no run holds {', '.join(protocols)}; they have {', '.join(have)}: name some by --eval")
    return adjusted([cell for place in places for cell in place_cells(bench, place, per_label=per_label)])


def adjusted(cells: Sequence[Cell]) -> list[Cell]:
    """The cells with p adjusted by Holm over the tests of all of them."""
    found = adjusted_p([None if cell.test is None else cell.test.difference.p for cell in cells])
    return [replace(cell, p_holm=p) for cell, p in zip(cells, found, strict=True)]


def places_of(arms: Iterable[Arm]) -> list[Place]:
    """Where the arms have macro means on test splits: home first, in the order of the records."""
    rows = [row for arm in arms for member in arm.members for row in member.record["metrics"]]
    found = dict.fromkeys(place_of(row) for row in rows if _shown(row))
    return sorted(found, key=lambda place: place[1] != place[2])


def _shown(row: Row) -> bool:
    return row["label"] == MACRO and row["metric"] in METRICS and row["split"] == "test"


def place_cells(bench: Bench, place: Place, *, per_label: bool) -> Iterator[Cell]:
    """The numbers of one protocol on one dataset, each arm tested against the first of the bench.

    Raises:
        DataError: test images differ, or predictions are gone.
    """
    arms = [arm for arm in bench.arms if arm.at(place)]
    alike = len(held_in(arms, place)) == 1
    if len(arms) > 1:
        bench.table(next(iter(arms[0].at(place).values())), place)  # refuses other test images
    rows = [row for arm in arms for member in arm.at(place).values() for row in member.rows(place)]
    labels = [MACRO, *(dict.fromkeys(row["label"] for row in rows if row["label"] != MACRO) if per_label else ())]
    for label in labels:
        for metric in METRICS:
            cells = [cell for arm in arms if (cell := _cell(bench, arm, place, label, metric)) is not None]
            if label == MACRO and alike:
                cells = [replace(cell, test=_test(bench, arms, cell)) for cell in cells]
            yield from _best(cells) if alike or label != MACRO else cells


def held_in(arms: Iterable[Arm], place: Place) -> set[tuple[str, ...]]:
    """The sets of findings that the arms' macro means hold."""
    rows = [row for arm in arms for member in arm.at(place).values() for row in member.rows(place)]
    return {tuple(sorted(row["macro_labels"])) for row in rows if row["label"] == MACRO}


def _cell(bench: Bench, arm: Arm, place: Place, label: str, metric: str) -> Cell | None:
    members = arm.at(place)
    found = [row for member in members.values() for row in member.rows(place)
             if (row["label"], row["metric"]) == (label, metric)]  # fmt: skip
    values = [row["value"] for row in found if row["value"] is not None]
    if not values:
        return None
    if len(values) == 1:
        interval = Interval(values[0], found[0]["ci_low"], found[0]["ci_high"], note=found[0]["note"])
        return Cell(arm.name, place, label, metric, interval, 1, None)
    interval = Interval(float(np.mean(values)))
    if label == MACRO and len(members) >= SEEDS:
        interval = bench.level(arm, place, metric)
    return Cell(arm.name, place, label, metric, interval, len(values), float(np.std(values, ddof=1)))


def _test(bench: Bench, arms: Sequence[Arm], cell: Cell) -> Test | None:
    """Against the first arm of the table, if this is another one and both have a value."""
    reference, arm = bench.arms[0], next(arm for arm in arms if arm.name == cell.arm)
    if arm is reference or reference not in arms:
        return None
    members = [*arm.at(cell.place).values(), *reference.at(cell.place).values()]
    if any(np.isnan(macro(member, cell.place, cell.metric)) for member in members):
        return None
    return bench.test(arm, reference, cell.place, cell.metric)


def _best(cells: list[Cell]) -> list[Cell]:
    """The cells of one column, the highest marked where there are several."""
    highest = max((cell.interval.value or 0.0 for cell in cells), default=0.0)
    return [replace(cell, best=len(cells) > 1 and cell.interval.value == highest) for cell in cells]


def paper_tables(cells: Sequence[Cell]) -> list[PaperTable]:
    """The macro table of every protocol, and one for each metric where there are single findings."""
    tables = []
    for protocol in dict.fromkeys(cell.place[0] for cell in cells):
        of = [cell for cell in cells if cell.place[0] == protocol]
        title = f"{TITLES.get(protocol, protocol)} ({protocol})"
        over = dict.fromkeys((cell.place, cell.metric) for cell in of if cell.label == MACRO)
        columns = {key: f"{_at(key[0])}{METRICS[key[1]]}" for key in over}
        rows = {arm: {(cell.place, cell.metric): cell for cell in of if cell.arm == arm and cell.label == MACRO}
                for arm in dict.fromkeys(cell.arm for cell in of)}  # fmt: skip
        tables.append(_table(f"{title}, macro mean", "method", columns, rows))
        for place in dict.fromkeys(cell.place for cell in of):
            for metric, name in METRICS.items():
                tables += _finding_table(f"{title}, {_at(place)}{name} by finding", of, place, metric)
    return tables


def _finding_table(title: str, cells: Sequence[Cell], place: Place, metric: str) -> list[PaperTable]:
    of = [cell for cell in cells if (cell.place, cell.metric) == (place, metric)]
    labels = [label for label in dict.fromkeys(cell.label for cell in of) if label != MACRO]
    columns = {arm: arm for arm in dict.fromkeys(cell.arm for cell in of)}
    rows = {label: {cell.arm: cell for cell in of if cell.label == label} for label in [*labels, MACRO]}
    return [_table(title, "finding", columns, rows)] if labels else []


def _table(title: str, corner: str, columns: Mapping[Any, str], rows: Mapping[str, Mapping[Any, Cell]]) -> PaperTable:
    lines = tuple((name, tuple(_parts(cells.get(key)) for key in columns)) for name, cells in rows.items())
    return PaperTable(title, (corner, *columns.values()), lines)


def _at(place: Place) -> str:
    """The dataset of a column, and where its head was fitted if not there."""
    _, dataset, fitted_on = place
    return f"{dataset}{f' (fitted on {fitted_on})' if fitted_on != dataset else ''} "


def _parts(cell: Cell | None) -> tuple[str, str, str, bool]:
    if cell is None:
        return ("-", "", "", False)
    spread = f" ± {cell.sd:.3f}" if cell.sd is not None else ""
    interval = cell.interval
    ends = f" [{interval.low:.3f}, {interval.high:.3f}]" if interval.low is not None else ""
    return (f"{interval.value:.3f}", spread + ends, cell.mark, cell.best)


def footnotes(bench: Bench, cells: Sequence[Cell]) -> list[str]:
    """What a reader must know of the numbers and marks."""
    records = [member.record for arm in bench.arms for member in arm.members]
    notes = ["Data are synthetic: these numbers say nothing about patients."] * any(r["synthetic"] for r in records)
    notes.append(
        f"{on_brackets(records, bench.replicates)} Bold: the highest of a column, which is no claim by itself."
    )
    notes += _narrow(bench, cells)
    seeds = sorted({cell.seeds for cell in cells if cell.sd is not None})
    if seeds:
        notes.append(
            f"±: standard deviation over {' or '.join(map(str, seeds))} pretraining seeds; the value is their mean. "
            f"Its interval, from {SEEDS} seeds on, takes the seed as a random factor crossed with patients."
        )
    tests = [cell.test for cell in cells if cell.test is not None]
    if tests:
        notes += on_marks(bench.arms[0].name, tests)
    places = dict.fromkeys(cell.place for cell in cells)
    lacking = [f"{place[0]} on {_at(place).strip()}" for place in places if not bench.arms[0].at(place)]
    if lacking:
        notes.append(f"Not tested: {bench.arms[0].name} has no numbers of {', '.join(lacking)}.")
    for place in places:
        held = held_in([arm for arm in bench.arms if arm.at(place)], place)
        if len(held) > 1:
            sets = "; ".join(shortened(labels) for labels in sorted(held))
            notes.append(
                f"{place[0]}, {place[1]}: macro means hold different findings ({sets}): none is best or tested."
            )
    return notes


def on_brackets(records: Iterable[Record], replicates: int) -> str:
    """How many resamples the intervals come from: those of a single run stand in its record, others are made here."""
    own = sorted({record["config"].get("evaluate", {}).get("replicates", replicates) for record in records})
    here = "" if own == [replicates] else f"; tests, and intervals over seeds, from {replicates:,}"
    return f"Brackets: 95 % intervals from {' or '.join(f'{n:,}' for n in own)} resamples of patients{here}."


def _narrow(bench: Bench, cells: Sequence[Cell]) -> list[str]:
    """Which findings the macro means are over where some have too few patients, and the means over all of them."""
    notes = []
    for place in dict.fromkeys(cell.place for cell in cells):
        rows = [(arm.name, row) for arm in bench.arms for member in arm.at(place).values()
                for row in member.rows(place) if row["label"] == MACRO and beyond(row)]  # fmt: skip
        if not rows:
            continue
        held, every = ({label for _, row in rows for label in row[key]} for key in ("macro_labels", "all_labels"))
        means: dict[tuple[str, str], list[float]] = {(arm, METRICS[row["metric"]]): [] for arm, row in rows}
        for arm, row in rows:
            means[arm, METRICS[row["metric"]]].append(row["value_all"])
        told = ", ".join(f"{arm} {metric} {np.mean(values):.3f}" for (arm, metric), values in means.items())
        notes.append(
            f"Macro means by {place[0]} on {_at(place).strip()} are over {len(held)} of {len(every)} findings; the "
            f"others have too few patients for a claim. Over all {len(every)}, without any claim: {told}."
        )
    return notes


def on_marks(reference: str, tests: Sequence[Test]) -> list[str]:
    """What the marks mean, and why some tests were not made."""
    made = [test for test in tests if test.level is not None and test.difference.p is not None]
    family = f"{len(made)} tests against {reference}, p adjusted by Holm"
    notes = []
    if any(test.level == "methods" for test in made):
        notes.append(f"*: the method differs from {reference} (adjusted p below {ALPHA}): {SEEDS} or more paired "
                     f"seeds, the seed as a random factor; {family}.")  # fmt: skip
    if any(test.level == "encoders" for test in made):
        notes.append(f"†: this encoder differs from that of {reference} (adjusted p below {ALPHA}), on the same "
                     f"resamples; it speaks of these two encoders and not of their methods, which takes {SEEDS} paired "
                     f"seeds; {family}.")  # fmt: skip
    notes += [f"Not tested: {reason}." for reason in dict.fromkeys(test.reason for test in tests if test.reason)]
    return notes


def as_frame(cells: Sequence[Cell], reference: str) -> pd.DataFrame:
    """One line a number, unrounded, for a file."""
    return pd.DataFrame([
        {
            "protocol": cell.place[0], "dataset": cell.place[1], "fitted_on": cell.place[2], "arm": cell.arm,
            "label": cell.label, "metric": cell.metric, "value": cell.interval.value, "ci_low": cell.interval.low,
            "ci_high": cell.interval.high, "seeds": cell.seeds, "sd": cell.sd, "best": cell.best,
            "against": reference if cell.test else None,
            "difference": cell.test.difference.value if cell.test else None,
            "p": cell.test.difference.p if cell.test else None, "p_holm": cell.p_holm,
            "speaks_of": cell.test.level if cell.test else None,
        }
        for cell in cells
    ])  # fmt: skip
