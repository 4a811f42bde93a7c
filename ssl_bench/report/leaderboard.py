"""Finished runs as one ranking: a row for each configuration and protocol, and what cannot stand in it with the reason.

Grouping by seed, intervals, tests and marks are those of ``sslbench tables`` (:mod:`ssl_bench.comparison.groups`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import mean

from ssl_bench.comparison.beside import others
from ssl_bench.comparison.bundled import follows
from ssl_bench.comparison.cleared import NOTE, unready_line
from ssl_bench.comparison.contaminated import legends
from ssl_bench.comparison.group_comparison import GroupComparison, admitted
from ssl_bench.comparison.groups import RunGroup, groups_of
from ssl_bench.comparison.lines import Line, Refused, guessing, lines_of
from ssl_bench.comparison.ranking import Ranking, highest, ranking
from ssl_bench.comparison.run import Setting, settings_of, slim
from ssl_bench.errors import DataError, HandledError, UsageError, unknown
from ssl_bench.plugin.names import RANDOM
from ssl_bench.pretrain.health import LEGEND
from ssl_bench.report.paper import PaperCell, adjusted, on_brackets, place_cells
from ssl_bench.report.place_notes import headings_of, held_notes
from ssl_bench.report.run_tables import METRICS
from ssl_bench.report.tuned import SELECTED_ON_TEST, selected_on_test, tuning_notes, tuning_texts
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.stats.family import described
from ssl_bench.stats.intervals import FEWEST
from ssl_bench.stats.measures import Gauge
from ssl_bench.stats.significance import SEEDS


@dataclass(frozen=True)
class Entry:
    """A row of the leaderboard.

    Attributes:
        line: the runs, each encoder once.
        setting: protocol, dataset that was tested, dataset that was fitted on.
        rank: by macro AUROC among the entries of the place; None where nothing can differ, and for an entry that was
            not trained long enough.
        cells: the macro numbers by metric, tested and marked.
        differences: to the baseline, by metric; None where one of the two is missing.
    """

    line: Line
    setting: Setting
    rank: int | None
    cells: Mapping[str, PaperCell]
    differences: Mapping[str, float | None]

    @property
    def group(self) -> RunGroup:
        """All runs of the configuration."""
        return self.line.group

    @property
    def name(self) -> str:
        """Of the row."""
        return self.line.name

    @property
    def record(self) -> Record:
        """Of the first run; the others differ in the seed alone."""
        return self.group.runs[0].record

    @property
    def untrained(self) -> bool:
        """Whether the encoder is a baseline (``random``, ``pixels``)."""
        return self.group.runs[0].baseline

    @property
    def unready(self) -> bool:
        """Whether a training of it was not long enough."""
        return unready_line(self.line)

    @property
    def seeds(self) -> list[int]:
        """Seeds of its different encoders."""
        return sorted(self.line.runs)

    @property
    def method(self) -> str:
        """The method's name, or the baseline's."""
        return self.group.runs[0].encoder if self.untrained else str(self.record.method)

    @property
    def features(self) -> str:
        """EHR features that were joined in pretraining."""
        return "none" if self.untrained else ", ".join(self.record.features) or "none"

    @property
    def fusion(self) -> str:
        """How they were joined."""
        return "none" if self.untrained else str(self.record.fusion or "none")

    @property
    def backbone(self) -> str:
        """The image encoder; a dash where embeddings came without one."""
        return self.record.settings.backbone.name

    @property
    def data(self) -> str:
        """The dataset that was tested, and where the protocol was fitted if not there."""
        _, dataset, fitted_on = self.setting
        row = next(iter(next(iter(self.line.runs.values())).by_setting[self.setting].values()))
        unit = f", by study ({row.aggregate})" if row.unit == "study" else ""
        return (dataset if fitted_on == dataset else f"{dataset} (fitted on {fitted_on})") + unit

    @property
    def tuned(self) -> tuple[str, str]:
        """What its tuning cost and what selected its options; dashes where none did."""
        return tuning_texts(self.group)

    def cost(self, key: str) -> float | None:
        """Mean over the runs of a number in the record's ``cost``; None where nothing was trained."""
        trained = [run.record for run in self.group.runs if run.record.pretraining]
        return self._mean(getattr(record.cost, key, None) for record in trained)

    def footprint(self, key: str) -> float | None:
        """Size, operations of an image, input, width or pretraining images of the encoder; None where unknown."""
        run = self.group.runs[0]
        value = getattr(run.record.footprint_of(run.encoder), key)
        return None if value is None else float(value)

    @property
    def hours(self) -> float | None:
        """Mean wall time of pretraining; None where nothing was trained."""
        summaries = [run.record.pretraining for run in self.group.runs]
        seconds = self._mean(summary.seconds if summary else None for summary in summaries)
        return None if seconds is None else seconds / 3600

    def _mean(self, values: Iterable[float | None]) -> float | None:
        known = [] if self.untrained else [value for value in values if value is not None]
        return mean(known) if known else None


