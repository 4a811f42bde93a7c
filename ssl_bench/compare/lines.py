"""The rows of one place: an arm with its different encoders by seed, each encoder in one row alone. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ssl_bench.compare.groups import RunGroup, same_predictions
from ssl_bench.compare.run import Run, Setting
from ssl_bench.errors import HandledError
from ssl_bench.results.rows import CONSTANT


@dataclass(frozen=True, eq=False)
class Line:
    """What is one row at a place: an arm with its different encoders by seed.

    Attributes:
        arm: of the runs.
        members: the different encoders by seed.
        name: of the row.
        blind: the protocol looks at no encoder, so nothing here is ranked or tested.
    """

    arm: RunGroup
    members: Mapping[int, Run]
    name: str
    blind: bool = False

    @property
    def fixed(self) -> bool:
        """Whether it is one encoder that no seed changes, such as given weights: it stands beside every seed."""
        only = next(iter(self.members.values())) if len(self.members) == 1 else None
        return only is not None and only.fixed

    def same(self, other: Line) -> bool:
        """Whether an encoder of one is an encoder of the other."""
        mine, others = ({member.identity for member in line.members.values()} - {""} for line in (self, other))
        return bool(mine & others)


def guessing(line: Line, place: Setting) -> bool:
    """Whether every encoder of a row gives all images the same features, so that its numbers are those of guessing."""
    return all(_guesses(member, place) for member in line.members.values())


def _guesses(member: Run, place: Setting) -> bool:
    return any(row.note == CONSTANT for row in member.rows(place))


def by_seed(line: Line, other: Line) -> Mapping[int, Run]:
    """Encoders of a row by the seed that they are paired by; one that no seed changes by every seed of the other."""
    return dict.fromkeys(other.members, *line.members.values()) if line.fixed else line.members


Refused = list[tuple[str, HandledError]]
"""Rows that cannot stand at a place, with the reason."""


def lines_of(arms: Iterable[RunGroup], place: Setting, refused: Refused | None = None) -> tuple[list[Line], list[str]]:
    """The rows of a place, and what a reader must know of encoders that stand behind several runs or names.

    Args:
        arms: the reference first.
        place: protocol and datasets.
        refused: gets the arms that cannot stand here; None: the first of them is raised.

    Raises:
        UsageError: two runs of an arm have one seed and different encoders.
        DataError: predictions that must be looked at are gone.
    """
    here: list[tuple[RunGroup, dict[int, Run]]] = []
    lines: list[Line] = []
    notes: list[str] = []
    seen: Seen = {}
    for arm in arms:
        try:
            found = arm.at(place)
            alone = _distinct(found, place)
            own, twin = _apart(alone, seen, place)
        except HandledError as error:
            if refused is None:
                raise
            refused.append((arm.name, error))
            continue
        if found:
            here.append((arm, found))
        if own:
            lines.append(Line(arm, own, arm.name))
            for member in own.values():
                seen.setdefault(member.values(place), []).append((lines[-1], member))
        notes += _told(arm, alone, own, twin, place)
    if any(place[0] in member.record.without_encoder for _, found in here for member in found.values()):
        return _blind(here, place)
    return lines, list(dict.fromkeys(notes))


def _told(
    arm: RunGroup, alone: Mapping[int, Run], own: Mapping[int, Run], twin: Line | None, place: Setting
) -> Iterator[str]:
    """Which encoders of an arm several runs or rows hold."""
    runs = [member for member in arm.members if place in member.by_place and not member.baseline]
    if 0 < len(alone) < len(runs):
        yield (f"{arm.name}: {len(runs)} runs hold {_count(len(alone))} by {place[0]}; a replicate is a new "
               "pretraining, so each counts once")  # fmt: skip
    guess = [member for member in alone.values() if _guesses(member, place)]
    if guess:
        yield (f"{arm.name}: {len(guess)} of {_count(len(alone))} give every image the same features; what stands for "
               f"them by {place[0]} is guessing")  # fmt: skip
    if twin is not None and len(own) < len(alone):
        what = "an encoder of" if own else "the same encoder as"
        yield f"{arm.name} holds {what} {twin.name}, which stands there alone"


def _count(encoders: int) -> str:
    return "1 encoder" if encoders == 1 else f"{encoders} encoders"


def _distinct(found: Mapping[int, Run], place: Setting) -> dict[int, Run]:
    """Without encoders that predict to the last digit what an earlier one does."""
    alone: dict[int, Run] = {}
    by_values: dict[tuple[object, ...], list[Run]] = {}
    for seed, member in found.items():
        alike = by_values.setdefault(member.values(place), [])
        if not any(same_predictions(other, member, place) for other in alike):
            alone[seed] = member
            alike.append(member)
    return alone


Seen = dict[tuple[object, ...], list[tuple[Line, Run]]]
"""Encoders of the rows so far, by their numbers."""


def _apart(found: Mapping[int, Run], seen: Seen, place: Setting) -> tuple[dict[int, Run], Line | None]:
    """The encoders that do not predict what those of earlier rows do, and the row that has the others."""
    own: dict[int, Run] = {}
    twin = None
    for seed, member in found.items():
        alike = (line for line, other in seen.get(member.values(place), ()) if same_predictions(other, member, place))
        line = next(alike, None)
        if line is None:
            own[seed] = member
        twin = line or twin
    return own, twin


def _blind(here: Sequence[tuple[RunGroup, Mapping[int, Run]]], place: Setting) -> tuple[list[Line], list[str]]:
    """One row for each set of EHR features: by such a protocol encoders cannot differ."""
    groups: dict[str, tuple[RunGroup, Run]] = {}
    for arm, found in here:
        for member in found.values():
            groups.setdefault(", ".join(member.record.features), (arm, member))
    several = len(groups) > 1
    lines = [Line(arm, {member.seed: member}, f"every encoder{f' ({features})' if several else ''}", blind=True)
             for features, (arm, member) in groups.items()]  # fmt: skip
    return lines, [f"{place[0]} looks at no encoder: one row, not ranked and not tested"]
