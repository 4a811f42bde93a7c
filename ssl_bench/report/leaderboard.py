"""Finished runs as one ranking: a row for each configuration and protocol, and what cannot stand in it with the reason.

Grouping by seed, intervals, tests and marks are those of ``sslbench tables`` (:mod:`ssl_bench.compare.groups`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import mean

from ssl_bench.compare.beside import others
from ssl_bench.compare.bundled import follows
from ssl_bench.compare.cleared import NOTE, unready_line
from ssl_bench.compare.contaminated import legends
from ssl_bench.compare.group_comparison import GroupComparison, admitted
from ssl_bench.compare.groups import RunGroup, groups_of
from ssl_bench.compare.lines import Line, Refused, guessing, lines_of
from ssl_bench.compare.ranking import Ranking, highest, ranking
from ssl_bench.compare.run import Setting, settings_of, slim
from ssl_bench.errors import HandledError, UsageError, unknown
from ssl_bench.plugin.names import RANDOM
from ssl_bench.pretrain.health import LEGEND
from ssl_bench.report.paper import Cell, adjusted, on_brackets, place_cells
from ssl_bench.report.place_notes import headings_of, held_notes
from ssl_bench.report.table import METRICS
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
        place: protocol, dataset that was tested, dataset that was fitted on.
        rank: by macro AUROC among the entries of the place; None where nothing can differ, and for an entry that was
            not trained long enough.
        cells: the macro numbers by metric, tested and marked.
        differences: to the baseline, by metric; None where one of the two is missing.
    """

    line: Line
    place: Setting
    rank: int | None
    cells: Mapping[str, Cell]
    differences: Mapping[str, float | None]

    @property
    def arm(self) -> RunGroup:
        """All runs of the configuration."""
        return self.line.arm

    @property
    def name(self) -> str:
        """Of the row."""
        return self.line.name

    @property
    def record(self) -> Record:
        """Of the first run; the others differ in the seed alone."""
        return self.arm.members[0].record

    @property
    def untrained(self) -> bool:
        """Whether the encoder is a baseline (``random``, ``pixels``)."""
        return self.arm.members[0].baseline

    @property
    def unready(self) -> bool:
        """Whether a training of it was not long enough."""
        return unready_line(self.line)

    @property
    def seeds(self) -> list[int]:
        """Seeds of its different encoders."""
        return sorted(self.line.members)

    @property
    def method(self) -> str:
        """The method's name, or the baseline's."""
        return self.arm.members[0].encoder if self.untrained else str(self.record.method)

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
        _, dataset, fitted_on = self.place
        row = next(iter(next(iter(self.line.members.values())).by_place[self.place].values()))
        unit = f", by study ({row.aggregate})" if row.unit == "study" else ""
        return (dataset if fitted_on == dataset else f"{dataset} (fitted on {fitted_on})") + unit

    @property
    def tuned(self) -> tuple[str, str]:
        """What its tuning cost and what selected its options; dashes where none did."""
        return tuning_texts(self.arm)

    def cost(self, key: str) -> float | None:
        """Mean over the runs of a number in the record's ``cost``; None where nothing was trained."""
        return self._mean(getattr(member.record.cost, key, None) for member in self.arm.members)

    def footprint(self, key: str) -> float | None:
        """Size, operations of an image, input, width or pretraining images of the encoder; None where unknown."""
        member = self.arm.members[0]
        value = getattr(member.record.footprint_of(member.encoder), key)
        return None if value is None else float(value)

    @property
    def hours(self) -> float | None:
        """Mean wall time of pretraining; None where nothing was trained."""
        summaries = [member.record.pretraining for member in self.arm.members]
        seconds = self._mean(summary.seconds if summary else None for summary in summaries)
        return None if seconds is None else seconds / 3600

    def _mean(self, values: Iterable[float | None]) -> float | None:
        known = [] if self.untrained else [value for value in values if value]
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
        entries: by place, the highest macro AUROC first.
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
        found = {place: ranking(bench, left_out) for place, (bench, left_out) in self.ranked.items()}
        return {place: one for place, one in found.items() if one is not None}

    @property
    def beside(self) -> dict[str, str]:
        """Those that are not AUROC and AUPRC."""
        return {name: heading for name, heading in self.metrics.items() if name not in METRICS}

    @property
    def synthetic(self) -> bool:
        """Whether any of the numbers says nothing about patients."""
        return any(member.record.synthetic for arm in self.arms for member in arm.members)

    @property
    def arms(self) -> list[RunGroup]:
        """Configurations that are in the ranking."""
        return list({entry.arm.name: entry.arm for entry in self.entries}.values())

    def by_arm(self) -> list[list[Entry]]:
        """Entries of each configuration, in the order of :attr:`arms`."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.arm.name, []).append(entry)
        return list(found.values())

    def by_place(self) -> dict[Setting, list[Entry]]:
        """Entries of each protocol and dataset."""
        found: dict[Setting, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.place, []).append(entry)
        return found

    def notes(self) -> list[str]:
        """What a reader must know of the numbers and marks."""
        cells = [cell for entry in self.entries for cell in entry.cells.values()]
        tests = [cell.test for cell in cells if cell.test is not None]
        notes = ["Data are synthetic: these numbers say nothing about patients."] * self.synthetic
        records = [member.record for arm in self.arms for member in arm.members]
        notes.append(f"{on_brackets(records, self.replicates)} A rank is no claim.")
        if any(cell.sd is not None for cell in cells):
            notes.append(f"Of several seeds the value is their mean, SD their standard deviation; an interval of the "
                         f"mean, from {SEEDS} seeds on, takes the seed as a random factor.")  # fmt: skip
        notes += [f"{NOTE}."] * any(cell.unclear for cell in cells)
        notes += [f"{LEGEND}."] * any(cell.unready for cell in cells)
        notes += legends(cell.seen for cell in cells)
        notes += tuning_notes(self.arms)
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

    Raises:
        UsageError: no run is finished, the baseline or a protocol is unknown, or two runs are the same one.
    """
    records, excluded = _finished(expanded(paths), oracle=oracle)
    arms = groups_of(records, protocols)
    reference = _baseline(arms, baseline)
    known = settings_of(member for arm in arms for member in arm.members)
    strange = sorted(set(protocols) - {place[0] for place in known})
    if strange:
        raise UsageError(unknown("protocol", strange[0], sorted({place[0] for place in known})))
    ordered = sorted(arms, key=lambda arm: arm is not reference)
    standings = [_of_place(ordered, reference, place, replicates, fewest, others(asked)) for place in known
                 if not protocols or place[0] in protocols]  # fmt: skip
    excluded += [one for standing in standings for one in standing.excluded]
    cells = adjusted([cell for standing in standings for cell in standing.cells])
    if not cells:
        raise UsageError(f"no run can be ranked: {'; '.join(f'{one.what}: {one.reason}' for one in excluded) or '-'}")
    remarks = dict.fromkeys(note for standing in standings for note in standing.notes)
    lines = {(standing.place, line.name): line for standing in standings for line in standing.lines}
    entries = tuple(_entries(cells, lines, reference))
    ranked = {standing.place: standing.ranked for standing in standings if standing.ranked is not None}
    return Board(entries, tuple(excluded), reference, replicates, tuple(remarks), headings_of(asked), fewest, ranked)


