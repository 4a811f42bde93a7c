"""Race, ethnicity, insurance and the like: what words mean, what admissions that differ mean, and that a run asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssl_bench.config.config import load
from ssl_bench.data.synthetic import write_layout
from ssl_bench.errors import UsageError
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.feature_specs import SHARED
from ssl_bench.plugin.registry import Registry
from ssl_bench.stats.groups import groups
from sslbench_datasets.attributes import ETHNICITIES, INSURANCES, RACES, by_beginning, count_untold
from sslbench_datasets.mimic_cxr.people import attributes, most_told, years


def test_words_of_hospitals_have_one_meaning_each() -> None:
    words = {
        "WHITE - OTHER EUROPEAN": "White", "BLACK/CARIBBEAN ISLAND": "Black", "ASIAN - ASIAN INDIAN": "Asian",
        "AMERICAN INDIAN/ALASKA NATIVE": "American Indian", "HISPANIC/LATINO - CUBAN": "Hispanic",
        "NATIVE HAWAIIAN OR OTHER PACIFIC ISLANDER": "Pacific Islander", "MULTIPLE RACE/ETHNICITY": "Other",
        "White, non-Hispanic": "White", "Native American, non-Hispanic": "American Indian", "UNABLE TO OBTAIN": None,
        "Race and Ethnicity Unknown": None, "": None, "GREEN": None,
    }  # fmt: skip
    text = pd.Series(list(words))
    found = by_beginning(text, RACES)
    assert found.tolist() == list(words.values())
    assert count_untold(text, found, "race") == {"missing race": 3, "unknown race": 1}
    told = by_beginning(pd.Series(["Non-Hispanic/Non-Latino", "hispanic", "Not Hispanic"]), ETHNICITIES)
    assert told.tolist() == ["Not Hispanic", "Hispanic", "Not Hispanic"]
    assert by_beginning(pd.Series(["Private Insurance", "Medicaid"]), INSURANCES).tolist() == ["Private", "Medicaid"]
    for values, name in ((RACES, "race"), (ETHNICITIES, "ethnicity"), (INSURANCES, "insurance")):
        assert set(values.values()) <= set(SHARED[name].values)


def test_the_value_that_most_admissions_tell_counts_and_a_tie_is_missing() -> None:
    patients = pd.Series([0, 0, 0, 1, 1, 2, 3])
    told = pd.Series(["White", "Black", "White", "Asian", "Black", None, "Other"], dtype=object)
    assert most_told(patients, told).to_dict() == pytest.approx({0: "White", 1: np.nan, 3: "Other"}, nan_ok=True)
    table = pd.DataFrame({"patient": patients, "race": told.fillna("UNKNOWN")})
    frame, counts = attributes(table, 4, np.array([3, 0, 1, 2, 0]))
    assert [None if pd.isna(value) else value for value in frame["race"]] == ["Other", "White", None, None, "White"]
    assert counts == {"patients whose admissions state two values of race as often": 1, "missing race": 2}


def test_true_years_are_those_of_the_anchor_moved_by_the_shifted_ones() -> None:
    people = pd.DataFrame({"anchor_year": ["2180", "2180", "2180", ""],
                           "anchor_year_group": ["2008 - 2010", "2008 - 2010", "", "2008 - 2010"]})  # fmt: skip
    found = years(people, np.array([2180.0, 2183.0, 2180.0, 2180.0]))
    assert found.tolist() == ["2008-2010", "2011-2013", None, None]


@pytest.fixture(scope="module")
def plus(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("plus") / "chexpert-plus"
    write_layout(registry, "chexpert-plus", {"patients": 60, "size": 32}, root)
    return root


def planned(registry: Registry, root: Path, **values: object) -> Plan:
    data = {"name": "chexpert-plus", "root": str(root), **values.pop("data", {})}  # type: ignore[dict-item]
    return make_plan(load({"data": data, **values}, name="smoke"), registry, root.parent / "cache")


def test_attributes_are_there_for_who_asks_alone(registry: Registry, plus: Path) -> None:
    usual = planned(registry, plus)
    assert usual.cohort.features == ("age", "sex", "view")
    assert "race" not in usual.cohort.frame
    asked = planned(registry, plus, data={"attributes": "race,bmi"})
    assert asked.cohort.features == ("age", "sex", "view", "race", "bmi")
    assert any("social category" in note for note in asked.notes)
    ehr = {name: asked.cohort.frame[name].to_numpy() for name in asked.cohort.features}
    assert set(groups(ehr)) == {"age", "sex", "view", "race", "bmi"}
    joined = planned(registry, plus, method="msn-ehr", ehr={"features": "age,insurance,bmi"})
    assert joined.schema.columns == ("age", *(f"insurance={value}" for value in SHARED["insurance"].values), "bmi")


def test_attributes_that_nobody_has_are_refused(registry: Registry, plus: Path) -> None:
    with pytest.raises(UsageError, match="unknown attribute 'rase'; did you mean 'race'"):
        planned(registry, plus, data={"attributes": "rase"})
    with pytest.raises(UsageError, match=r"asks for smoking, which no dataset of this run has; they have age, sex"):
        planned(registry, plus, data={"attributes": "race,smoking"})
