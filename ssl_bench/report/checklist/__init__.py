"""A guideline's items beside what the records of some runs say to each, for the authors of a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl_bench.comparison.groups import groups_of
from ssl_bench.report.checklist.facts import Fact, facts_of
from ssl_bench.report.checklist.items import GUIDELINES, Guideline, Item
from ssl_bench.report.text import cell
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.shared import share

ALL = "all configurations"

NOTHING = "the record says nothing"


@dataclass(frozen=True)
class Known:
    """A fact, and the configurations whose records say it."""

    fact: Fact
    of: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """An item with all that is known."""

    item: Item
    known: tuple[Known, ...]


@dataclass(frozen=True)
class Checklist:
    """A filled guideline.

    Attributes:
        guideline: which.
        configurations: display names of what the records hold, with their seeds; never folders.
        answers: an item each.
    """

    guideline: Guideline
    configurations: Mapping[str, Sequence[int]]
    answers: tuple[Answer, ...]

    @property
    def open(self) -> list[Answer]:
        """Items to which a person must write something."""
        return [answer for answer in self.answers if answer.item.write or not answer.known]


def fill(paths: Sequence[Path], guideline: str) -> Checklist:
    """Fill a guideline from the records of finished runs.

    Args:
        paths: run directories.
        guideline: a key of :data:`GUIDELINES`.

    Raises:
        UsageError: a folder holds no finished run.
        DataError: a record is damaged.
    """
    every = groups_of({path: RunDirectory(path).read_record() for path in paths})
    groups = [group for group in every if not group.runs[0].baseline] or every
    told = {group.name: facts_of(share(group.runs[0].record)) for group in groups}
    seeds = {group.name: sorted({run.seed for run in group.runs}) for group in groups}
    chosen = GUIDELINES[guideline]
    return Checklist(chosen, seeds, tuple(Answer(item, _known(item, told)) for item in chosen.items))


def _known(item: Item, told: Mapping[str, Mapping[str, Sequence[Fact]]]) -> tuple[Known, ...]:
    """The facts of an item, each once with the configurations that it is of."""
    found: dict[Fact, list[str]] = {}
    for name in item.facts:
        for configuration, facts in told.items():
            for fact in facts.get(name, ()):
                found.setdefault(fact, []).append(configuration)
    return tuple(Known(fact, (ALL,) if len(of) == len(told) else tuple(of)) for fact, of in found.items())


def markdown(found: Checklist) -> str:
    """The checklist as Markdown: a section an item, so that it can be written into."""
    head = f"Item numbers of {found.guideline.source}; the words are this suite's."
    told = "What a record says stands with its place in `record.json`; **write** is left to a person."
    lines = [f"# {found.guideline.name}", "", head, told, ""]
    lines += [f"* {cell(name)}: seed {', '.join(map(str, seeds))}" for name, seeds in found.configurations.items()]
    for answer in found.answers:
        lines += ["", f"## {answer.item.number}: {answer.item.asks}", ""]
        lines += [_line(known, alone=len(found.configurations) == 1) for known in answer.known]
        write = answer.item.write or ("" if answer.known else NOTHING)
        lines += [f"* **write**: {write}"] if write else []
    return "\n".join([*lines, "", f"{len(found.open)} of {len(found.answers)} items need a person.", ""])


def _line(known: Known, *, alone: bool) -> str:
    of = "" if alone or known.of == (ALL,) else f"{cell(', '.join(known.of))}: "
    return f"* {of}{cell(known.fact.text)} (`{known.fact.place}`)"


def values(found: Checklist) -> dict[str, Any]:
    """The same as plain values."""
    items = [{"item": answer.item.number, "asks": answer.item.asks, "write": answer.item.write,
              "known": [{"text": known.fact.text, "place": known.fact.place, "of": list(known.of)}
                        for known in answer.known]} for answer in found.answers]  # fmt: skip
    return {"guideline": found.guideline.name, "source": found.guideline.source,
            "configurations": dict(found.configurations), "items": items}  # fmt: skip
