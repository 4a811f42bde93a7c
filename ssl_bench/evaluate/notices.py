"""What protocols warn of, told to a person as sentences instead of lines of source code."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Notices:
    """Tells each sentence once, however many encoders and training sets it comes up for.

    Args:
        tell: takes a sentence.
    """

    tell: Callable[[str], None]
    told: set[str] = field(default_factory=set)

    def once(self, sentence: str) -> None:
        """Tell a sentence that was not told before."""
        if sentence not in self.told:
            self.told.add(sentence)
            self.tell(sentence)

    @contextmanager
    def of(self, protocol: str) -> Iterator[None]:
        """Python's warnings from inside, as Python's filters let them through, with the protocol's name."""
        caught: list[warnings.WarningMessage] = []
        try:
            with warnings.catch_warnings(record=True) as caught:
                yield
        finally:
            for warning in caught:
                self.once(f"protocol '{protocol}': {' '.join(str(warning.message).split())}")
