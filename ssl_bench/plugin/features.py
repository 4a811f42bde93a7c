"""EHR features as a numeric vector with a mask of what is present."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.errors import DataError, UsageError, unknown
from ssl_bench.plugin.feature_specs import COMMON, SHARED, FeatureSpec

AGE_HIGH = 100.0
"""Where the bins of ages end."""

CATEGORIES = {spec.name: spec.values for spec in COMMON if not spec.number}
"""Values of the categories that a run has without asking, in the order of their one-hot columns."""

AGE_FORMS = {"age": 0, "age:bins5": 16, "age:bins10": 9}
"""Forms of the age feature and their number of bins (0: one number)."""

GROUPS = {"demographic": ("age", "sex"), "scan": ("view", "position"), "stay": ("mortality", "icu")}
"""Feature groups of the paper."""

USUAL = (*AGE_FORMS, *CATEGORIES, *GROUPS)
"""What a run may name without asking a dataset for more."""

CATEGORIES_LEARNT = 16
"""Values of a category without stated ones, at most: the most frequent ones of the training rows."""

SCALED = (0.05, 0.95)
"""Quantiles of the training rows that become 0 and 1 of a number without a stated scale."""

CLIPPED = (-1.0, 2.0)
"""Where such a number is cut off: one wrong decimal point must not drown the others."""


def expand(names: Iterable[str], specs: Mapping[str, FeatureSpec] = SHARED) -> tuple[str, ...]:
    """Feature names with groups replaced by their members, each once, in the order given.

    Args:
        names: of features and groups.
        specs: the features that there are, by name.

    Raises:
        UsageError: a name is neither a feature nor a group, or age is asked for in two forms.
    """
    chosen: dict[str, None] = {}
    offered = [*AGE_FORMS, *(name for name in specs if name != "age")]
    for name in names:
        if name not in offered and name not in GROUPS:
            raise UsageError(unknown("feature", name, [*offered, *GROUPS]))
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


def check_known(
    images: pd.DataFrame,
    features: Iterable[str],
    counts: Mapping[str, int],
    specs: Mapping[str, FeatureSpec] = SHARED,
) -> None:
    """Refuse features that are asked for and that no image has a value of: a run would bear their name without them.

    Args:
        images: cohort rows that pretraining sees.
        features: expanded feature names.
        counts: what the reader of the files noticed, which may tell why.
        specs: of the features by name.

    Raises:
        DataError: naming the features and what was noticed of them.
    """
    of = {name: specs[column_of(name)].values for name in features}
    lacking = [name for name in of if not _known(images[column_of(name)], of[name]).notna().any()]
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
        values: of every category, in the order of its columns.
        scales: by number, which values become 0 and 1; those of learnt ones are cut off at :data:`CLIPPED`.
        specs: of the features, by cohort column.
    """

    features: tuple[str, ...]
    columns: tuple[str, ...]
    fills: Mapping[str, float | str]
    right_closed: bool = False
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    specs: Mapping[str, FeatureSpec] = field(default_factory=dict)

    def number(self, feature: str) -> bool:
        """Whether a feature is one column that holds a number."""
        return feature in self.scales

    def width(self, feature: str) -> int:
        """How many columns a feature has."""
        many = sum(column.startswith(f"{feature}=") for column in self.columns)
        return AGE_FORMS.get(feature) or len(self.values.get(feature, ())) or many or 1

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
    specs: Mapping[str, FeatureSpec] = SHARED,
) -> FeatureSchema:
    """The schema of some features; what is learnt is learnt on the training rows given, and only there.

    Args:
        train: cohort rows of the training split.
        features: expanded feature names.
        impute: cohort columns whose gaps are filled by the training median (numbers) or the most frequent value.
        right_closed: of the bins of ages.
        constants: by cohort column, what a missing value is, whatever the training rows hold.
        specs: of the features by cohort column.
    """
    own = {column_of(feature): specs[column_of(feature)] for feature in features}
    values = {name: spec.values or _values(train[name]) for name, spec in own.items() if not spec.number}
    scales = {name: spec.scale or _scale(train[name]) for name, spec in own.items() if spec.number and name in features}
    columns = tuple(column for feature in features for column in _columns_of(feature, values))
    filled = set(impute)
    wanted = [feature for feature in features if column_of(feature) in filled]
    stated = {feature: (constants or {}).get(column_of(feature)) for feature in features}
    fills = {feature: _stated(own[column_of(feature)], value, values) for feature, value in stated.items()
             if value is not None}  # fmt: skip
    fills |= {feature: _typical(train[column_of(feature)], own[column_of(feature)], values) for feature in wanted
              if feature not in fills}  # fmt: skip
    return FeatureSchema(tuple(features), columns, fills, right_closed, values, scales, own)


