"""Where protocols are fitted, and where what they fitted is tested: on the run's own dataset and on external ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from ssl_bench.build.prepared import PreparedData, PreparedExternal
from ssl_bench.data.joined import DATASET
from ssl_bench.data.source import JoinedSource
from ssl_bench.evaluate.embedder import Embedder, whole_images
from ssl_bench.plugin.cohort import SPLITS
from ssl_bench.plugin.contracts import EvalContext, Split
from ssl_bench.results.rows import Scored
from ssl_bench.results.subgroups import of_rows


@dataclass(frozen=True)
class ScoredPart:
    """Where predictions of a split become rows of the record: on some of its images, for some of its findings.

    Args:
        dataset: as the rows name it.
        split: as the rows name it.
        labels: the findings as the rows name them.
        columns: ``(l,)`` where they are among the findings that were predicted.
        rows: ``(N,)`` which images count; None for all.
    """

    dataset: str
    split: str
    labels: tuple[str, ...]
    columns: npt.NDArray[np.int64]
    rows: npt.NDArray[np.bool_] | None = None

    def of(self, scored: Scored) -> Scored:
        """The predictions that count here."""
        split, predictions = scored.split, scored.predictions
        here = Scored(
            replace(scored.origin, dataset=self.dataset),
            replace(split, name=self.split, labels=split.labels[:, self.columns]),
            replace(predictions, split=self.split, scores=predictions.scores[:, self.columns]),
        )
        return here if self.rows is None else of_rows(here, self.rows)


@dataclass(frozen=True)
class Fitting:
    """A dataset whose training split protocols are fitted on.

    Args:
        dataset: its name.
        context: what protocols see.
        places: where predictions count, by the name of what they predict; a withheld split has none.
        images: of each held-out split in the cohort, by the same name; a protocol scores them all.
    """

    dataset: str
    context: EvalContext
    places: Mapping[str, tuple[ScoredPart, ...]]
    images: Mapping[str, int]


def fittings(
    embedder: Embedder, internal: PreparedData, externals: Sequence[PreparedExternal], seed: int
) -> Iterator[Fitting]:
    """The run's own dataset, with those that its heads are tested on; then each dataset that has heads of its own.

    Args:
        embedder: of one encoder.
        internal: prepared data of the run.
        externals: other datasets.
        seed: of the run.
    """
    if internal.cohort.labels:  # without labels nothing can be fitted on it
        yield _with_heads(_fitting(embedder, internal, internal.cohort.name, seed), embedder, internal, externals)
    for other in externals:
        if other.external.mode == "refit":
            yield _fitting(embedder, other.prepared, other.external.name, seed)


def _fitting(embedder: Embedder, prepared: PreparedData, name: str, seed: int) -> Fitting:
    """A dataset by itself; of several that are joined, each one's test images count once more by themselves."""
    labels, frame = prepared.cohort.labels, prepared.cohort.frame
    every = np.arange(len(labels))
    places = {part: [ScoredPart(name, part, labels, every)] for part in SPLITS if part != embedder.withhold}
    if len(prepared.stores) > 1 and "test" in places:
        members = frame.loc[frame["split"] == "test", DATASET].to_numpy(dtype=str)
        places["test"] += [
            ScoredPart(str(one), "test", labels, every, members == one) for one in dict.fromkeys(members)
        ]
    context = embedder.context(prepared, name, seed)
    images = held_out_images(prepared)
    if embedder.withhold:
        images[embedder.withhold] = images["validate"]
    return Fitting(name, context, {part: tuple(found) for part, found in places.items()}, images)


def held_out_images(prepared: PreparedData) -> dict[str, int]:
    """How many images the manifest has in each held-out split, without those that were quarantined."""
    counts = prepared.cohort.frame["split"].value_counts()
    return {part: int(counts.get(part, 0)) for part in SPLITS if part != "train"}


def _with_heads(
    fitting: Fitting, embedder: Embedder, internal: PreparedData, externals: Sequence[PreparedExternal]
) -> Fitting:
    """The run's own dataset with the test splits of others, which the same heads predict."""
    heads = [other for other in externals if other.external.mode == "head"]
    if not heads:
        return fitting
    labels, materials = internal.cohort.labels, [internal, *(head.prepared for head in heads)]
    # One numbering for the images of all, so that a protocol reads them by the same function.
    joined = JoinedSource([one.source for one in materials],
                          [sum(len(store.images) for store in one.stores) for one in materials])  # fmt: skip
    tested: dict[str, Split] = {}
    places, counted = dict(fitting.places), dict(fitting.images)
    for head, start in zip(heads, joined.starts[1:], strict=True):
        external = head.external
        split = embedder.split(head.prepared, external.name, external.split)
        tested[external.name] = replace(split, rows=split.rows + start, labels=in_columns(head, split, labels))
        columns = np.array([labels.index(own) for _, own, _ in external.shared])
        counted[external.name] = held_out_images(head.prepared)[external.split]
        places[external.name] = (ScoredPart(external.name, external.split, external.labels, columns),)
    images = partial(whole_images, replace(internal, source=joined), embedder.network)
    return Fitting(fitting.dataset, replace(fitting.context, images=images, external=tested), places, counted)


def in_columns(head: PreparedExternal, split: Split, labels: Sequence[str]) -> npt.NDArray[np.float32]:
    """Labels ``(N, L)`` of another dataset in the columns of the run's findings; NaN where it lacks one."""
    found = np.full((len(split.labels), len(labels)), np.nan, np.float32)
    for _, own, other in head.external.shared:
        found[:, labels.index(own)] = split.labels[:, head.prepared.cohort.labels.index(other)]
    return found
