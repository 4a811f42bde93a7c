"""Cluster indices: how far frozen features fall into groups by finding, sex, age group and view."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics import (
    adjusted_rand_score,
    calinski_harabasz_score,
    davies_bouldin_score,
    normalized_mutual_info_score,
    pairwise_distances,
    silhouette_score,
)

from ssl_bench.data.subsets import restricted
from ssl_bench.plugin.contracts import EvalContext, MetricValue, Split
from ssl_bench.seeds import derive
from ssl_bench.stats.groups import groups, known
from sslbench_evaluators.options import ClustersOptions

Array = npt.NDArray[Any]

METRICS = ("silhouette", "davies_bouldin", "calinski_harabasz", "kmeans_ari", "kmeans_nmi")


class Clusters:
    """Silhouette, Davies-Bouldin and Calinski-Harabasz of the groups, ARI and NMI of k-means against them.

    Distances are Euclidean between the features as the encoder gives them. The test labels name the groups that are
    measured; nothing is fitted to them.
    """

    def __init__(self, options: ClustersOptions) -> None:
        self.options = options

    def evaluate(self, context: EvalContext) -> Iterator[MetricValue]:
        """Five numbers for every finding and attribute of the test split."""
        split = sample(context.splits["test"], self.options.images, context.seed)
        features = Features(split.embeddings, derive(context.seed, "k-means") % 2**32, self.options.restarts)
        findings = {label: presence(split.labels[:, column]) for column, label in enumerate(context.labels)}
        for name, values in {**findings, **groups(split.ehr, split.declared)}.items():
            numbers, note = features.indices(values)
            for metric in METRICS:
                yield MetricValue("test", name, metric, numbers.get(metric), note)


def sample(split: Split, most: int, seed: int) -> Split:
    """At most so many images of a split, drawn without replacement."""
    size = len(split.embeddings)
    if size <= most:
        return split
    drawn = np.random.default_rng(derive(seed, "cluster sample")).choice(size, most, replace=False)
    return restricted(split, np.sort(drawn))


def presence(column: Array) -> Array:
    """A finding (N,) of 1, 0 or NaN as text groups, None where unknown."""
    return np.array([None if np.isnan(value) else "present" if value == 1 else "absent" for value in column], object)


class Features:
    """Features (N, D) with what all their groupings share: distances, and one k-means for each number of groups."""

    def __init__(self, features: Array, seed: int, restarts: int) -> None:
        self.features, self.seed, self.restarts = features, seed, restarts
        self._clusters: dict[int, Array] = {}

    @cached_property
    def distances(self) -> Array:
        """Euclidean (N, N)."""
        return np.asarray(pairwise_distances(self.features))

    def clusters(self, count: int) -> Array:
        """The cluster (N,) of every image by k-means."""
        if count not in self._clusters:
            means = KMeans(count, n_init=self.restarts, random_state=self.seed)
            self._clusters[count] = means.fit_predict(self.features)
        return self._clusters[count]

    def indices(self, values: Array) -> tuple[dict[str, float], str]:
        """The numbers for the groups (N,), with a note; without numbers it says what the groups lack."""
        rows = np.flatnonzero(known(values))
        names, members = np.unique(values[rows].astype(str), return_inverse=True)
        if not 2 <= len(names) < len(rows):
            return {}, f"{len(names)} groups among {len(rows)} images, expected at least two groups and more images"
        features, clusters = self.features[rows], self.clusters(len(names))[rows]
        distances = self.distances if len(rows) == len(values) else self.distances[np.ix_(rows, rows)]
        numbers = (
            silhouette_score(distances, members, metric="precomputed"),
            davies_bouldin_score(features, members),
            calinski_harabasz_score(features, members),
            adjusted_rand_score(members, clusters),
            normalized_mutual_info_score(members, clusters),
        )
        note = f"{len(names)} groups of {len(rows)} images"
        return {metric: float(number) for metric, number in zip(METRICS, numbers, strict=True)}, note