@dataclass(frozen=True)
class Excluded:
    """A run or configuration that is not in the ranking, and why.

    Attributes:
        what: its name.
        reason: for the terminal; it may name folders and images.
        shareable: the reason without those, for a page that is passed on.
        folder: of a run that has no name, because it cannot be read.
    """

    what: str
    reason: str
    shareable: str
    folder: Path | None = None


@dataclass(frozen=True)
class Board:
    """All that the terminal and the page show.

    Attributes:
        entries: by setting, the highest macro AUROC first.
        excluded: what is left out.
        baseline: the configuration that others are tested against.
        replicates: resamples of patients.
        remarks: on rows that hold one encoder, and on the findings of macro means.
        metrics: heading of every metric by its name.
        fewest: positive and negative patients of a finding in a macro mean.
        ranked: of every place the highest rows with their resamples, and how many are left out.
    """

    entries: tuple[Entry, ...]
    excluded: tuple[Excluded, ...]
    baseline: RunGroup
    replicates: int
    remarks: tuple[str, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=lambda: METRICS)
    fewest: int = FEWEST
    ranked: Mapping[Setting, tuple[GroupComparison, int]] = field(default_factory=dict)

    @cached_property
    def rankings(self) -> dict[Setting, Ranking]:
        """How firm the order of each place is, where it has rows enough; computed at the first use."""
        found = {setting: ranking(comparison, left_out) for setting, (comparison, left_out) in self.ranked.items()}
        return {setting: one for setting, one in found.items() if one is not None}

    @property
    def beside(self) -> dict[str, str]:
        """Those that are not AUROC and AUPRC."""
        return {name: heading for name, heading in self.metrics.items() if name not in METRICS}

    @property
    def synthetic(self) -> bool:
        """Whether any of the numbers says nothing about patients."""
        return any(run.record.synthetic for group in self.groups for run in group.runs)

    @property
    def groups(self) -> list[RunGroup]:
        """Configurations that are in the ranking."""
        return list({entry.group.name: entry.group for entry in self.entries}.values())

    def by_arm(self) -> list[list[Entry]]:
        """Entries of each configuration, in the order of :attr:`groups`."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.group.name, []).append(entry)
        return list(found.values())

    def by_setting(self) -> dict[Setting, list[Entry]]:
        """Entries of each protocol and dataset."""
        found: dict[Setting, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.setting, []).append(entry)
        return found

    def notes(self) -> list[str]:
        """What a reader must know of the numbers and marks."""
        cells = [cell for entry in self.entries for cell in entry.cells.values()]
        tests = [cell.test for cell in cells if cell.test is not None]
        notes = ["Data are synthetic: these numbers say nothing about patients."] * self.synthetic
        records = [run.record for group in self.groups for run in group.runs]
        notes.append(f"{on_brackets(records, self.replicates)} A rank is no claim.")
        if any(cell.sd is not None for cell in cells):
            notes.append(f"Of several seeds the value is their mean, SD their standard deviation; an interval of the "
                         f"mean, from {SEEDS} seeds on, takes the seed as a random factor.")  # fmt: skip
        notes += [f"{NOTE}."] * any(cell.unclear for cell in cells)
        notes += [f"{LEGEND}."] * any(cell.unready for cell in cells)
        notes += legends(cell.seen for cell in cells)
        notes += tuning_notes(self.groups)
        return [*notes, *self.remarks, *described(self.baseline.name, tests)]


def read_board(
    paths: Sequence[Path],
    *,
    baseline: str | None = None,
    protocols: Sequence[str] = (),
    replicates: int = 1000,
    fewest: int = FEWEST,
    asked: Sequence[Gauge] = (),
    oracle: bool = False,
    split: str = "test",
) -> Board:
    """Read runs and rank them.

    Args:
        paths: run directories, or folders of run directories.
        baseline: a configuration's name or one of its run directories; None: the random encoder, or else the first.
        protocols: those to show; empty: all.
        replicates: resamples of patients.
        fewest: positive and negative patients of a finding in a macro mean.
        asked: metrics beside AUROC and AUPRC.
        oracle: also runs whose options were selected on the test split.
        split: whose images are judged: "validate" where settings are chosen.

    Raises:
        UsageError: no run is finished, the baseline or a protocol is unknown, or two runs are the same one.
    """
    records, excluded = _finished(expanded(paths), oracle=oracle, split=split)
    groups = groups_of(records, protocols, split)
    reference = _baseline(groups, baseline)
    known = settings_of(run for group in groups for run in group.runs)
    strange = sorted(set(protocols) - {setting[0] for setting in known})
    if strange:
        raise UsageError(unknown("protocol", strange[0], sorted({setting[0] for setting in known})))
    ordered = sorted(groups, key=lambda group: group is not reference)
    standings = [_of_place(ordered, reference, setting, replicates, fewest, others(asked)) for setting in known
                 if not protocols or setting[0] in protocols]  # fmt: skip
    excluded += [one for standing in standings for one in standing.excluded]
    cells = adjusted([cell for standing in standings for cell in standing.cells])
    if not cells:
        raise UsageError(f"no run can be ranked: {'; '.join(f'{one.what}: {one.reason}' for one in excluded) or '-'}")
    remarks = dict.fromkeys(note for standing in standings for note in standing.notes)
    lines = {(standing.setting, line.name): line for standing in standings for line in standing.lines}
    entries = tuple(_entries(cells, lines, reference))
    ranked = {standing.setting: standing.ranked for standing in standings if standing.ranked is not None}
    return Board(entries, tuple(excluded), reference, replicates, tuple(remarks), headings_of(asked), fewest, ranked)


def expanded(paths: Iterable[Path]) -> list[Path]:
    """Each run directory once; a folder that is no run stands for the runs in it."""
    found = []
    for path in paths:
        inside = sorted(config.parent for config in path.glob("*/config.yaml"))
        found += inside if inside and not (path / "config.yaml").is_file() else [path]
    return list({path.resolve(): path for path in found}.values())


def _finished(paths: Iterable[Path], *, oracle: bool, split: str) -> tuple[dict[Path, Record], list[Excluded]]:
    """Records of the runs that can be read, and the others with the reason; if none can, their error."""
    records: dict[Path, Record] = {}
    excluded, whole, damaged = [], set[Path](), False
    for path in paths:
        try:
            records[path] = slim(follows(path, RunDirectory(path).read_record(), whole), split)
        except HandledError as error:
            damaged |= isinstance(error, DataError)
            told = (
                "the run is not finished, its record cannot be read, or it came in a bundle whose numbers do not follow"
            )
            excluded.append(Excluded(path.resolve().name, str(error), told, path))
    for path in [] if oracle else [path for path, record in records.items() if selected_on_test(record)]:
        del records[path]
        excluded.append(Excluded(path.resolve().name, SELECTED_ON_TEST, SELECTED_ON_TEST, path))
    if not records:
        reasons = dict.fromkeys(one.reason for one in excluded)
        raise (DataError if damaged else UsageError)(f"no finished run: {'; '.join(reasons) or 'no folder was given'}")
    return records, excluded


def _baseline(groups: Sequence[RunGroup], name: str | None) -> RunGroup:
    if name is None:
        return next((group for group in groups if group.runs[0].encoder == RANDOM), groups[0])
    for group in groups:
        folders = {run.path.resolve() for run in group.runs if not run.baseline}
        if group.name == name or Path(name).resolve() in folders:
            return group
    raise UsageError(unknown("baseline", name, [group.name for group in groups]))


@dataclass(frozen=True)
class Standing:
    """One place of a leaderboard: rows with their numbers, and what is left out."""

    setting: Setting
    lines: Sequence[Line]
    cells: Sequence[PaperCell]
    excluded: Sequence[Excluded]
    notes: Sequence[str]
    ranked: tuple[GroupComparison, int] | None = None


def _of_place(
    groups: Sequence[RunGroup],
    reference: RunGroup,
    setting: Setting,
    replicates: int,
    fewest: int,
    asked: tuple[Gauge, ...],
) -> Standing:
    """Numbers of the groups that share their test images, the baseline's if it has any, else the first group's."""
    refused: Refused = []
    lines, notes = lines_of(groups, setting, refused)
    comparison, others = admitted(lines, setting, replicates, fewest, asked)
    first = comparison.lines[0] if comparison.lines else None
    told = (
        f"{f'other test images or labels than {first.name}' if first else 'no images'}, one seed with different "
        "encoders, predictions that are gone, or a record that disagrees with them; the terminal says which"
    )
    excluded = [
        Excluded(f"{name} ({setting[0]}, {setting[1]})", str(error), told) for name, error in (*refused, *others)
    ]
    if first is None:
        return Standing(setting, (), (), excluded, ())
    tested = first if first.group is reference else None  # where the baseline has no numbers nothing is tested
    top, beyond = highest(comparison)
    cells = list(place_cells(comparison, tested, per_label=False, kept={line.name for line in top}))
    told_notes, rows = [*(f"{note}." for note in notes), *held_notes(comparison)], tuple(comparison.lines)
    comparison.keep(top)
    return Standing(setting, rows, cells, excluded, told_notes, (comparison, beyond))


def _entries(
    cells: Sequence[PaperCell], lines: Mapping[tuple[Setting, str], Line], reference: RunGroup
) -> Iterator[Entry]:
    for setting in dict.fromkeys(cell.setting for cell in cells):
        found: dict[str, dict[str, PaperCell]] = {}
        for cell in cells:
            if cell.setting == setting:
                found.setdefault(cell.group, {})[cell.metric] = cell
        base = next((of for name, of in found.items() if lines[setting, name].group is reference), {})
        ranked = sorted(found.items(), key=lambda item: -_value(item[1], "auroc", float("-inf")))
        guess = {name for name in found if guessing(lines[setting, name], setting)}
        ready = [name for name, _ in ranked if not unready_line(lines[setting, name]) and name not in guess]
        for name, of_arm in ranked:
            line = lines[setting, name]
            rank = ready.index(name) + 1 if name in ready and len(ready) > 1 and not line.blind else None
            differs = line.group is not reference and not line.blind and name not in guess
            differences = {metric: _difference_to(of_arm, base, metric) if differs else None for metric in of_arm}
            yield Entry(line, setting, rank, of_arm, differences)


def _difference_to(of_arm: Mapping[str, PaperCell], base: Mapping[str, PaperCell], metric: str) -> float | None:
    """The tested difference, else that of the two values: the latter comes without interval and mark."""
    if metric not in of_arm or metric not in base:
        return None
    test = of_arm[metric].test
    if test is not None and test.difference.value is not None:
        return test.difference.value
    return _value(of_arm, metric, 0.0) - _value(base, metric, 0.0)


def _value(cells: Mapping[str, PaperCell], metric: str, missing: float) -> float:
    value = cells[metric].interval.value if metric in cells else None
    return missing if value is None else value
