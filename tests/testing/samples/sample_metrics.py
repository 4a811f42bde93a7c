"""Metrics that keep the contract, and metrics that break it in one thing each."""

from __future__ import annotations

import sys

import numpy as np


class Good:
    def __init__(self, options: object) -> None:
        self.options = options

    def values(self, sample):
        return sample.total(np.abs(sample.scores - sample.labels)) / sample.total(np.ones_like(sample.scores))


class Single(Good):
    def values(self, sample):
        return np.array([np.abs(sample.scores - sample.labels).mean()])


class Unweighted(Good):
    def values(self, sample):
        return np.full(sample.weights.shape[1], np.abs(sample.scores - sample.labels).mean())


class Joined(Good):
    def values(self, sample):
        found = super().values(sample)
        return found / found.max()


class First(Good):
    def values(self, sample):
        weights = sample.weights
        return super().values(sample) + np.abs(sample.scores[0] * weights[0]) * 0.01


class Random(Good):
    def values(self, sample):
        return super().values(sample) * np.random.default_rng().uniform(0.9, 1.0)


class Wide(Good):
    def values(self, sample):
        return 10 * super().values(sample)


class Backwards(Good):
    def values(self, sample):
        return 1 - super().values(sample)


class Fragile(Good):
    def values(self, sample):
        positive = sample.total(sample.labels)
        return super().values(sample) + np.where(positive.min() > 0, 0.0, np.nan)


class Endless(Good):
    def values(self, sample):
        return super().values(sample) + np.where(sample.total(sample.labels) > 0, 0.0, np.inf)


class Writes(Good):
    def values(self, sample):
        sample.scores[:] = 0.5 * sample.scores
        return super().values(sample)


class Talks(Good):
    def values(self, sample):
        sys.stdout.write("half done")
        return super().values(sample)
