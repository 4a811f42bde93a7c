"""Arms of an ablation compared as methods: paired seeds crossed with patients, Holm within each family of contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from ssl_bench.config.arms import NONE, REAL, SHUFFLED
from ssl_bench.errors import DataError, shortened
from ssl_bench.numbers import counted, ends_text, p_equals
from ssl_bench.stats.family import LISTED, SAME, Test, adjust
from ssl_bench.stats.intervals import FEWEST, Difference, held, supported
from ssl_bench.stats.power import Spread, power_text
from ssl_bench.stats.resampled import Resampled
from ssl_bench.stats.significance import ALPHA, SEEDS, few_seeds, over_seeds


@dataclass(frozen=True)
class Contrast:
    """The difference of two arms in macro AUROC over paired seeds.

    Args:
        features: name of the feature set.
        first: arm.
        second: arm that is subtracted.
        difference: with interval and p, where there are enough seeds.
        each: the difference at every seed.
        p_holm: adjusted for all primary contrasts of the ablation, or for all others.
    """

    features: str
    first: str
    second: str
    difference: Difference
    each: tuple[float, ...]
    p_holm: float | None = None

    @property
    def primary(self) -> bool:
        """Whether it is the one that tells signal from capacity."""
        return (self.first, self.second) == (REAL, SHUFFLED)

    @property
    def claimed(self) -> int:
        """1 for a gain, -1 for a loss that the numbers support, else 0."""
        if self.p_holm is None or self.p_holm >= ALPHA or self.difference.value is None:
            return 0
        return 1 if self.difference.value > 0 else -1


def contrast(
    first: Sequence[Resampled], second: Sequence[Resampled], fewest: int = FEWEST
) -> tuple[Difference, tuple[float, ...]]:
    """First minus second arm, seed by seed in the same order, with the test of methods.

    Args:
        first: seed by seed.
        second: in the same order.
        fewest: positive and negative patients of a finding in the macro mean.

    Raises:
        DataError: the runs do not hold the same labels.
    """
    if len({run.labels for run in (*first, *second)}) != 1:
        raise DataError("the runs of an ablation must hold the same findings; remove its folder and start again")
    pairs = replicates(first, second)
    if any(a.encoder and a.encoder == b.encoder for a, b in pairs):
        return Difference(None, note=f"{SAME} in both arms: nothing can differ"), ()
    values = np.array([a.values - b.values for a, b in pairs])  # (S, L)
    repeats = np.array([a.replicates - b.replicates for a, b in pairs])  # (S, R, L)
    return over_seeds(values, repeats, first[0].base, fewest)


def replicates(first: Sequence[Resampled], second: Sequence[Resampled]) -> list[tuple[Resampled, Resampled]]:
    """The pairs of seeds without those whose encoders an earlier pair has: a replicate is a new pretraining."""
    pairs = list(zip(first, second, strict=True))
    found: list[tuple[Resampled, Resampled]] = []
    for pair in pairs:
        names = {run.encoder for run in pair} - {""}
        if not any(names & {run.encoder for run in other} for other in found):
            found.append(pair)
    return found


def contrasts(runs: Mapping[tuple[str, str], Sequence[Resampled]], fewest: int = FEWEST) -> list[Contrast]:
    """Real minus every other arm, for each feature set, adjusted together; the primary one comes first.

    Args:
        runs: of each feature set and arm, seed by seed; the arm without EHR stands under any of the sets.
        fewest: positive and negative patients of a finding in the macro mean.
    """
    none = next((arm for (_, name), arm in runs.items() if name == NONE), None)
    found: list[Contrast] = []
    for features in dict.fromkeys(name for name, _ in runs):
        arms = {arm: runs[features, arm] for name, arm in runs if name == features}
        arms |= {NONE: none} if none else {}
        others = sorted(arms.keys() - {REAL}, key=lambda name: (name != SHUFFLED, name != NONE, name))
        found += [Contrast(features, REAL, arm, *contrast(arms[REAL], arms[arm], fewest)) for arm in others]
    return adjusted(found)


def adjusted(found: Sequence[Contrast]) -> list[Contrast]:
    """The contrasts with Holm's p: the primary ones of all feature sets are one family, the others a second."""
    pvalues: dict[int, float | None] = {}
    for primary in (True, False):
        family = [place for place, one in enumerate(found) if one.primary == primary]
        pvalues |= zip(family, adjust([test_of(found[place]) for place in family]), strict=True)
    return [replace(one, p_holm=pvalues[place]) for place, one in enumerate(found)]