def expanded(paths: Iterable[Path]) -> list[Path]:
    """Each run directory once; a folder that is no run stands for the runs in it."""
    found = []
    for path in paths:
        inside = sorted(config.parent for config in path.glob("*/config.yaml"))
        found += inside if inside and not (path / "config.yaml").is_file() else [path]
    return list({path.resolve(): path for path in found}.values())


def _finished(paths: Iterable[Path], *, oracle: bool) -> tuple[dict[Path, Record], list[Excluded]]:
    """Records of the runs that can be read, and the others with the reason; none that can be is an error."""
    records: dict[Path, Record] = {}
    excluded, whole = [], set[Path]()
    for path in paths:
        try:
            records[path] = slim(follows(path, RunDirectory(path).read_record(), whole))
        except HandledError as error:
            told = (
                "the run is not finished, its record cannot be read, or it came in a bundle whose numbers do not follow"
            )
            excluded.append(Excluded(path.resolve().name, str(error), told, path))
    for path in [] if oracle else [path for path, record in records.items() if selected_on_test(record)]:
        del records[path]
        excluded.append(Excluded(path.resolve().name, SELECTED_ON_TEST, SELECTED_ON_TEST, path))
    if not records:
        raise UsageError(f"no finished run: {'; '.join(one.reason for one in excluded) or 'no folder was given'}")
    return records, excluded