def _values(column: pd.Series) -> tuple[str, ...]:
    """The most frequent values of a category in training, in alphabetical order."""
    counts = {str(value): int(count) for value, count in column.dropna().value_counts().items()}
    most = sorted(counts, key=lambda value: (-counts[value], value))
    return tuple(sorted(most[:CATEGORIES_LEARNT])) or ("",)


def _scale(column: pd.Series) -> tuple[float, float]:
    """The values of a number that become 0 and 1: two quantiles of the training rows, or a unit apart."""
    low, high = (float(end) for end in column.astype(float).quantile(list(SCALED)).fillna(0.0))
    return (low, high) if high > low else (low, low + 1.0)


def _columns_of(feature: str, values: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Names of the vector columns of one feature."""
    if AGE_FORMS.get(feature):
        return [f"{feature}:{bin_}" for bin_ in range(AGE_FORMS[feature])]
    return [f"{feature}={value}" for value in values[feature]] if feature in values else [feature]


def column_slices(schema: FeatureSchema) -> dict[str, slice]:
    """Where the columns of each feature stand in the EHR vector."""
    places, start = {}, 0
    for feature in schema.features:
        places[feature] = slice(start, start + schema.width(feature))
        start = places[feature].stop
    return places


def _known(column: pd.Series, values: Sequence[str]) -> pd.Series:
    """The column with NaN for values outside the vocabulary: "Unknown" is not a sex."""
    return column.where(column.isin(values)) if values else column


def _stated(spec: FeatureSpec, value: str, values: Mapping[str, tuple[str, ...]]) -> float | str:
    """A constant of the user's.

    Raises:
        UsageError: the feature has no such value.
    """
    if not spec.number and value not in values[spec.name]:
        raise UsageError(f"ehr.constants: {unknown(f'value of {spec.name}', value, values[spec.name])}")
    try:
        return float(value) if spec.number else value
    except ValueError:
        raise UsageError(f"ehr.constants: {spec.name} expects {spec.unit or 'a number'}, found '{value}'") from None


def _typical(column: pd.Series, spec: FeatureSpec, values: Mapping[str, tuple[str, ...]]) -> float | str:
    known = _known(column, values.get(spec.name, ())).dropna()
    if known.empty:
        raise UsageError(f"feature '{spec.name}' cannot be imputed: it is missing in every training row")
    return float(known.astype(float).median()) if spec.number else str(known.mode().iloc[0])


def encode(frame: pd.DataFrame, schema: FeatureSchema) -> Encoded:
    """EHR vectors of cohort rows.

    Age is (age - 16) / 84, or a one-hot of bins; other numbers lie between two quantiles of the training rows;
    categories are one-hot. A missing value, and a value outside the feature's vocabulary, is 0 with ``present`` 0 in
    all its columns.
    """
    if not schema.features:
        empty = np.zeros((len(frame), 0), np.float32)
        return Encoded(empty, empty.copy())
    parts = [_encode_one(_filled(frame, schema, name), name, schema) for name in schema.features]
    values = np.concatenate([part.values for part in parts], axis=1)
    present = np.concatenate([part.present for part in parts], axis=1)
    return Encoded(values, present)


def _filled(frame: pd.DataFrame, schema: FeatureSchema, feature: str) -> pd.Series:
    raw = frame[column_of(feature)]
    if feature not in schema.fills:
        return raw
    return _known(raw, schema.values.get(column_of(feature), ())).fillna(schema.fills[feature])


def _encode_one(raw: pd.Series, feature: str, schema: FeatureSchema) -> Encoded:
    if feature in schema.values:
        hot = np.stack([(raw.astype(object) == value).to_numpy() for value in schema.values[feature]], axis=1)
        return _one_hot(hot)
    numbers = raw.to_numpy(dtype=np.float64, na_value=np.nan)
    if feature not in schema.scales:
        return _encode_bins(numbers, AGE_FORMS[feature], schema.right_closed)
    known, (low, high) = ~np.isnan(numbers), schema.scales[feature]
    scaled = np.where(known, (numbers - low) / (high - low), 0.0)
    if schema.specs[feature].scale is None:
        scaled = np.clip(scaled, *CLIPPED)
    return Encoded(scaled[:, None].astype(np.float32), known[:, None].astype(np.float32))


def _encode_bins(age: npt.NDArray[np.float64], bins: int, right_closed: bool) -> Encoded:
    known = ~np.isnan(age)
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
