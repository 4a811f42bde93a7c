"""The EHR vector: scales, bins, one-hots, what is missing, and what is learnt on the training rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ssl_bench.errors import DataError, PluginError, UsageError
from ssl_bench.plugin.feature_specs import FeatureSpec, known
from ssl_bench.plugin.features import (
    CATEGORIES,
    check_available,
    check_known,
    column_slices,
    encode,
    expand,
    learn_schema,
)

NAN = np.nan


def encoded(feature: str, values: list[object], **kwargs: bool) -> tuple[np.ndarray, np.ndarray]:
    frame = pd.DataFrame({feature.partition(":")[0]: values})
    return encode(frame, learn_schema(frame, (feature,), **kwargs))


def bins(feature: str, ages: list[float]) -> list[int]:
    values, present = encoded(feature, list(ages))
    assert (values.sum(1) == 1).all()
    assert present.all()
    return values.argmax(1).tolist()


def test_age_is_scaled_by_fixed_constants() -> None:
    values, present = encoded("age", [16.0, 58.0, 100.0, 0.0, 101.0, NAN])
    np.testing.assert_allclose(values[:, 0], [0, 0.5, 1, -16 / 84, 85 / 84, 0], rtol=1e-6)
    np.testing.assert_array_equal(present[:, 0], [1, 1, 1, 1, 1, 0])
    assert values.dtype == present.dtype == np.float32


def test_bins_of_five_years_are_left_closed_and_open_at_the_ends() -> None:
    ages = [0, 20, 24.99, 25, 29.99, 30, 94.99, 95, 99.99, 100, 116]
    assert bins("age:bins5", ages) == [0, 0, 0, 1, 1, 2, 14, 15, 15, 15, 15]
    assert encoded("age:bins5", [50.0])[0].shape == (1, 16)


def test_bins_of_ten_years_are_left_closed_and_open_at_the_ends() -> None:
    ages = [0, 10, 19.99, 20, 29.99, 30, 89.99, 90, 99.99, 100, 116]
    assert bins("age:bins10", ages) == [0, 0, 0, 1, 1, 2, 7, 8, 8, 8, 8]
    assert encoded("age:bins10", [50.0])[0].shape == (1, 9)


@pytest.mark.parametrize("feature", ["age", "age:bins5", "age:bins10"])
def test_a_missing_age_is_absent_in_all_its_columns(feature: str) -> None:
    values, present = encoded(feature, [NAN, 50.0])
    assert not values[0].any()
    assert not present[0].any()
    assert present[1].all()


@pytest.mark.parametrize("feature", CATEGORIES)
def test_categories_are_one_hot_in_their_stated_order(feature: str) -> None:
    vocabulary = CATEGORIES[feature]
    values, present = encoded(feature, list(vocabulary))
    np.testing.assert_array_equal(values, np.eye(len(vocabulary)))
    assert present.all()


@pytest.mark.parametrize("dtype", [None, object, "string", "category"])
def test_missing_and_unknown_categories_are_absent(dtype: str | None) -> None:
    frame = pd.DataFrame({"sex": pd.Series(["M", None, "Unknown", "", "F"], dtype=dtype)})
    values, present = encode(frame, learn_schema(frame, ("sex",)))
    np.testing.assert_array_equal(values, [[1, 0], [0, 0], [0, 0], [0, 0], [0, 1]])
    np.testing.assert_array_equal(present, [[1, 1], [0, 0], [0, 0], [0, 0], [1, 1]])


def test_columns_are_named_and_side_by_side() -> None:
    frame = pd.DataFrame({"age": [58.0, NAN], "view": ["AP", "PA"]})
    schema = learn_schema(frame, ("view", "age"))
    assert schema.columns == ("view=PA", "view=AP", "view=LATERAL", "view=LL", "age")
    values, present = encode(frame, schema)
    np.testing.assert_allclose(values, [[0, 1, 0, 0, 0.5], [1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(present, [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
    assert len(schema) == 5


def test_no_features_give_empty_vectors() -> None:
    frame = pd.DataFrame({"age": [1.0, 2.0]})
    values, present = encode(frame, learn_schema(frame, ()))
    assert values.shape == present.shape == (2, 0)


def test_imputation_is_learnt_on_the_training_rows_only() -> None:
    train = pd.DataFrame({"age": [16.0, 58.0, 100.0, NAN], "sex": ["F", "F", "M", None]})
    schema = learn_schema(train, ("age", "sex"), impute=("age", "sex"))
    assert dict(schema.fills) == {"age": 58.0, "sex": "F"}
    others = pd.DataFrame({"age": [NAN, 100.0, 100.0], "sex": [None, "M", "M"]})
    values, present = encode(others, schema)
    np.testing.assert_allclose(values, [[0.5, 0, 1], [1, 1, 0], [1, 1, 0]])
    assert present.all()


def test_an_unknown_value_is_imputed_as_a_missing_one() -> None:
    train = pd.DataFrame({"sex": ["Unknown", "Unknown", "Unknown", "M", "M", "F"]})
    schema = learn_schema(train, ("sex",), impute=("age", "sex"))
    assert dict(schema.fills) == {"sex": "M"}
    values, present = encode(train, schema)
    np.testing.assert_array_equal(values[:, 0], [1, 1, 1, 1, 1, 0])
    assert present.all()


def test_only_the_features_asked_for_are_imputed() -> None:
    train = pd.DataFrame({"age": [20.0, NAN], "sex": ["F", None]})
    assert dict(learn_schema(train, ("age:bins5", "sex"), impute=("sex",)).fills) == {"sex": "F"}
    assert dict(learn_schema(train, ("age:bins5", "sex"), impute=("age",)).fills) == {"age:bins5": 20.0}


def test_right_closed_bins_hold_their_upper_end() -> None:
    frame = pd.DataFrame({"age": [0.0, 20.0, 20.5, 30.0, 30.5, 100.0]})
    left, right = (
        encode(frame, learn_schema(frame, ("age:bins10",), right_closed=closed)).values.argmax(1).tolist()
        for closed in (False, True)
    )
    assert left == [0, 1, 1, 2, 2, 8]
    assert right == [0, 0, 1, 1, 2, 8]


def test_right_closed_bins_of_five_years_are_the_released_ones() -> None:
    ages = [0.5, 20, 20.5, 25, 25.5, 85.5, 90, 90.5, 120]
    edges = [0, *range(20, 91, 5), np.inf]  # 16 bins, as pandas.cut makes them of the released edges
    expected = pd.cut(pd.Series(ages), edges, labels=False).tolist()
    frame = pd.DataFrame({"age": ages})
    schema = learn_schema(frame, ("age:bins5",), right_closed=True)
    assert encode(frame, schema).values.argmax(1).tolist() == expected == [0, 0, 1, 1, 2, 14, 14, 15, 15]


def test_a_constant_is_what_a_missing_value_is_whatever_training_holds() -> None:
    train = pd.DataFrame({"age": [20.0, NAN], "icu": ["1", None], "mortality": ["1", "1"]})
    schema = learn_schema(train, ("age", "icu", "mortality"), impute=("icu", "age"), constants={"icu": "0", "sex": "M"})
    assert dict(schema.fills) == {"icu": "0", "age": 20.0}
    values, present = encode(train, schema)
    assert values[1, 1:3].tolist() == [1, 0]
    assert present[1, 1:3].all()
    for constants, told in (({"icu": "no"}, "unknown value of icu 'no'"), ({"age": "old"}, "age expects years")):
        with pytest.raises(UsageError, match=told):
            learn_schema(train, ("age", "icu"), constants=constants)


def test_a_feature_that_no_image_has_is_refused() -> None:
    images = pd.DataFrame({"age": [20.0, NAN], "sex": ["Male", None], "icu": [None, None]})
    check_known(images, ("age:bins5",), {})
    with pytest.raises(DataError, match=r"sex, icu asked for, and none of the 2 images .* \(unknown sex: 1\); say in"):
        check_known(images, ("age", "sex", "icu"), {"unknown sex": 1, "implausible age": 2})


@pytest.mark.parametrize("values", [[None, None], ["Unknown", None]])
def test_a_feature_that_training_never_knows_cannot_be_imputed(values: list[object]) -> None:
    with pytest.raises(UsageError, match="'sex' cannot be imputed"):
        learn_schema(pd.DataFrame({"sex": values}), ("sex",), impute=("age", "sex"))


def test_groups_become_their_members_once() -> None:
    assert expand(["demographic"]) == ("age", "sex")
    assert expand(["sex", "demographic", "scan"]) == ("sex", "age", "view", "position")
    assert expand(["stay", "age:bins5"]) == ("mortality", "icu", "age:bins5")
    assert expand([]) == ()


@pytest.mark.parametrize("names", [["age", "age:bins5"], ["demographic", "age:bins10"], ["age:bins5", "age:bins10"]])
def test_two_forms_of_age_are_refused(names: list[str]) -> None:
    with pytest.raises(UsageError, match=r"one form only, found age.* and age:bins"):
        expand(names)


def test_an_unknown_feature_asks_for_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown feature 'veiw'; did you mean 'view'"):
        expand(["age", "veiw"])


def test_a_feature_that_the_dataset_lacks_names_both() -> None:
    check_available(("age:bins5", "sex"), "nih14", ("age", "sex"))
    with pytest.raises(UsageError, match="dataset 'nih14' has no feature 'icu'; it has age, sex"):
        check_available(("age", "icu"), "nih14", ("age", "sex"))
    with pytest.raises(UsageError, match="it has no EHR feature"):
        check_available(("age",), "bare", ())


def test_a_number_without_a_stated_scale_lies_between_quantiles_of_the_training_rows() -> None:
    train = pd.DataFrame({"bmi": [*np.arange(100.0) / 10 + 20, NAN]})
    schema = learn_schema(train, ("bmi",), impute=())
    low, high = np.nanquantile(train["bmi"], [0.05, 0.95])
    others = pd.DataFrame({"bmi": [low, high, (low + high) / 2, NAN, 900.0, -900.0]})
    values, present = encode(others, schema)
    np.testing.assert_allclose(values[:, 0], [0, 1, 0.5, 0, 2, -1], atol=1e-6)
    assert present[:, 0].tolist() == [1, 1, 1, 0, 1, 1]
    assert schema.number("bmi")
    flat = encode(others, learn_schema(pd.DataFrame({"bmi": [25.0, 25.0]}), ("bmi",))).values
    assert np.isfinite(flat).all()


def test_a_category_without_stated_values_has_the_most_frequent_ones_of_the_training_rows() -> None:
    sites = [f"site{number:02d}" for number in range(30) for _ in range(40 - number)]
    schema = learn_schema(pd.DataFrame({"site": [*sites, None]}), ("site",))
    assert schema.columns == tuple(f"site=site{number:02d}" for number in range(16))
    values, present = encode(pd.DataFrame({"site": ["site03", "site29", "elsewhere", None]}), schema)
    assert values.argmax(1)[0] == 3
    assert present[:, 0].tolist() == [1, 0, 0, 0]


def test_a_dataset_can_declare_features_of_its_own() -> None:
    pain = FeatureSpec(name="pain", kind="number", scale=(0, 10))
    ward = FeatureSpec(name="ward", values=("A", "B"))
    specs = known([pain, ward])
    assert expand(["pain", "sex", "ward"], specs) == ("pain", "sex", "ward")
    frame = pd.DataFrame({"pain": [5.0, NAN], "sex": ["M", "F"], "ward": ["B", "C"]})
    schema = learn_schema(frame, ("pain", "sex", "ward"), specs=specs)
    assert schema.columns == ("pain", "sex=M", "sex=F", "ward=A", "ward=B")
    values, present = encode(frame, schema)
    np.testing.assert_allclose(values, [[0.5, 1, 0, 0, 1], [0, 0, 1, 0, 0]])
    np.testing.assert_allclose(present, [[1, 1, 1, 1, 1], [0, 1, 1, 0, 0]])
    assert column_slices(schema) == {"pain": slice(0, 1), "sex": slice(1, 3), "ward": slice(3, 5)}
    with pytest.raises(UsageError, match="unknown feature 'pian'; did you mean 'pain'"):
        expand(["pian"], specs)
    with pytest.raises(PluginError, match="'sex' is declared in two ways"):
        known([FeatureSpec(name="sex", values=("m", "f"))])
