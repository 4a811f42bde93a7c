"""EHR features as a numeric vector with a mask of what is present."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.errors import DataError, UsageError, unknown

AGE_LOW, AGE_HIGH = 16.0, 100.0
"""Fixed constants of the age scale: (age - 16) / (100 - 16)."""

CATEGORIES = {
    "sex": ("M", "F"),
    "view": ("PA", "AP", "LATERAL", "LL"),
    "position": ("Erect", "Recumbent"),
    "mortality": ("0", "1"),
    "icu": ("0", "1"),
}
"""Values of the categorical features in the order of their one-hot columns."""

AGE_FORMS = {"age": 0, "age:bins5": 16, "age:bins10": 9}
"""Forms of the age feature and their number of bins (0: one number)."""

GROUPS = {"demographic": ("age", "sex"), "scan": ("view", "position"), "stay": ("mortality", "icu")}
"""Feature groups of the paper."""

POST_IMAGE = ("mortality", "icu")
"""Features that come from after the image was taken; records flag them."""

FEATURES = (*AGE_FORMS, *CATEGORIES)


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Feature names with groups replaced by their members, each once, in the order given.

    Raises:
        UsageError: a name is neither a feature nor a group, or age is asked for in two forms.
    """
    chosen: dict[str, None] = {}
    for name in names:
        if name not in FEATURES and name not in GROUPS:
            raise UsageError(unknown("feature", name, [*FEATURES, *GROUPS]))
        chosen.update(dict.fromkeys(GROUPS.get(name, (name,))))
    ages = [name for name in chosen if name in AGE_FORMS]
    if len(ages) > 1:
        raise UsageError(f"age can be given in one form only, found {' and '.join(ages)}")
    return tuple(chosen)


def column_of(feature: str) -> str:
    """The cohort column of a feature (``age:bins5`` reads ``age``)."""
    return feature.partition(":")[0]


def check_available(features: Iterable[str], dataset: str, available: Sequence[str], notes: Sequence[str] = ()) -> None:
    """Refuse features that a dataset does not have.

    Args:
        features: expanded feature names.
        dataset: its name.
        available: the features that it has.
        notes: what the reader of its files says, which may tell why one is not there.

    Raises:
        UsageError: naming the dataset, the features and what it has.
    """
    lacking = [feature for feature in features if column_of(feature) not in available]
    if lacking:
        has = ", ".join(available) or "no EHR feature"
        aside = f" ({'; '.join(notes)})" if notes else ""
        raise UsageError(f"dataset '{dataset}' has no feature {', '.join(map(repr, lacking))}; it has {has}{aside}")


def check_known(images: pd.DataFrame, features: Iterable[str], counts: Mapping[str, int]) -> None:
    """Refuse features that are asked for and that no image has a value of: a run would bear their name without them.

    Args:
        images: cohort rows that pretraining sees.
        features: expanded feature names.
        counts: what the reader of the files noticed, which may tell why.

    Raises:
        DataError: naming the features and what was noticed of them.
    """
    lacking = [name for name in features if not _known(images[column_of(name)], column_of(name)).notna().any()]
    if lacking:
        names = [column_of(name) for name in lacking]
        told = [f"{what}: {count:,}" for what, count in counts.items() if any(name in what.split() for name in names)]
        aside = f" ({'; '.join(told)})" if told else ""
        raise DataError(
            f"{', '.join(lacking)} asked for, and none of the {len(images):,} images to pretrain on has a known value"
            f"{aside}; say in the column map what the values mean, or leave it out of --features"
        )


@dataclass(frozen=True)
class FeatureSchema:
    """The columns of the EHR vector.

    Args:
        features: the features in order, for example ``("age", "sex")``.
        columns: name of every column, for example ``("age", "sex=M", "sex=F")``.
        fills: value of every feature that replaces a missing one; empty where gaps stay gaps.
        right_closed: bins of ages hold their upper end and begin at 20 years, as the released code's.
    """

    features: tuple[str, ...]
    columns: tuple[str, ...]
    fills: Mapping[str, float | str]
    right_closed: bool = False

    def __len__(self) -> int:
        return len(self.columns)


class Encoded(NamedTuple):
    """EHR vectors ``values (N, F)`` float32, 0 where missing, and ``present (N, F)`` float32."""

    values: npt.NDArray[np.float32]
    present: npt.NDArray[np.float32]


