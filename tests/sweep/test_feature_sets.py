"""The feature sets of the paper's table."""

from __future__ import annotations

import pytest

from ssl_bench.errors import UsageError
from ssl_bench.plugin.features import expand
from ssl_bench.sweep.feature_sets import KINDS, feature_grid


def test_the_papers_grid_has_13_sets() -> None:
    sets = feature_grid(KINDS)
    assert len(sets) == 13
    assert [len(feature_grid([kind])) for kind in KINDS] == [6, 3, 3, 1]
    assert sets["scan+stay"] == ("view", "position", "mortality", "icu")
    assert sets["all"] == ("age", "sex", "view", "position", "mortality", "icu")
    assert len(set(sets.values())) == 13


def test_with_the_age_in_three_forms_it_has_23() -> None:
    sets = feature_grid([*KINDS, "ages"])
    assert len(sets) == 23
    assert sets["age:bins5"] == ("age:bins5",)
    assert sets["demographic+stay:bins10"] == ("age:bins10", "sex", "mortality", "icu")
    assert all(expand(features) == features for features in sets.values())


def test_sets_that_a_dataset_lacks_are_left_out() -> None:
    assert list(feature_grid(KINDS, ("age", "sex", "view"))) == ["age", "sex", "view", "demographic"]


@pytest.mark.parametrize(
    ("parts", "available", "sentence"),
    [
        (["singles"], None, "unknown part of the feature grid 'singles'; did you mean 'single'?"),
        (["pairs"], ("age",), "the feature grid pairs holds no set that a dataset with age has; take others of single"),
        (["all"], (), "the feature grid all holds no set that a dataset with no EHR feature has; take others of"),
        (["ages"], None, "the feature grid ages holds no set; take others of single, groups, pairs, all"),
    ],
)
def test_an_empty_grid_is_refused(parts: list[str], available: tuple[str, ...] | None, sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        feature_grid(parts, available)
    assert str(refusal.value).startswith(sentence)
