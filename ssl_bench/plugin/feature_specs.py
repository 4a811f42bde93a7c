"""What an EHR feature is: a number or a category, how it becomes columns, and how people are grouped by it.

Those that several datasets may have are declared here; a dataset's descriptor brings others (``DatasetSpec.declares``)
in the same form. Nothing heavy is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ssl_bench.errors import PluginError


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """An EHR feature of images, a column of the cohort.

    Args:
        name: of the column; lower case.
        kind: ``number``, or ``category``, whose values are text.
        values: of a category, in the order of its one-hot columns; empty: the most frequent ones of the training rows.
        unit: of a number.
        scale: the values of a number that become 0 and 1; None: the 5th and 95th percentile of the training rows.
        plausible: the lowest and highest number that a dataset may give.
        edges: first numbers of all groups but the lowest, in tables by group; empty: numbers make no groups.
        grouped: a category makes groups in those tables.
        opt_in: it is in a cohort only where ``data.attributes`` or the features of a run name it.
        post_image: it comes from after the image was taken, which records say.
        note: what a reader of results by it must know.
    """

    name: str
    kind: Literal["number", "category"] = "category"
    values: tuple[str, ...] = ()
    unit: str = ""
    scale: tuple[float, float] | None = None
    plausible: tuple[float, float] = (float("-inf"), float("inf"))
    edges: tuple[float, ...] = ()
    grouped: bool = False
    opt_in: bool = False
    post_image: bool = False
    note: str = ""

    @property
    def number(self) -> bool:
        """Whether its values are numbers."""
        return self.kind == "number"

    @property
    def groups_images(self) -> bool:
        """Whether tables by group have it."""
        return bool(self.edges if self.number else self.grouped)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of a number by its edges: ``0-19``, ``80+``; or ``below 18.5``, ``18.5 to 25``."""
        whole = all(float(edge).is_integer() for edge in self.edges)
        if not self.edges:
            return ()
        if whole:
            lower = (0, *(int(edge) for edge in self.edges))
            return (*(f"{low}-{high - 1}" for low, high in pairwise(lower)), f"{lower[-1]}+")
        inner = (f"{low:g} to {high:g}" for low, high in pairwise(self.edges))
        return (f"below {self.edges[0]:g}", *inner, f"{self.edges[-1]:g}+")


HIDDEN = "a recorded social category, not biology: fit to measure gaps, unfit as a cause"

ATTRIBUTES = (
    FeatureSpec(name="race", opt_in=True, grouped=True, note=HIDDEN, values=(
        "White", "Black", "Asian", "Hispanic", "American Indian", "Pacific Islander", "Other")),
    FeatureSpec(name="ethnicity", opt_in=True, grouped=True, note=HIDDEN, values=("Hispanic", "Not Hispanic")),
    FeatureSpec(name="insurance", opt_in=True, grouped=True, values=("Medicare", "Medicaid", "Private", "Other"),
                note="a proxy of age and income: Medicare is for people of 65 and older, Medicaid for low incomes"),
    FeatureSpec(name="bmi", kind="number", unit="kg/m2", plausible=(10, 100), edges=(18.5, 25, 30, 35), opt_in=True,
                note="recorded for some patients only, and not always near the image"),
    FeatureSpec(name="height", kind="number", unit="cm", plausible=(30, 250), edges=(150, 160, 170, 180), opt_in=True),
    FeatureSpec(name="smoking", opt_in=True, grouped=True, values=("never", "former", "current")),
    FeatureSpec(name="device", opt_in=True, grouped=True,
                note="a property of the image, not of the person: a gap may be between machines"),
    FeatureSpec(name="site", opt_in=True, grouped=True, note="of the image and not of the person"),
    FeatureSpec(name="year", opt_in=True, grouped=True, note="practice changes with it: a gap may be between periods"),
)  # fmt: skip
"""Attributes of people and images that a run must ask for."""

COMMON = (
    FeatureSpec(name="age", kind="number", unit="years", scale=(16.0, 100.0), plausible=(0, 120),
                edges=(20, 40, 60, 80)),
    FeatureSpec(name="sex", values=("M", "F"), grouped=True),
    FeatureSpec(name="view", values=("PA", "AP", "LATERAL", "LL"), grouped=True),
    FeatureSpec(name="position", values=("Erect", "Recumbent")),
    FeatureSpec(name="mortality", values=("0", "1"), post_image=True),
    FeatureSpec(name="icu", values=("0", "1"), post_image=True),
)  # fmt: skip
"""Features that a run has without asking, as far as its dataset has them."""

SHARED: Mapping[str, FeatureSpec] = {spec.name: spec for spec in (*COMMON, *ATTRIBUTES)}
"""By name."""


def known(declared: Iterable[FeatureSpec] = ()) -> dict[str, FeatureSpec]:
    """The shared features and others by name.

    Raises:
        PluginError: two declarations of one name differ.
    """
    found = dict(SHARED)
    for spec in declared:
        if found.setdefault(spec.name, spec) != spec:
            raise PluginError(f"feature '{spec.name}' is declared in two ways; give one of them another name")
    return found
