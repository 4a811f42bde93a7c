"""Groups of patients and images by EHR attribute: sex, age group and view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

AGE_EDGES = (20, 40, 60, 80)
"""First years of all age groups but the youngest."""

AGE_GROUPS = ("0-19", "20-39", "40-59", "60-79", "80+")

GROUPED = ("sex", "age", "view")
"""Attributes that images are grouped by, in the order of tables."""


def age_groups(age: npt.NDArray[np.floating[Any]]) -> npt.NDArray[Any]:
    """Names of the age groups (N,) of ages in years; None where the age is NaN."""
    names: npt.NDArray[Any] = np.array(AGE_GROUPS, dtype=object)[np.digitize(age, AGE_EDGES)]
    names[np.isnan(age)] = None
    return names


def groups(ehr: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The group (N,) of every image as text, None where unknown, for each of sex, age and view that the data have."""
    found = {name: ehr[name] for name in GROUPED if name in ehr}
    return {name: age_groups(values) if name == "age" else values for name, values in found.items()}


def known(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which of (N,) texts are not None."""
    return np.array([value is not None for value in values], dtype=bool)