def learn_schema(
    train: pd.DataFrame,
    features: Sequence[str],
    *,
    impute: Iterable[str] = (),
    right_closed: bool = False,
    constants: Mapping[str, str] | None = None,
) -> FeatureSchema:
    """The schema of some features; fill values are learnt on the training rows given, and only there.

    Args:
        train: cohort rows of the training split.
        features: expanded feature names.
        impute: cohort columns whose gaps are filled by the training median (age) or the most frequent value.
        right_closed: of the bins of ages.
        constants: by cohort column, what a missing value is, whatever the training rows hold.
    """
    columns = tuple(column for feature in features for column in columns_of(feature))
    filled = set(impute)
    wanted = [feature for feature in features if column_of(feature) in filled]
    stated = {feature: (constants or {}).get(column_of(feature)) for feature in features}
    fills = {feature: _stated(feature, value) for feature, value in stated.items() if value is not None}
    fills |= {feature: _typical(train[column_of(feature)], feature) for feature in wanted if feature not in fills}
    return FeatureSchema(tuple(features), columns, fills, right_closed)


def columns_of(feature: str) -> list[str]:
    """Names of the vector columns of one feature."""
    if feature == "age":
        return ["age"]
    if feature in AGE_FORMS:
        return [f"{feature}:{bin_}" for bin_ in range(AGE_FORMS[feature])]
    return [f"{feature}={value}" for value in CATEGORIES[feature]]


def column_slices(schema: FeatureSchema) -> dict[str, slice]:
    """Where the columns of each feature stand in the EHR vector."""
    places, start = {}, 0
    for feature in schema.features:
        places[feature] = slice(start, start + len(columns_of(feature)))
        start = places[feature].stop
    return places


def _known(values: pd.Series, feature: str) -> pd.Series:
    """The column with NaN for values outside the vocabulary: "Unknown" is not a sex."""
    vocabulary = CATEGORIES.get(feature)
    return values if vocabulary is None else values.where(values.isin(vocabulary))


def _stated(feature: str, value: str) -> float | str:
    """A constant of the user's.

    Raises:
        UsageError: the feature has no such value.
    """
    if feature in CATEGORIES and value not in CATEGORIES[feature]:
        raise UsageError(f"ehr.constants: {unknown(f'value of {feature}', value, CATEGORIES[feature])}")
    try:
        return value if feature in CATEGORIES else float(value)
    except ValueError:
        raise UsageError(f"ehr.constants: age expects years, found '{value}'") from None


def _typical(values: pd.Series, feature: str) -> float | str:
    known = _known(values, feature).dropna()
    if known.empty:
        raise UsageError(f"feature '{feature}' cannot be imputed: it is missing in every training row")
    return float(known.median()) if column_of(feature) == "age" else str(known.mode().iloc[0])


def encode(frame: pd.DataFrame, schema: FeatureSchema) -> Encoded:
    """EHR vectors of cohort rows.

    Age is (age - 16) / 84, or a one-hot of bins; categorical features are one-hot. A missing value, and a
    value outside the feature's vocabulary, is 0 with ``present`` 0 in all its columns.
    """
    if not schema.features:
        empty = np.zeros((len(frame), 0), np.float32)
        return Encoded(empty, empty.copy())
    parts = [_encode_one(_filled(frame, schema, name), name, schema.right_closed) for name in schema.features]
    values = np.concatenate([part.values for part in parts], axis=1)
    present = np.concatenate([part.present for part in parts], axis=1)
    return Encoded(values, present)


def _filled(frame: pd.DataFrame, schema: FeatureSchema, feature: str) -> pd.Series:
    raw = frame[column_of(feature)]
    return _known(raw, feature).fillna(schema.fills[feature]) if feature in schema.fills else raw


def _encode_one(raw: pd.Series, feature: str, right_closed: bool) -> Encoded:
    if column_of(feature) == "age":
        return _encode_age(raw.to_numpy(dtype=np.float64, na_value=np.nan), AGE_FORMS[feature], right_closed)
    hot = np.stack([(raw.astype(object) == value).to_numpy() for value in CATEGORIES[feature]], axis=1)
    return _one_hot(hot)


def _encode_age(age: npt.NDArray[np.float64], bins: int, right_closed: bool) -> Encoded:
    known = ~np.isnan(age)
    if not bins:
        scaled = np.where(known, (age - AGE_LOW) / (AGE_HIGH - AGE_LOW), 0.0)
        return Encoded(scaled[:, None].astype(np.float32), known[:, None].astype(np.float32))
    width = 5.0 if bins == AGE_FORMS["age:bins5"] else 10.0
    # The first and the last bin hold everybody beyond them. Left-closed: edges 25, 30, ..., 95 (of ten years 20, 30,
    # ..., 90). Right-closed, as released: 20, 25, ..., 90 (of ten years as above).
    start = 20 - width if right_closed else AGE_HIGH - bins * width
    steps = (np.where(known, age, 0.0) - start) / width
    position = np.clip(np.ceil(steps) - 1 if right_closed else np.floor(steps), 0, bins - 1)
    return _one_hot((position[:, None] == np.arange(bins)) & known[:, None])


def _one_hot(hot: npt.NDArray[Any]) -> Encoded:
    present = np.repeat(hot.any(axis=1, keepdims=True), hot.shape[1], axis=1)
    return Encoded(hot.astype(np.float32), present.astype(np.float32))
