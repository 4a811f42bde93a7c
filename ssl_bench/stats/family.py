"""Tests that are made together: which there are, their number, and p adjusted for it. No torch.

``compare``, ``tables``, ``leaderboard`` and ``ablate`` all adjust here. The family is its hypotheses and not the rows
that show them: an encoder that stands in two rows, or a protocol that looks at no encoder, is no test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ssl_bench.errors import shortened
from ssl_bench.numbers import counted
from ssl_bench.stats.intervals import NAMES, Difference
from ssl_bench.stats.significance import ALPHA, SEEDS, adjusted_p

Level = Literal["methods", "encoders"]

MARKS: dict[Level, str] = {"methods": "*", "encoders": "†"}

SAME = "the same encoder"
BLIND = "the protocol looks at no encoder"

LISTED = 12
"""Members of a family that are named in its sentence."""


@dataclass(frozen=True)
class Test:
    """A row minus the reference: of methods where there are seeds enough, else of the two encoders.

    Attributes:
        difference: with interval and p.
        level: what it speaks of; None: nothing is tested, for ``reason``.
        reason: why there is no test.
        called: what the hypothesis is, for the sentence on its family: ``simclr by linear on nih14``.
        metric: ``auroc``.
    """

    difference: Difference
    level: Level | None
    reason: str = ""
    called: str = ""
    metric: str = ""
    __test__ = False  # pytest takes it for a class of tests

    @property
    def made(self) -> bool:
        """Whether it counts: there is a p."""
        return self.level is not None and self.difference.p is not None


def adjust(tests: Sequence[Test | None]) -> list[float | None]:
    """P adjusted by Holm for the tests that were made together; None where there is none."""
    return adjusted_p([test.difference.p if test is not None and test.made else None for test in tests])


def mark(test: Test | None, p_holm: float | None) -> str:
    """``*`` where methods differ, ``†`` where two encoders do, by the adjusted p."""
    if test is None or test.level is None or p_holm is None or p_holm >= ALPHA:
        return ""
    return MARKS[test.level]


def described(reference: str, tests: Iterable[Test | None]) -> list[str]:
    """The family's size and members, what the marks that stand mean, and why some tests were not made."""
    all_tests = [test for test in tests if test is not None]
    made = [test for test in all_tests if test.made]
    marks = {mark(test, p) for test, p in zip(all_tests, adjust(all_tests), strict=True)}
    notes = []
    if made:
        names = shortened(list(dict.fromkeys(test.called for test in made)), LISTED)
        number = counted(len(made), "test")
        metrics = ", ".join(
            dict.fromkeys(test.metric.upper() if test.metric in NAMES else test.metric for test in made)
        )
        notes.append(f"{number} against {reference} in macro {metrics}, p adjusted by Holm for their number: {names}.")
    if MARKS["methods"] in marks:
        notes.append(f"*: the method differs from {reference} (adjusted p below {ALPHA}): {SEEDS} or more paired "
                     "seeds, the seed as a random factor.")  # fmt: skip
    if MARKS["encoders"] in marks:
        notes.append(f"†: this encoder differs from that of {reference} (adjusted p below {ALPHA}), on the same "
                     f"resamples; it concerns these two encoders and not their methods; a claim about methods takes "
                     f"{SEEDS} paired seeds.")  # fmt: skip
    if not marks - {""} and any(test.level == "encoders" for test in made):
        notes.append(
            f"A test of two encoders says nothing about their methods; a claim about methods takes {SEEDS} paired "
            "seeds."
        )
    return [*notes, *(f"Not tested: {reason}." for reason in dict.fromkeys(t.reason for t in all_tests if t.reason))]
