"""Errors a user can act on: one sentence, no traceback, an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence

from ssl_bench.urls import hidden

LISTED = 20
"""How many problems of a long list are shown before the count of the rest."""


class HandledError(Exception):
    """A fault with one sentence for the user: what was expected, what was found, what to do."""

    exit_code = 1
    everywhere = False
    """Every process of a training raises it at once, so only the first one tells of it."""
    several: tuple[HandledError, ...] = ()
    """The problems that this one error tells of, where :func:`joined` made it."""

    def __init__(self, *told: object) -> None:
        super().__init__(*(hidden(part) if isinstance(part, str) else part for part in told))


class UsageError(HandledError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class DataError(HandledError):
    """The files of a dataset are not what they should be."""

    exit_code = 3


class PluginError(HandledError):
    """A plugin that the run needs is broken or incomplete."""

    exit_code = 4


class TrainingStopped(HandledError):
    """Training stopped itself: NaN, collapse, out of memory."""

    exit_code = 5


class Interrupted(HandledError):
    """A signal asked the run to stop; it was saved at the step boundary."""

    exit_code = 130


class Elsewhere(HandledError):
    """Another process of the training failed and tells why; this one ends with it."""

    everywhere = True


def because(error: BaseException) -> str:
    """What another library says was wrong, for the middle of a sentence: in one line, without error numbers."""
    mark = getattr(error, "problem_mark", None)  # of YAML: the place in the text
    told = getattr(error, "problem", None) if mark else error.strerror if isinstance(error, OSError) else None
    text = " ".join((str(told or error) or type(error).__name__).split())
    text = f"{text} (line {mark.line + 1})" if mark else text
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def nearest(name: str, known: Iterable[str]) -> str:
    """The question "did you mean ...?" for a misspelt name, or an empty string where nothing is near.

    A name that another one begins with is near it: ``msn-ehr`` to ``msn-ehr (age, sex)``.
    """
    spelt = {candidate.replace("_", "-").lower(): candidate for candidate in known}
    asked = name.replace("_", "-").lower()
    longer = [one for one in spelt if asked and one.startswith(asked) and not one[len(asked) :][:1].isalnum()]
    match = sorted(longer, key=len)[:1] or difflib.get_close_matches(asked, spelt, n=1)
    return f"did you mean '{spelt[match[0]]}'?" if match else ""


def guesses(names: Iterable[str], known: Iterable[str]) -> str:
    """The questions of :func:`nearest` for several misspelt names, as far as something is near."""
    candidates = list(known)
    return " ".join(filter(None, (nearest(name, candidates) for name in names)))


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for an unknown name: what exists, and the nearest match.

    Args:
        what: what kind of thing the name stands for, for example ``method``.
        name: the name that was not found.
        known: the names that exist.
    """
    return f"unknown {what} '{name}'; {among(name, known)}"


def among(name: str, known: Iterable[str]) -> str:
    """The nearest match to a name, where there is one, and what exists."""
    names = sorted(known)
    listed = f"expected one of {shortened(names)}" if names else "there is none"
    question = nearest(name, names)
    return f"{question} ({listed})" if question else listed


def shortened(items: Iterable[object], limit: int = LISTED) -> str:
    """The first items, comma-separated, with the count of those left out."""
    every = list(items)
    rest = len(every) - limit
    return ", ".join(_printable(item) for item in every[:limit]) + (f" and {rest} more" if rest > 0 else "")


def _printable(item: object) -> str:
    """What a file holds may hold line ends and terminal commands, too."""
    return "".join(letter if letter.isprintable() else " " for letter in str(item))


def escaped(text: str) -> str:
    """A message with its line ends, and with everything else that a terminal would obey written as its number."""
    return "".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text)


class Problems:
    """Collects everything that is wrong before anything is built, to be told at once."""

    def __init__(self) -> None:
        self._found: list[HandledError] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, error: HandledError) -> None:
        """Remember one more problem, or each of several that were told at once."""
        self._found += error.several or [error]

    def run(self, check: Callable[[], object]) -> None:
        """Run a check and remember the fault it raises."""
        try:
            check()
        except HandledError as error:
            self.add(error)

    def raise_if_any(self) -> None:
        """Raise what was found.

        Raises:
            HandledError: of the first problem's class; several problems are one message with a line each,
                the first 20 and the count of the others.
        """
        if self._found:
            raise joined(self._found)


def joined(errors: Sequence[HandledError]) -> HandledError:
    """One error that tells of all: a lone one as it is, several with a line each, of the first one's class."""
    if len(errors) == 1:
        return errors[0]
    lines = [f"  {number}. {error}" for number, error in enumerate(errors[:LISTED], start=1)]
    if len(errors) > LISTED:
        lines.append(f"  ... and {len(errors) - LISTED} more")
    told = type(errors[0])(f"{len(errors)} problems\n" + "\n".join(lines))
    told.several = tuple(errors)
    return told
