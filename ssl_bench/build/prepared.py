"""Prepared data of a run: cohort, stores and the images on their device."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from ssl_bench.data.joined import join
from ssl_bench.data.preparing import prepare_store
from ssl_bench.data.sharded import SHARDED, ShardedSource, is_sharded
from ssl_bench.data.source import ImageSource, JoinedSource, PixelStatistics, Source, count_greys, statistics_of
from ssl_bench.data.splits import check_not_empty
from ssl_bench.data.stated import stated_grey
from ssl_bench.data.store import Store
from ssl_bench.plan.external import External, check_splits
from ssl_bench.plan.plan import Plan, pretraining_images
from ssl_bench.plugin.cohort import Cohort

GREY_SAMPLE = 2000
"""Training images whose grey values are counted, evenly spread."""

Progress = Callable[[int, int], None]
Stage = Callable[[str], None]


@dataclass(frozen=True)
class PreparedData:
    """Prepared data of a run: cohort and image rows that belong together, and the images on their device.

    Args:
        cohort: without quarantined images.
        stores: one a dataset.
        rows: of the source, one for each row of the cohort.
        source: the images of all stores, one store after the other.
        grey: of the training images, or those that the weights to start from were trained with.
        rejected: reasons by image id, for images that were quarantined.
        files: of the source's rows, where an encoder prepares whole pictures by itself; else none.
        fit: how pictures became squares.
    """

    cohort: Cohort
    stores: Sequence[Store]
    rows: npt.NDArray[np.int64]
    source: Source
    grey: PixelStatistics
    rejected: dict[str, str]
    files: tuple[Path, ...] = ()
    fit: Literal["crop", "pad"] = "crop"

    @property
    def pixels(self) -> list[str]:
        """Hash of the prepared pixels of each row of the cohort."""
        hashes = [pixel for store in self.stores for pixel in store.pixels]
        return [hashes[row] for row in self.rows]

    @property
    def fingerprint(self) -> str:
        """Of the stores: a single one's own."""
        return joined_fingerprint(self.stores)


def joined_fingerprint(stores: Sequence[Store]) -> str:
    """The fingerprint of a single store, or a hash of those of several."""
    found = [store.fingerprint for store in stores]
    return found[0] if len(found) == 1 else sha256("\n".join(found).encode()).hexdigest()[:32]


def prepare_data(plan: Plan, device: torch.device, progress: Progress) -> PreparedData:
    """The prepared stores of the plan's datasets, and where their images live.

    Raises:
        DataError: images are unreadable, and are not to be quarantined, are too many, or were all of a split.
    """
    data = plan.config.data
    stores = {name: prepare_store(cohort, data, plan.cache, progress) for name, cohort in plan.sources.items()}
    parts = {name: stores[name].aligned(cohort) for name, cohort in plan.sources.items()}
    cohort = join({name: kept for name, (kept, _) in parts.items()})
    check_not_empty(cohort, plan.config.pretrain.batch_size)  # quarantined images may have been all of a split
    lengths = [len(store.images) for store in stores.values()]
    starts = np.cumsum([0, *lengths[:-1]])
    rows = np.concatenate([rows + start for (_, rows), start in zip(parts.values(), starts, strict=True)])
    sharded = is_sharded(data.residency)
    residency = "disk" if sharded else "auto" if data.residency == SHARDED else data.residency
    sources = [ImageSource(store.images, device, residency) for store in stores.values()]
    grey = stated_grey(plan.config.backbone.init, trains=plan.parts.method.component.trains)
    grey = grey or _grey(list(stores.values()), starts, rows[pretraining_positions(plan, cohort)])
    source: Source = sources[0] if len(sources) == 1 else JoinedSource(sources, lengths)
    source = ShardedSource(source, sum(lengths)) if sharded else source
    files = [path for name, store in stores.items() for path in picture_files(plan, store, plan.sources[name])]
    return PreparedData(cohort, tuple(stores.values()), rows, source, grey, rejections(stores), tuple(files), data.fit)


def picture_files(plan: Plan, store: Store, cohort: Cohort) -> list[Path]:
    """The files of a store's rows, where the plan's encoder prepares whole pictures by itself."""
    if plan.parts.encoder is None:
        return []
    path_of = dict(zip(cohort.frame["image_id"], cohort.frame["image_path"], strict=True))
    return [cohort.root / path_of[image] for image in store.image_ids]


@dataclass(frozen=True)
class PreparedExternal:
    """Another dataset to test on, with its prepared images as the run's encoders see them."""

    external: External
    prepared: PreparedData


def prepare_external(plan: Plan, internal: PreparedData, progress: Progress, stage: Stage) -> list[PreparedExternal]:
    """The prepared stores of the datasets to test on; their grey values are scaled as those of the training images.

    An image is read once an encoder, so they stay on the disk and take no memory.

    Raises:
        DataError: as :func:`prepare_data`.
    """
    found = []
    for external in plan.external:
        stage(f"preparing {len(external.cohort):,} images of {external.name} ({external.mode})")
        store = prepare_store(external.cohort, plan.config.data, plan.cache, progress)
        cohort, rows = store.aligned(external.cohort)
        check_splits(replace(external, cohort=cohort))
        source = ImageSource(store.images, internal.source.device, "disk")
        files = tuple(picture_files(plan, store, external.cohort))
        prepared = PreparedData(cohort, (store,), rows, source, internal.grey, store.rejected, files, internal.fit)
        found.append(PreparedExternal(external, prepared))
    return found


def rejections(stores: dict[str, Store]) -> dict[str, str]:
    """Reasons by image id as the joined cohort names the images."""
    if len(stores) == 1:
        return next(iter(stores.values())).rejected
    return {f"{name}/{image}": why for name, store in stores.items() for image, why in store.rejected.items()}


def _grey(stores: Sequence[Store], starts: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> PixelStatistics:
    """Grey statistics of the training images, every store sampled as densely as the others."""
    step = max(1, math.ceil(len(rows) / GREY_SAMPLE))
    part = np.searchsorted(starts, rows, side="right") - 1
    counts = [count_greys(store.images, rows[part == number] - starts[number], step)
              for number, store in enumerate(stores)]  # fmt: skip
    return statistics_of(np.sum(counts, axis=0))


def pretraining_positions(plan: Plan, cohort: Cohort) -> npt.NDArray[np.int64]:
    """Row numbers of the cohort that pretraining sees."""
    return pretraining_images(plan.config.data, cohort).to_numpy(dtype=np.int64)
