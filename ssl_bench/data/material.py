"""Prepared data of a run: cohort, store and the images on their device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ssl_bench.data.cohort import Cohort
from ssl_bench.data.preparing import prepare_store
from ssl_bench.data.source import Grey, ImageSource, measure_grey
from ssl_bench.data.splits import check_not_empty
from ssl_bench.data.store import Store
from ssl_bench.plan import Plan, pretraining_images


@dataclass(frozen=True)
class Material:
    """Prepared data of a run: cohort and store rows that belong together, and the images on their device."""

    cohort: Cohort
    store: Store
    rows: npt.NDArray[np.int64]
    source: ImageSource
    grey: Grey


def prepare_material(plan: Plan, device: torch.device, progress: Callable[[int, int], None]) -> Material:
    """The prepared store of the plan's cohort, and where its images live.

    Raises:
        DataError: images are unreadable, and are not to be quarantined, are too many, or were all of a split.
    """
    data = plan.config.data
    store = prepare_store(plan.cohort, data, plan.cache, progress)
    cohort, rows = store.aligned(plan.cohort)
    check_not_empty(cohort, plan.config.pretrain.batch_size)  # quarantined images may have been all of a split
    grey = measure_grey(store.images, rows[pretraining_positions(plan, cohort)])
    return Material(cohort, store, rows, ImageSource(store.images, device, data.residency), grey)


def pretraining_positions(plan: Plan, cohort: Cohort) -> npt.NDArray[np.int64]:
    """Row numbers of the cohort that pretraining sees."""
    return pretraining_images(plan.config.data, cohort).to_numpy(dtype=np.int64)
