"""``--quiet``: progress is left out, results and warnings stay."""

from __future__ import annotations

import sys

_state = {"hushed": False}


def hush(asked: bool) -> bool:
    """Say no progress from now on, or say it again; the answer is what was asked."""
    _state["hushed"] = asked
    return asked


def hushed() -> bool:
    """Whether progress is left out."""
    return _state["hushed"]


def progress(sentence: str) -> None:
    """Tell how far a command is, on standard error."""
    if not hushed():
        print(sentence, file=sys.stderr)
