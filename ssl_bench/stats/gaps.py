"""Numbers of groups of images and their differences, on the same resamples of patients, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ssl_bench.stats.bootstrap import Floats, bootstrap, point
from ssl_bench.stats.intervals import (
    FEWEST,
    NAMES,
    Difference,
    MetricIntervals,
    Support,
    label_difference,
    macro_difference,
    macro_parts,
    supports,
    with_intervals,
)
from ssl_bench.stats.rates import RATES, rates


class GroupMetrics:
    """AUROC, AUPRC and rates at a threshold of every group and label, resampled together.

    A resample draws patients from the whole test set and every group has its images among theirs. So groups that
    share patients, as views do, vary together, and a difference is measured within each resample.

    Args:
        labels: (N, L) 1, 0, or NaN where unknown.
        scores: (N, L) finite wherever the label is known.
        members: (N,) name of the group, or None where unknown.
        names: the G groups.
        patients: (N,) patient of each image.
        replicates: number of resamples R.
        seed: of the resamples.
        cuts: (L,) thresholds of sensitivity and false positive rate, NaN where a label has none; None: no such rates.
    """

    def __init__(
        self,
        labels: Floats,
        scores: Floats,
        members: npt.NDArray[Any],
        names: Sequence[str],
        *,
        patients: npt.NDArray[Any],
        replicates: int,
        seed: int,
        cuts: Floats | None = None,
    ) -> None:
        self.names = list(names)
        masks = [np.asarray(members == name, bool) for name in names]
        masked = [np.where(mask[:, None], labels, np.nan) for mask in masks]
        wide = np.concatenate(masked, axis=1), np.tile(scores, len(masked))  # (N, G * L)
        drawn = bootstrap(*wide, patients=patients, replicates=replicates, seed=seed)
        size = (len(self.names), labels.shape[1])
        self.values = dict(zip(NAMES, (value.reshape(size) for value in point(*wide)), strict=True))  # (G, L)
        self.replicates = dict(zip(NAMES, (value.reshape(-1, *size) for value in drawn), strict=True))  # (R, G, L)
        self.supports = [supports(part, patients) for part in masked]
        if cuts is not None:
            found = rates(labels, scores, cuts, masks, patients=patients, replicates=replicates, seed=seed)
            self.values |= {name: values for name, (values, _) in found.items()}
            self.replicates |= {name: drawn for name, (_, drawn) in found.items()}

    def group(self, metric: str, name: str) -> MetricIntervals:
        """A metric of one group: of every label, and the macro mean."""
        place = self.names.index(name)
        return with_intervals(self.values[metric][place], self.replicates[metric][:, place],
                              self._base(metric, place), FEWEST)  # fmt: skip

    def _base(self, metric: str, place: int) -> list[Support]:
        return [support.on(RATES.get(metric, "both")) for support in self.supports[place]]

    def label(self, metric: str, first: str, second: str, column: int) -> Difference:
        """First minus second group on one label."""
        values, replicates, base = self._pair(metric, first, second)
        return _bounded(label_difference(float(values[column]), replicates[:, column], base[column]))

    def macro(self, metric: str, first: str, second: str, columns: Sequence[int] | None = None) -> Difference:
        """First minus second group in the mean over the labels that both have, or over some of them."""
        values, replicates, base = self._pair(metric, first, second)
        kept = list(range(len(values)) if columns is None else columns)
        return _bounded(macro_difference(macro_parts(values[kept], replicates[:, kept], [base[k] for k in kept])))

    def _pair(self, metric: str, first: str, second: str) -> tuple[Floats, Floats, list[Support]]:
        """Differences (L,), those of the resamples (R, L), and what they rest on."""
        a, b = self.names.index(first), self.names.index(second)
        values, drawn = self.values[metric], self.replicates[metric]
        pairs = zip(self._base(metric, a), self._base(metric, b), drawn[:, a].T, drawn[:, b].T, strict=True)
        base = [_joint(first, second, _variance(x), _variance(y)) for first, second, x, y in pairs]
        return values[a] - values[b], drawn[:, a] - drawn[:, b], base


def _bounded(gap: Difference) -> Difference:
    """With ends between -1 and 1, as every difference of two shares lies; few patients spread a t interval further."""
    if gap.low is None or gap.high is None:
        return gap
    return replace(gap, low=max(gap.low, -1.0), high=min(gap.high, 1.0))


def _variance(drawn: Floats) -> float:
    """Of the resamples (R,) that have a value; 0 where fewer than two have."""
    defined = drawn[np.isfinite(drawn)]
    return float(defined.var(ddof=1)) if len(defined) > 1 else 0.0


def _joint(first: Support, second: Support, spread_a: float, spread_b: float) -> Support:
    """What a difference of two groups rests on: Welch and Satterthwaite's degrees of freedom of both.

    The group that has a reason to lack an interval is the one that counts.
    """
    if first.reason or second.reason:
        return first if first.reason else second
    total = spread_a + spread_b
    counts = {
        name: min(getattr(first, name), getattr(second, name)) for name in ("positive_patients", "negative_patients")
    }
    if not total > 0:
        return replace(min(first, second, key=lambda support: support.effective), **counts)
    freedom = total**2 / (spread_a**2 / first.freedom + spread_b**2 / second.freedom)
    return replace(first, effective=freedom + 1, **counts)