def test_of(one: Contrast) -> Test:
    """The hypothesis of a contrast."""
    return Test(one.difference, "methods", called=f"{one.first} - {one.second} of {one.features}")


def families(found: Sequence[Contrast]) -> list[str]:
    """Which contrasts were tested together."""
    told = []
    for primary, name in ((True, "primary contrasts"), (False, "other contrasts")):
        made = [test.called for one in found if one.primary == primary and (test := test_of(one)).made]
        if made:
            number = counted(len(made), "test")
            told.append(f"{name}: {number}, p adjusted by Holm for their number ({shortened(made, LISTED)})")
    return told


def over_findings(runs: Sequence[Resampled], fewest: int) -> str:
    """Which findings the contrasts are over, and which have too few patients or one class."""
    first = runs[0]
    defined = held(np.mean([run.values for run in runs], axis=0))
    enough = [k for k in supported(first.base, fewest) if k in defined]
    kept = enough or [*defined]
    names = [[first.labels[k] for k in columns] for columns in (kept, [k for k in defined if k not in kept])]
    empty = [label for k, label in enumerate(first.labels) if k not in defined]
    why = {f"fewer than {fewest} positive or negative patients": names[1], "of one class": empty}
    left = [f"{what}: {shortened(labels)}" for what, labels in why.items() if labels]
    left += [] if enough else [f"none has {fewest} positive and negative patients, so nothing is claimed"]
    return "; ".join([f"contrasts are over {len(kept)} of {len(first.labels)} findings: {shortened(names[0])}", *left])


def found_by(found: Sequence[Contrast], seeds: int) -> list[str]:
    """What so many paired seeds would find in the primary contrast, by the spread of its own seeds and patients."""
    one = next((one for one in found if one.primary and len(one.each) > 2), None)
    if one is None or one.difference.low is None or one.difference.high is None:
        return []
    between = float(np.std(one.each, ddof=1))
    error = (one.difference.high - one.difference.low) / (2 * float(stdtrit(len(one.each) - 1, 0.975)))
    patients = float(np.sqrt(max(error**2 - between**2 / len(one.each), 0.0)))
    told = f"paired seeds: SD {between:.4f}, patients: SD {patients:.4f}, by the primary contrast of {one.features}"
    return [power_text(Spread(between, patients), seeds, told)] if between > 0 else []


def verdict(found: Sequence[Contrast], seeds: int) -> list[str]:
    """What the numbers of each feature set support, a sentence each, and no more."""
    if few_seeds(seeds):
        return [
            f"{counted(seeds, 'paired seed')}: nothing is claimed about methods; a claim needs at least {SEEDS} "
            f"(--seeds {SEEDS})"
        ]
    names = dict.fromkeys(one.features for one in found)
    return [_sentence([one for one in found if one.features == name]) for name in names]


def _sentence(found: Sequence[Contrast]) -> str:
    primary = next(one for one in found if one.primary)
    alone = next((one for one in found if one.second == NONE), None)
    told, name = _told(primary), primary.features
    if primary.claimed > 0:
        beside = _besides(alone)
        return f"real {name} beats the same rows shuffled by {told}: what it says about the patients helps{beside}"
    if primary.claimed < 0:
        return f"real {name} is worse than the same rows shuffled, by {told}"
    more = ""
    if alone and alone.claimed > 0:
        more = f"; its gain over the image alone, {_told(alone)}, cannot be distinguished from added capacity"
    return f"no effect of what {name} says about the patients is shown: real minus shuffled is {told}{more}"


def _besides(alone: Contrast | None) -> str:
    """What is known of the arm without EHR, where the primary contrast shows a gain."""
    if alone is None:
        return ""
    if alone.claimed > 0:
        return f"; over the image alone it gains {_told(alone)}"
    return f"; a gain over the image alone is not shown ({_told(alone)})"


def _told(one: Contrast) -> str:
    """A difference in AUROC points with its interval and p."""
    difference = one.difference
    if difference.value is None or difference.low is None or difference.high is None:
        return f"without an interval ({difference.note})"
    points = [100 * number for number in (difference.value, difference.low, difference.high)]
    ends = ends_text(points[1], points[2], "+.1f")
    return f"{points[0]:+.1f} AUROC points {ends}, {p_equals(one.p_holm or 0.0)} after Holm"
