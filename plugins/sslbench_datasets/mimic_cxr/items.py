"""Laboratory values and vital signs that ``mimic-cxr`` can give, by their numbers in MIMIC-IV. Nothing heavy."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ssl_bench.plugin.feature_specs import FeatureSpec

Table = Literal["labevents", "chartevents"]

LEAKS = "a result may have come after the image although the sample was taken before; not every patient has it"
CELSIUS = (5 / 9, -160 / 9)
"""From Fahrenheit: slope and intercept."""


class Item(NamedTuple):
    """What one number of an item table stands for.

    Attributes:
        name: of the feature.
        table: of MIMIC-IV that holds it.
        ids: ``itemid`` of what is measured so.
        unit: that values have, after scaling.
        low, high: plausible values; others are missing, and counted.
        scaled: ``itemid`` with another unit: slope and intercept.
    """

    name: str
    table: Table
    ids: tuple[int, ...]
    unit: str
    low: float
    high: float
    scaled: tuple[tuple[int, tuple[float, float]], ...] = ()

    @property
    def spec(self) -> FeatureSpec:
        """The feature's declaration."""
        plausible = self.low, self.high
        return FeatureSpec(name=self.name, kind="number", unit=self.unit, plausible=plausible, note=LEAKS)


ITEMS = (
    Item("sodium", "labevents", (50983,), "mmol/L", 80, 200),
    Item("potassium", "labevents", (50971,), "mmol/L", 1, 15),
    Item("chloride", "labevents", (50902,), "mmol/L", 50, 200),
    Item("bicarbonate", "labevents", (50882,), "mmol/L", 2, 60),
    Item("creatinine", "labevents", (50912,), "mg/dL", 0.05, 40),
    Item("urea-nitrogen", "labevents", (51006,), "mg/dL", 1, 300),
    Item("glucose", "labevents", (50931,), "mg/dL", 10, 2000),
    Item("lactate", "labevents", (50813,), "mmol/L", 0.1, 40),
    Item("albumin", "labevents", (50862,), "g/dL", 0.5, 8),
    Item("bilirubin", "labevents", (50885,), "mg/dL", 0, 80),
    Item("c-reactive-protein", "labevents", (50889,), "mg/L", 0, 1000),
    Item("nt-probnp", "labevents", (50963,), "pg/mL", 0, 200_000),
    Item("troponin-t", "labevents", (51003,), "ng/mL", 0, 100),
    Item("haemoglobin", "labevents", (51222,), "g/dL", 1, 30),
    Item("white-cells", "labevents", (51301,), "10^9/L", 0, 1000),
    Item("platelets", "labevents", (51265,), "10^9/L", 0, 3000),
    Item("blood-ph", "labevents", (50820,), "", 6.5, 8),
    Item("blood-pco2", "labevents", (50818,), "mmHg", 5, 250),
    Item("heart-rate", "chartevents", (220045,), "1/min", 10, 300),
    Item("respiratory-rate", "chartevents", (220210,), "1/min", 1, 100),
    Item("oxygen-saturation", "chartevents", (220277,), "%", 20, 100),
    Item("systolic-pressure", "chartevents", (220179, 220050), "mmHg", 20, 350),
    Item("diastolic-pressure", "chartevents", (220180, 220051), "mmHg", 5, 250),
    Item("mean-pressure", "chartevents", (220181, 220052), "mmHg", 10, 300),
    Item("temperature", "chartevents", (223762, 223761), "degrees C", 25, 45, ((223761, CELSIUS),)),
)
"""Numbers as in ``d_labitems`` and ``d_items`` of MIMIC-IV."""

BY_NAME = {item.name: item for item in ITEMS}
