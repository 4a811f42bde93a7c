"""Groups of patients and images by attribute: sex, age group, view, and those that a run asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ssl_bench.plugin.feature_specs import SHARED, FeatureSpec

FIRST = ("sex", "age", "view")
"""Attributes that stand first in tables; the others follow as the data have them."""

GROUPED = (*FIRST, *(name for name, spec in SHARED.items() if spec.groups_images and name not in FIRST))
"""Attributes of any dataset that images are grouped by."""


def groups(
    ehr: Mapping[str, npt.NDArray[Any]], declared: Mapping[str, FeatureSpec] = SHARED
) -> dict[str, npt.NDArray[Any]]:
    """The group (N,) of every image as text, None where unknown, for each attribute that makes groups.

    Args:
        ehr: by name, (N,) each: numbers with NaN, or text with None.
        declared: what each of them is; of the others nothing is known.
    """
    order = [*(name for name in FIRST if name in ehr), *(name for name in ehr if name not in FIRST)]
    specs = {name: declared[name] for name in order if name in declared}
    return {name: ranges(ehr[name], spec) if spec.number else ehr[name] for name, spec in specs.items()
            if spec.groups_images}  # fmt: skip


def ranges(numbers: npt.NDArray[np.floating[Any]], spec: FeatureSpec) -> npt.NDArray[Any]:
    """Names of the groups (N,) of numbers; None where the number is NaN."""
    names: npt.NDArray[Any] = np.array(spec.groups, dtype=object)[np.digitize(numbers, spec.edges)]
    names[np.isnan(numbers)] = None
    return names


def known(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which of (N,) texts are not None."""
    return np.array([value is not None for value in values], dtype=bool)
