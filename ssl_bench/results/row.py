"""Rows of a record: a number with what it is of. No torch.

A key that was never set stays away from the file, a key of another version is kept as it is, and the order of fields
is the order in the file.
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, WithJsonSchema, model_validator

from ssl_bench.plugin.names import MACRO as MACRO
from ssl_bench.stats.predictions import IMAGES, unit_of

Number = Annotated[StrictFloat | StrictInt, WithJsonSchema({"type": "number"})]
Count = Annotated[int, Field(strict=True)]
Truth = Annotated[bool, Field(strict=True)]
"""As in JSON: a text of digits is none of them."""


class Part(BaseModel):
    """A part of a record: it is never changed, only copied with other values (:meth:`but`)."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True, populate_by_name=True)

    def but(self, **values: Any) -> Self:
        """The same with other values."""
        return self.model_copy(update=values)

    def as_json(self) -> dict[str, Any]:
        """What JSON holds of it: keys that were never set are left out."""
        return self.model_dump(exclude_unset=True, by_alias=True)

    def named(self, key: str) -> Any:
        """A value by its name in JSON, for who is asked for names: a user's filter, a column of a table."""
        return getattr(self, key, None)


class Estimate(Part):
    """A number with its interval: of a record, or computed of several."""

    value: Number | None = None
    """null where it is undefined; ``note`` says why"""
    ci_low: Number | None = None
    """95 % t interval on the logit scale, standard deviation from resamples of patients"""
    ci_high: Number | None = None
    percentile_low: Number | None = None
    """2.5 and 97.5 % of the same resamples"""
    percentile_high: Number | None = None
    note: str = ""
    """why a value or an interval is missing"""


class Located(Protocol):
    """Something that was measured by a protocol on a dataset."""

    @property
    def protocol(self) -> str:
        """The evaluator."""

    @property
    def dataset(self) -> str:
        """Where it was measured."""

    @property
    def fitted_on(self) -> str:
        """Where the protocol was fitted."""


class RowIdentity(Part):
    """What all numbers of one set of predictions share."""

    encoder: str = ""
    """``trained``, or a baseline: ``random``, never trained, with the same seed; ``pixels``, a thumbnail"""
    dataset: str = ""
    """where the numbers were measured"""
    fitted_on: str = ""
    """where the protocol was fitted"""
    protocol: str = ""
    """the evaluator"""
    seed: Count = 0
    """of the run"""
    unit: str = unit_of(IMAGES)
    """``image``, or ``study``"""
    aggregate: str = IMAGES
    """how the scores of a study's images were joined (``max``, ``mean``)"""
    split: str = ""
    """``validate`` or ``test``"""
    subgroup: str = "all"
    """``all`` or a part of the split"""
    fraction: Number = 1.0
    """share of the training patients' labels that was used"""
    draw: Count = 0
    """which draw of that share"""
    settings: dict[str, Any] = {}
    """what the validation split chose"""

    @model_validator(mode="before")
    @classmethod
    def _fitted_at_home(cls, values: Any) -> Any:
        """Rows of the first versions were fitted where they were measured."""
        if isinstance(values, dict) and "fitted_on" not in values and "dataset" in values:
            return {**values, "fitted_on": values["dataset"]}
        return values


class MeasurementName(Part):
    """What a number is of."""

    label: str = ""
    """a finding, or ``macro``: the mean over ``macro_labels``"""
    metric: str = ""
    """``auroc``, ``auprc``, ..."""


class Measurement(Estimate, MeasurementName):
    """A number of some predictions with its interval and what it is of."""

    n_images: Count | None = None
    """of the split"""
    n_patients: Count | None = None
    n_known: Count | None = None
    """images whose label is known; of ``macro``: for one of its findings at least"""
    n_known_patients: Count | None = None
    n_positive: Count | None = None
    n_positive_patients: Count | None = None
    n_negative: Count | None = None
    n_negative_patients: Count | None = None
    chance: Number | None = None
    """value of scores that say nothing; null where there is none"""
    threshold: Number | None = None
    """score from which an image counts as positive, chosen on validation images"""
    macro_labels: tuple[str, ...] = ()
    """findings of a macro mean"""
    value_all: Number | None = None
    """the mean over all findings with a value, a point estimate without an interval"""
    all_labels: tuple[str, ...] = ()
    """these findings"""


class MetricRow(Measurement, RowIdentity):
    """A row of ``metrics``."""

    p: Number | None = None
    """of rows that compare groups of patients: two-sided"""
    p_holm: Number | None = None
    """adjusted for all groups of an attribute"""
    kept_as: MetricRow | None = Field(None, exclude=True)
    """in memory alone: the row as it is in its own record, where it stands at the place of another run"""

    @property
    def kept(self) -> MetricRow:
        """The row whose predictions lie in the folder of its run."""
        return self.kept_as or self


class ComparisonName(RowIdentity):
    """Which encoders are compared, and in what."""

    against: str = ""
    """the encoder that is subtracted"""
    metric: str = ""
    label: str = ""


class Comparison(Estimate, ComparisonName):
    """A row of ``comparisons``: ``encoder`` minus ``against`` on the same images and the same resamples."""

    p: Number | None = None
    """two-sided; of these two encoders, not of their methods"""
