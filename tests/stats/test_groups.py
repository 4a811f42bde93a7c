from __future__ import annotations

import numpy as np

from ssl_bench.stats.groups import AGE_EDGES, AGE_GROUPS, age_groups, groups, known


def test_age_groups_begin_at_whole_decades() -> None:
    assert age_groups(np.array([0, 19.9, 20, 79, 80, np.nan])).tolist() == [
        "0-19",
        "0-19",
        "20-39",
        "60-79",
        "80+",
        None,
    ]
    assert [int(name.partition("-")[0].rstrip("+")) for name in AGE_GROUPS] == [0, *AGE_EDGES]


def test_attributes_that_the_data_lack_have_no_groups() -> None:
    sex = np.array(["F", None, "M"], dtype=object)
    found = groups({"mortality": np.array(["0", "1", None], dtype=object), "sex": sex, "age": np.array([5.0, 50, 90])})
    assert list(found) == ["sex", "age"]
    assert known(found["sex"]).tolist() == [True, False, True]
    assert found["age"].tolist() == ["0-19", "40-59", "80+"]
