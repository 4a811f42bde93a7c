"""The paper's tables: linear evaluation and fine-tuning, a group a line, as Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ssl_bench.comparison.beside import ideal, others
from ssl_bench.comparison.cleared import NOTE, UNCLEAR, unclear_line, unready_line
from ssl_bench.comparison.contaminated import SEEN, UNKNOWN, legends, seen_mark
from ssl_bench.comparison.group_comparison import GroupComparison
from ssl_bench.comparison.groups import RunGroup
from ssl_bench.comparison.lines import Line, lines_of
from ssl_bench.comparison.run import Setting, settings_of
from ssl_bench.errors import UsageError
from ssl_bench.numbers import ends_text
from ssl_bench.plugin.components import EvaluatorSpec
from ssl_bench.plugin.registry import installed
from ssl_bench.pretrain.health import LEGEND, UNREADY
from ssl_bench.report.place_notes import at, headings_of, held_notes
from ssl_bench.report.table import Table, TableCell, of_rows
from ssl_bench.report.tuned import tuning_notes
from ssl_bench.results.ledger import contaminated
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO
from ssl_bench.stats.family import Test, adjust, described, mark
from ssl_bench.stats.intervals import FEWEST, Interval
from ssl_bench.stats.measures import Gauge
from ssl_bench.stats.significance import SEEDS


@dataclass(frozen=True)
class PaperCell:
    """One number of a table.

    Attributes:
        group, setting, label, metric: what it is of.
        heading: of the metric.
        interval: of the value; over several seeds, of their mean.
        seeds: runs behind it.
        sd: standard deviation over the seeds; None where there is one.
        best: the highest of its column.
        whole: mean over all findings with a value, where the macro mean is over fewer: a point without claim.
        test: against the reference group; None where there is none to make.
        p_holm: of the test, adjusted for all tests of the call.
        unclear: the group is not shown to be above the thumbnails.
        seen: ``‡`` where the encoder has seen the test images in its pretraining, ``?`` where this is unknown.
        chance: the value of scores that say nothing; None where it is not known.
        unready: a training of the group was not long enough to say anything of its method; such a number is never best.
    """

    group: str
    setting: Setting
    label: str
    metric: str
    interval: Interval
    seeds: int
    sd: float | None
    best: bool = False
    whole: float | None = None
    test: Test | None = None
    p_holm: float | None = None
    unclear: bool = False
    heading: str = ""
    seen: str = ""
    chance: float | None = None
    unready: bool = False

    @property
    def mark(self) -> str:
        """``*`` or ``†`` where it differs from the reference, ``§`` where it does not clear ``pixels``, ``¶``."""
        return mark(self.test, self.p_holm) + UNCLEAR * self.unclear + UNREADY * self.unready


@dataclass(frozen=True)
class Paper:
    """All numbers of the tables, tested and marked.

    Attributes:
        groups: the reference first.
        replicates: resamples of patients.
        cells: the numbers.
        notes: on rows that hold one encoder, and on the findings of macro means.
    """

    groups: Sequence[RunGroup]
    replicates: int
    cells: Sequence[PaperCell]
    notes: Sequence[str]

    @property
    def reference(self) -> str:
        """The group that others are tested against."""
        return self.groups[0].name


SEEN_WORDS = {SEEN: "yes", UNKNOWN: "unknown", "": "no"}


def refuse_seen(cells: Iterable[PaperCell]) -> None:
    """Refuse numbers on images that their encoders have seen.

    Raises:
        DataError: naming rows and places.
    """
    found = [f"{cell.group} by {cell.setting[0]} on {cell.setting[1]}" for cell in cells if cell.seen == SEEN]
    if found:
        raise contaminated(dict.fromkeys(found))


def paper(
    groups: Sequence[RunGroup],
    protocols: Sequence[str],
    *,
    per_label: bool,
    replicates: int,
    fewest: int = FEWEST,
    asked: Sequence[Gauge] = (),
) -> Paper:
    """Measure and test groups.

    Args:
        groups: the reference first.
        protocols: whose numbers are shown.
        per_label: with those of single findings, which are not tested.
        replicates: resamples of patients.
        fewest: positive and negative patients of a finding in a macro mean.
        asked: metrics beside AUROC and AUPRC.

    Raises:
        UsageError: no run has a row of these protocols.
        DataError: test images differ, predictions are gone, or a record disagrees with them.
    """
    known = settings_of(run for group in groups for run in group.runs)
    settings = [setting for name in protocols for setting in known if setting[0] == name]
    if not settings:
        have = sorted({setting[0] for setting in known})
        raise UsageError(f"no run holds {', '.join(protocols)}; they have {', '.join(have)}: name some by --eval")
    cells: list[PaperCell] = []
    notes: list[str] = []
    for setting in settings:
        lines, told = lines_of(groups, setting)
        comparison = GroupComparison(setting, lines, replicates, fewest, others(asked))
        cells += place_cells(comparison, lines[0] if lines[0].group is groups[0] else None, per_label=per_label)
        notes += [f"{note}." for note in told] + held_notes(comparison)
    return Paper(groups, replicates, adjusted(cells), list(dict.fromkeys(notes)))


def adjusted(cells: Sequence[PaperCell]) -> list[PaperCell]:
    """The cells with p adjusted by Holm over the tests of all of them."""
    return [replace(cell, p_holm=p) for cell, p in zip(cells, adjust([cell.test for cell in cells]), strict=True)]


def place_cells(
    comparison: GroupComparison, reference: Line | None, *, per_label: bool, kept: Collection[str] = ()
) -> Iterator[PaperCell]:
    """The numbers of one protocol on one dataset, each row tested against the reference, if it has any here.

    Args:
        comparison: of the rows.
        reference: the row that others are tested against.
        per_label: also the numbers of single findings.
        kept: names of the rows whose resamples are used further.

    Raises:
        DataError: test images differ, predictions are gone, or a record disagrees with them.
    """
    headings = headings_of(comparison.asked)
    macro: dict[str, list[PaperCell]] = {metric: [] for metric in headings}
    seen = {line.name: seen_mark(comparison, line) for line in comparison.lines}
    for line in comparison.lines:
        for metric in headings:
            cell = _macro_cell(comparison, line, metric)
            tested = reference is not None and line is not reference and cell.interval.value is not None
            cell = replace(cell, unclear=unclear_line(comparison, line, metric), seen=seen[line.name])
            macro[metric].append(
                replace(cell, test=comparison.test(line, reference, metric)) if tested and reference else cell
            )
        if line is not reference and not per_label and line.name not in kept:
            comparison.forget(line)
    for cells in macro.values():
        yield from _best([cell for cell in cells if cell.interval.value is not None], comparison)
    if per_label:
        for label in comparison.known:
            for metric in headings:
                found = [_label_cell(comparison, line, label, metric) for line in comparison.lines]
                yield from _best([replace(one, seen=seen[one.group]) for one in found if one is not None], comparison)


def _macro_cell(comparison: GroupComparison, line: Line, metric: str) -> PaperCell:
    if not comparison.has(line, metric):
        return _cell(comparison, line, MACRO, metric, Interval(None), [])
    values = comparison.values(line, metric)
    fewer = len(comparison.held(metric)) < len(comparison.defined(metric))
    whole = float(np.mean(comparison.values(line, metric, every=True))) if fewer else None
    return replace(_cell(comparison, line, MACRO, metric, comparison.level(line, metric), values), whole=whole)


def _label_cell(comparison: GroupComparison, line: Line, label: str, metric: str) -> PaperCell | None:
    each = [comparison.of_label(run, label, metric) for run in line.runs.values()]
    found = [interval for interval in each if interval.value is not None]
    values = [interval.value for interval in found if interval.value is not None]
    if not values:
        return None
    return _cell(
        comparison, line, label, metric, found[0] if len(each) == 1 else Interval(float(np.mean(values))), values
    )


def _cell(
    comparison: GroupComparison, line: Line, label: str, metric: str, interval: Interval, values: Sequence[float]
) -> PaperCell:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    heading = headings_of(comparison.asked)[metric]
    chance = comparison.chance(comparison.held(metric) if label == MACRO else (label,), metric)
    return PaperCell(line.name, comparison.setting, label, metric, interval, len(values), spread, heading=heading,
                     chance=chance, unready=unready_line(line))  # fmt: skip


def _best(cells: list[PaperCell], comparison: GroupComparison) -> list[PaperCell]:
    """The cells of one column, the best marked where there are several that can differ."""
    scores = [_goodness(cell, comparison) for cell in cells if not cell.unready]
    if len(cells) < 2 or not scores or any(line.blind for line in comparison.lines):
        return cells
    return [replace(cell, best=not cell.unready and _goodness(cell, comparison) == max(scores)) for cell in cells]


def _goodness(cell: PaperCell, comparison: GroupComparison) -> float:
    value, sign = cell.interval.value or 0.0, comparison.direction(cell.metric)
    return sign * value if sign else -abs(value - ideal(comparison.asked, cell.metric))


def paper_tables(cells: Sequence[PaperCell]) -> list[Table]:
    """The macro table of every protocol, and one for each metric where there are single findings."""
    tables = []
    known, kind = installed(), EvaluatorSpec.kind
    headings = {name: known.get(kind, name).heading for name in known.names(kind)}
    for protocol in dict.fromkeys(cell.setting[0] for cell in cells):
        of = [cell for cell in cells if cell.setting[0] == protocol]
        title = f"{headings.get(protocol) or protocol} ({protocol})"
        columns = {
            (cell.setting, cell.metric): f"{at(cell.setting)}{cell.heading}" for cell in of if cell.label == MACRO
        }
        rows = {group: {(cell.setting, cell.metric): cell for cell in of if cell.group == group and cell.label == MACRO}
                for group in dict.fromkeys(cell.group for cell in of)}  # fmt: skip
        tables.append(_table(f"{title}, macro mean", "method", columns, rows))
        for setting in dict.fromkeys(cell.setting for cell in of):
            for metric, name in {cell.metric: cell.heading for cell in of}.items():
                tables += _finding_table(f"{title}, {at(setting)}{name} by finding", of, setting, metric)
    return tables


def _finding_table(title: str, cells: Sequence[PaperCell], setting: Setting, metric: str) -> list[Table]:
    of = [cell for cell in cells if (cell.setting, cell.metric) == (setting, metric)]
    labels = [label for label in dict.fromkeys(cell.label for cell in of) if label != MACRO]
    columns = {group: group for group in dict.fromkeys(cell.group for cell in of)}
    rows = {_with_chance(label, of): {cell.group: cell for cell in of if cell.label == label}
            for label in [*labels, MACRO]}  # fmt: skip
    return [_table(title, "finding", columns, rows)] if labels else []


def _with_chance(label: str, cells: Sequence[PaperCell]) -> str:
    """A finding, with the AUPRC of scores that say nothing of it: its prevalence."""
    chance = next((cell.chance for cell in cells if (cell.label, cell.metric) == (label, "auprc")), None)
    return label if chance is None else f"{label} (chance {chance:.3f})"


def _table(title: str, corner: str, columns: Mapping[Any, str], rows: Mapping[str, Mapping[Any, PaperCell]]) -> Table:
    lines = tuple((name, *(_shown(cells.get(key)) for key in columns)) for name, cells in rows.items())
    return Table((corner, *columns.values()), lines, title)


def _shown(cell: PaperCell | None) -> TableCell | None:
    if cell is None:
        return None
    spread = f"± {cell.sd:.3f}" if cell.sd is not None else ""
    interval = cell.interval
    rest = tuple(filter(None, (spread, ends_text(interval.low, interval.high))))
    return TableCell(f"{interval.value:.3f}", rest, cell.mark + cell.seen, interval.value, cell.best)


def footnotes(shown: Paper) -> list[str]:
    """What a reader must know of the numbers and marks."""
    records = [run.record for group in shown.groups for run in group.runs]
    notes = ["Data are synthetic: these numbers say nothing about patients."] * any(
        record.synthetic for record in records
    )
    best = " Bold: the best of a column, which is no claim by itself." * any(cell.best for cell in shown.cells)
    notes.append(on_brackets(records, shown.replicates) + best)
    notes += shown.notes
    seeds = sorted({cell.seeds for cell in shown.cells if cell.sd is not None})
    if seeds:
        notes.append(
            f"±: standard deviation over {' or '.join(map(str, seeds))} pretraining seeds; the value is their mean. "
            f"Its interval, from {SEEDS} seeds on, takes the seed as a random factor crossed with patients."
        )
    notes += described(shown.reference, [cell.test for cell in shown.cells])
    notes += [f"{NOTE}."] * any(cell.unclear for cell in shown.cells)
    notes += [f"{LEGEND}."] * any(cell.unready for cell in shown.cells)
    notes += legends(cell.seen for cell in shown.cells)
    notes += tuning_notes(shown.groups)
    settings = dict.fromkeys(cell.setting for cell in shown.cells)
    lacking = [f"{setting[0]} on {at(setting).strip()}" for setting in settings if not shown.groups[0].at(setting)]
    if lacking:
        notes.append(f"Not tested: {shown.reference} has no numbers of {', '.join(lacking)}.")
    return notes


def on_brackets(records: Iterable[Record], replicates: int) -> str:
    """How many resamples the intervals come from: those of a single run stand in its record, others are made here."""
    own = sorted({record.settings.evaluate.replicates or replicates for record in records})
    here = "" if own == [replicates] else f"; tests, and intervals over seeds, from {replicates:,}"
    return f"Brackets: 95 % intervals from {' or '.join(f'{n:,}' for n in own)} resamples of patients{here}."


def numbers(cells: Sequence[PaperCell], reference: str) -> Table:
    """One row a number, unrounded, for files."""
    return of_rows([
        {
            "protocol": cell.setting[0], "dataset": cell.setting[1], "fitted_on": cell.setting[2], "arm": cell.group,
            "label": cell.label, "metric": cell.metric, "value": cell.interval.value, "ci_low": cell.interval.low,
            "ci_high": cell.interval.high, "seeds": cell.seeds, "sd": cell.sd, "best": cell.best,
            "value_all": cell.whole, "chance": cell.chance, "against": reference if cell.test else None,
            "difference": cell.test.difference.value if cell.test else None,
            "p": cell.test.difference.p if cell.test else None, "p_holm": cell.p_holm,
            "speaks_of": cell.test.level if cell.test else None, "not_above_pixels": cell.unclear,
            "seen_in_pretraining": SEEN_WORDS[cell.seen], "trained_long_enough": not cell.unready,
        }
        for cell in cells
    ])  # fmt: skip
