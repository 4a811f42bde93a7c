"""The feature sets of the paper's table: single features, groups, pairs of groups, all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from ssl_bench.errors import UsageError, unknown
from ssl_bench.plugin.features import AGE_FORMS, GROUPS, column_of

KINDS = ("single", "groups", "pairs", "all")
"""Parts of the grid: 6 singles, 3 groups, 3 pairs of groups, all of them; 13 sets."""

AGES = "ages"
"""Every set that holds the age, with the age in each of its three forms: 23 sets."""


def feature_grid(parts: Sequence[str], available: Sequence[str] | None = None) -> dict[str, tuple[str, ...]]:
    """Feature sets by name: ``{"age": ("age",), "demographic": ("age", "sex"), "demographic+scan": ...}``.

    Args:
        parts: of :data:`KINDS`, and :data:`AGES`.
        available: features of a dataset; sets that need others are left out.

    Raises:
        UsageError: a part is unknown, or nothing is left.
    """
    for part in parts:
        if part not in (*KINDS, AGES):
            raise UsageError(unknown("part of the feature grid", part, [*KINDS, AGES]))
    sets = {name: features for part in parts if part in KINDS for name, features in _part(part).items()}
    if AGES in parts:
        sets = {name: features for chosen in sets.items() for name, features in _ages(*chosen).items()}
    if available is not None:
        known = set(available)
        sets = {name: features for name, features in sets.items() if {column_of(one) for one in features} <= known}
    if not sets:
        has = f" that a dataset with {', '.join(available) or 'no EHR feature'} has" if available is not None else ""
        raise UsageError(f"the feature grid {','.join(parts)} holds no set{has}; take others of {', '.join(KINDS)}")
    return sets


def _part(part: str) -> dict[str, tuple[str, ...]]:
    if part == "single":
        return {feature: (feature,) for members in GROUPS.values() for feature in members}
    if part == "all":
        return {"all": tuple(feature for members in GROUPS.values() for feature in members)}
    size = 1 if part == "groups" else 2
    return {"+".join(names): tuple(f for name in names for f in GROUPS[name]) for names in combinations(GROUPS, size)}


def _ages(name: str, features: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The set with the age in every form, or as it is where it holds no age."""
    if "age" not in features:
        return {name: features}
    return {
        name + form.removeprefix("age"): tuple(form if feature == "age" else feature for feature in features)
        for form in AGE_FORMS
    }
