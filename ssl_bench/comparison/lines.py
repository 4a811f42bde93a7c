"""The rows of one setting: a group with its different encoders by seed, each encoder in one row alone. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ssl_bench.comparison.groups import RunGroup, same_predictions
from ssl_bench.comparison.run import EncoderRun, Setting
from ssl_bench.errors import HandledError
from ssl_bench.numbers import counted
from ssl_bench.results.rows import CONSTANT


@dataclass(frozen=True, eq=False)
class Line:
    """What is one row at a setting: a group with its different encoders by seed.

    Attributes:
        group: of the runs.
        runs: the different encoders by seed.
        name: of the row.
        blind: the protocol looks at no encoder, so nothing here is ranked or tested.
    """

    group: RunGroup
    runs: Mapping[int, EncoderRun]
    name: str
    blind: bool = False

    @property
    def fixed(self) -> bool:
        """Whether it is one encoder that no seed changes, such as given weights: it stands beside every seed."""
        only = next(iter(self.runs.values())) if len(self.runs) == 1 else None
        return only is not None and only.fixed

    def same(self, other: Line) -> bool:
        """Whether an encoder of one is an encoder of the other."""
        mine, others = ({run.identity for run in line.runs.values()} - {""} for line in (self, other))
        return bool(mine & others)


def guessing(line: Line, setting: Setting) -> bool:
    """Whether every encoder of a row gives all images the same features, so that its numbers are those of guessing."""
    return all(_guesses(run, setting) for run in line.runs.values())


def _guesses(run: EncoderRun, setting: Setting) -> bool:
    return any(row.note == CONSTANT for row in run.rows(setting))


def by_seed(line: Line, other: Line) -> Mapping[int, EncoderRun]:
    """Encoders of a row by the seed that they are paired by; one that no seed changes by every seed of the other."""
    return dict.fromkeys(other.runs, *line.runs.values()) if line.fixed else line.runs


Refused = list[tuple[str, HandledError]]
"""Rows that cannot stand at a setting, with the reason."""


def lines_of(
    groups: Iterable[RunGroup], setting: Setting, refused: Refused | None = None
) -> tuple[list[Line], list[str]]:
    """The rows of a setting, and what a reader must know of encoders that stand behind several runs or names.

    Args:
        groups: the reference first.
        setting: protocol and datasets.
        refused: gets the groups that cannot stand here; None: the first of them is raised.

    Raises:
        UsageError: two runs of a group have one seed and different encoders.
        DataError: predictions that must be looked at are gone.
    """
    here: list[tuple[RunGroup, dict[int, EncoderRun]]] = []
    lines: list[Line] = []
    notes: list[str] = []
    seen: Seen = {}
    for group in groups:
        try:
            found = group.at(setting)
            alone = _distinct(found, setting)
            own, twin = _apart(alone, seen, setting)
        except HandledError as error:
            if refused is None:
                raise
            refused.append((group.name, error))
            continue
        if found:
            here.append((group, found))
        if own:
            lines.append(Line(group, own, group.name))
            for run in own.values():
                seen.setdefault(run.values(setting), []).append((lines[-1], run))
        notes += _told(group, alone, own, twin, setting)
    if any(setting[0] in run.record.without_encoder for _, found in here for run in found.values()):
        return _blind(here, setting)
    return lines, list(dict.fromkeys(notes))


def _told(
    group: RunGroup, alone: Mapping[int, EncoderRun], own: Mapping[int, EncoderRun], twin: Line | None, setting: Setting
) -> Iterator[str]:
    """Which encoders of a group several runs or rows hold."""
    runs = [run for run in group.runs if setting in run.by_setting and not run.baseline]
    if 0 < len(alone) < len(runs):
        yield (f"{group.name}: {len(runs)} runs hold {counted(len(alone), 'encoder')} by {setting[0]}; a replicate is "
               "a new pretraining, so each counts once")  # fmt: skip
    guess = [run for run in alone.values() if _guesses(run, setting)]
    if guess:
        yield (f"{group.name}: {len(guess)} of {counted(len(alone), 'encoder')} give every image the same features; "
               f"their row by {setting[0]} is guessing")  # fmt: skip
    if twin is not None and len(own) < len(alone):
        what = "an encoder of" if own else "the same encoder as"
        yield f"{group.name} holds {what} {twin.name}, which stands there alone"


def _distinct(found: Mapping[int, EncoderRun], setting: Setting) -> dict[int, EncoderRun]:
    """Without encoders that predict to the last digit what an earlier one does."""
    alone: dict[int, EncoderRun] = {}
    by_values: dict[tuple[object, ...], list[EncoderRun]] = {}
    for seed, run in found.items():
        alike = by_values.setdefault(run.values(setting), [])
        if not any(same_predictions(other, run, setting) for other in alike):
            alone[seed] = run
            alike.append(run)
    return alone


Seen = dict[tuple[object, ...], list[tuple[Line, EncoderRun]]]
"""Encoders of the rows so far, by their numbers."""


def _apart(found: Mapping[int, EncoderRun], seen: Seen, setting: Setting) -> tuple[dict[int, EncoderRun], Line | None]:
    """The encoders that do not predict what those of earlier rows do, and the row that has the others."""
    own: dict[int, EncoderRun] = {}
    twin = None
    for seed, run in found.items():
        alike = (line for line, other in seen.get(run.values(setting), ()) if same_predictions(other, run, setting))
        line = next(alike, None)
        if line is None:
            own[seed] = run
        twin = line or twin
    return own, twin


def _blind(here: Sequence[tuple[RunGroup, Mapping[int, EncoderRun]]], setting: Setting) -> tuple[list[Line], list[str]]:
    """One row for each set of EHR features: by such a protocol encoders cannot differ."""
    groups: dict[str, tuple[RunGroup, EncoderRun]] = {}
    for group, found in here:
        for run in found.values():
            groups.setdefault(", ".join(run.record.features), (group, run))
    several = len(groups) > 1
    lines = [Line(group, {run.seed: run}, f"every encoder{f' ({features})' if several else ''}", blind=True)
             for features, (group, run) in groups.items()]  # fmt: skip
    return lines, [f"{setting[0]} looks at no encoder: one row, not ranked and not tested"]