def _baseline(arms: Sequence[RunGroup], name: str | None) -> RunGroup:
    if name is None:
        return next((arm for arm in arms if arm.members[0].encoder == RANDOM), arms[0])
    for arm in arms:
        folders = {member.path.resolve() for member in arm.members if not member.baseline}
        if arm.name == name or Path(name).resolve() in folders:
            return arm
    raise UsageError(unknown("baseline", name, [arm.name for arm in arms]))


@dataclass(frozen=True)
class Standing:
    """One place of a leaderboard: rows with their numbers, and what is left out."""

    place: Setting
    lines: Sequence[Line]
    cells: Sequence[Cell]
    excluded: Sequence[Excluded]
    notes: Sequence[str]
    ranked: tuple[GroupComparison, int] | None = None


def _of_place(
    arms: Sequence[RunGroup],
    reference: RunGroup,
    place: Setting,
    replicates: int,
    fewest: int,
    asked: tuple[Gauge, ...],
) -> Standing:
    """Numbers of the arms that share their test images, the baseline's if it has any, else the first arm's."""
    refused: Refused = []
    lines, notes = lines_of(arms, place, refused)
    bench, others = admitted(lines, place, replicates, fewest, asked)
    first = bench.lines[0] if bench.lines else None
    told = (
        f"{f'other test images or labels than {first.name}' if first else 'no images'}, one seed with different "
        "encoders, predictions that are gone, or a record that disagrees with them; the terminal says which"
    )
    excluded = [Excluded(f"{name} ({place[0]}, {place[1]})", str(error), told) for name, error in (*refused, *others)]
    if first is None:
        return Standing(place, (), (), excluded, ())
    tested = first if first.arm is reference else None  # where the baseline has no numbers nothing is tested
    top, beyond = highest(bench)
    cells = list(place_cells(bench, tested, per_label=False, kept={line.name for line in top}))
    told_notes, rows = [*(f"{note}." for note in notes), *held_notes(bench)], tuple(bench.lines)
    bench.keep(top)
    return Standing(place, rows, cells, excluded, told_notes, (bench, beyond))


def _entries(cells: Sequence[Cell], lines: Mapping[tuple[Setting, str], Line], reference: RunGroup) -> Iterator[Entry]:
    for place in dict.fromkeys(cell.place for cell in cells):
        found: dict[str, dict[str, Cell]] = {}
        for cell in cells:
            if cell.place == place:
                found.setdefault(cell.arm, {})[cell.metric] = cell
        base = next((of for name, of in found.items() if lines[place, name].arm is reference), {})
        ranked = sorted(found.items(), key=lambda item: -_value(item[1], "auroc", float("-inf")))
        guess = {name for name in found if guessing(lines[place, name], place)}
        ready = [name for name, _ in ranked if not unready_line(lines[place, name]) and name not in guess]
        for name, of_arm in ranked:
            line = lines[place, name]
            rank = ready.index(name) + 1 if name in ready and len(ready) > 1 and not line.blind else None
            differs = line.arm is not reference and not line.blind and name not in guess
            differences = {metric: _difference_to(of_arm, base, metric) if differs else None for metric in of_arm}
            yield Entry(line, place, rank, of_arm, differences)


def _difference_to(of_arm: Mapping[str, Cell], base: Mapping[str, Cell], metric: str) -> float | None:
    """The tested difference, else that of the two values: the latter comes without interval and mark."""
    if metric not in of_arm or metric not in base:
        return None
    test = of_arm[metric].test
    if test is not None and test.difference.value is not None:
        return test.difference.value
    return _value(of_arm, metric, 0.0) - _value(base, metric, 0.0)


def _value(cells: Mapping[str, Cell], metric: str, missing: float) -> float:
    value = cells[metric].interval.value if metric in cells else None
    return missing if value is None else value
