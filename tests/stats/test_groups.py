from __future__ import annotations

import numpy as np

from ssl_bench.plugin.feature_specs import SHARED
from ssl_bench.stats.groups import groups, known, ranges


def test_age_groups_begin_at_whole_decades() -> None:
    assert ranges(np.array([0, 19.9, 20, 79, 80, np.nan]), SHARED["age"]).tolist() == [
        "0-19",
        "0-19",
        "20-39",
        "60-79",
        "80+",
        None,
    ]
    age = SHARED["age"]
    assert [int(name.partition("-")[0].rstrip("+")) for name in age.groups] == [0, *age.edges]


def test_groups_of_a_number_are_named_by_their_ends() -> None:
    found = ranges(np.array([18.4, 18.5, 24.9, 40, np.nan]), SHARED["bmi"]).tolist()
    assert found == ["below 18.5", "18.5 to 25", "18.5 to 25", "35+", None]


def test_attributes_follow_sex_age_and_view() -> None:
    ehr = {name: np.array(["a", None], dtype=object) for name in ("race", "site", "view", "sex", "nothing we know")}
    assert list(groups(ehr)) == ["sex", "view", "race", "site"]


def test_attributes_that_the_data_lack_have_no_groups() -> None:
    sex = np.array(["F", None, "M"], dtype=object)
    found = groups({"mortality": np.array(["0", "1", None], dtype=object), "sex": sex, "age": np.array([5.0, 50, 90])})
    assert list(found) == ["sex", "age"]
    assert known(found["sex"]).tolist() == [True, False, True]
    assert found["age"].tolist() == ["0-19", "40-59", "80+"]
