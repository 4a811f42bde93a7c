"""Writes what is measured of patients of the general hospital: ``labevents``, ``chartevents`` and ``omr`` of MIMIC-IV.

Quirks that are written: values that are no numbers, temperatures of either scale, values taken after a film and long
before one, implausible ones, items that nobody reads, patients in bed without any.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from sslbench_synthetic.cohort.population import FINDINGS, ICU, OUTPATIENT
from sslbench_synthetic.hospitals.csv_files import spread, write_csv
from sslbench_synthetic.hospitals.stays import STAMP

LABS = {
    50912: ("creatinine", 1.0, 0.35), 51006: ("urea-nitrogen", 18, 0.4), 50813: ("lactate", 1.6, 0.4),
    51301: ("white-cells", 8, 0.35), 51222: ("haemoglobin", 11, 0.15), 50963: ("nt-probnp", 600, 1.0),
    50861: ("nobody's", 25, 0.5),
}  # fmt: skip
"""Median and log standard deviation of a well patient, by ``itemid``; the last one is read by nobody."""

VITALS = {220045: (82, 0.18), 220210: (18, 0.2), 220277: (97, 0.02), 220179: (122, 0.15), 223761: (98.6, 0.008),
          223762: (37.0, 0.008)}  # fmt: skip

RISES = {50912: 0.15, 51006: 0.2, 50813: 0.25, 51301: 0.2, 50963: 0.6, 220045: 0.06, 220210: 0.08}
"""By how much (log) a value rises with every finding that is there."""

LAB_COLUMNS = ("labevent_id", "subject_id", "hadm_id", "specimen_id", "itemid", "charttime", "storetime", "value",
               "valuenum", "valueuom", "flag")  # fmt: skip
CHART_COLUMNS = ("subject_id", "hadm_id", "stay_id", "charttime", "storetime", "itemid", "value", "valuenum",
                 "valueuom", "warning")  # fmt: skip
UNMEASURED, NO_NUMBER, IMPLAUSIBLE = 0.1, 0.03, 0.01
BODY_COLUMNS = ("subject_id", "chartdate", "seq_num", "result_name", "result_value")
HOURS = (-30.0, 6.0)
"""When values are taken, after a film."""


def write_events(studies: pd.DataFrame, folder: Path, rng: np.random.Generator) -> dict[str, int]:
    """Write both tables of the studies in bed; vital signs of those in intensive care.

    Args:
        studies: of ``draw_studies``, with ``subject_id``.
        folder: of the release.
        rng: of all values.
    """
    ill = studies[studies["setting"] != OUTPATIENT].reset_index(drop=True)
    ill = ill[spread(len(ill), rng) >= UNMEASURED]
    labs = _drawn(ill, LABS, 2, rng)
    vitals = _drawn(ill[ill["setting"] == ICU], {number: ("", *law) for number, law in VITALS.items()}, 3, rng)
    labs["labevent_id"] = labs["specimen_id"] = np.arange(1, len(labs) + 1)
    vitals["stay_id"] = vitals["warning"] = ""
    write_csv(labs[list(LAB_COLUMNS)], folder / "hosp" / "labevents.csv.gz")
    write_csv(vitals[list(CHART_COLUMNS)], folder / "icu" / "chartevents.csv.gz")
    return {"laboratory values": len(labs), "vital signs": len(vitals)}


def _drawn(
    studies: pd.DataFrame, laws: dict[int, tuple[str, float, float]], times: int, rng: np.random.Generator
) -> pd.DataFrame:
    """So many values of each item about each study, in the order of time."""
    parts, findings = [], (studies[list(FINDINGS)] > 0).sum(axis=1).to_numpy(np.float64)
    for number, (_, median, spread_of) in laws.items():
        for _ in range(times):
            value = median * np.exp(spread_of * rng.normal(size=len(studies)) + RISES.get(number, 0.0) * findings)
            value = np.where(rng.random(len(studies)) < IMPLAUSIBLE, 999_999.0, np.round(value, 2))
            text = pd.Series(value).astype(str).mask(rng.random(len(studies)) < NO_NUMBER, "")
            after = pd.to_timedelta(np.round(rng.uniform(*HOURS, len(studies)) * 60), unit="min")
            at = (studies["time"].reset_index(drop=True) + after).dt.floor("min")
            parts.append(pd.DataFrame({
                "subject_id": studies["subject_id"].to_numpy(), "itemid": number, "moment": at, "valuenum": text,
            }))  # fmt: skip
    table = pd.concat(parts, ignore_index=True).sort_values(["subject_id", "moment", "itemid"], ignore_index=True)
    table["charttime"] = table["storetime"] = table["moment"].dt.strftime(STAMP)
    table["value"] = table["valuenum"].mask(table["valuenum"] == "", "___")
    return table.assign(hadm_id="", valueuom="", flag="")


def write_body(studies: pd.DataFrame, folder: Path, rng: np.random.Generator) -> dict[str, int]:
    """Write ``hosp/omr``: height, weight and body mass index of most patients about their studies, and blood pressure.

    Args:
        studies: of ``draw_studies``, with ``subject_id``.
        folder: of the release.
        rng: of all values.
    """
    people = studies["subject_id"].unique()
    height = dict(zip(people, np.round(rng.normal(66, 4, len(people)), 1), strict=True))  # inches
    body_mass = dict(zip(people, np.round(np.exp(rng.normal(3.3, 0.2, len(people))), 1), strict=True))
    seen = studies[rng.random(len(studies)) >= UNMEASURED]
    days = (seen["time"] - pd.to_timedelta(rng.integers(-20, 200, len(seen)), unit="D")).dt.strftime("%Y-%m-%d")
    inches, mass = seen["subject_id"].map(height), seen["subject_id"].map(body_mass)
    pounds = np.round(mass * (inches * 0.0254) ** 2 / 0.45359, 1)
    told = {"Height (Inches)": inches.astype(str), "Weight (Lbs)": pounds.astype(str),
            "BMI (kg/m2)": mass.astype(str).mask(rng.random(len(seen)) < IMPLAUSIBLE, "0"),
            "Blood Pressure": pd.Series("120/70", index=seen.index)}  # fmt: skip
    parts = [pd.DataFrame({"subject_id": seen["subject_id"], "chartdate": days, "seq_num": 1, "result_name": name,
                           "result_value": values}) for name, values in told.items()]  # fmt: skip
    table = pd.concat(parts).sort_values(["subject_id", "chartdate", "result_name"], ignore_index=True)
    write_csv(table[list(BODY_COLUMNS)], folder / "hosp" / "omr.csv.gz")
    return {"measurements of the body": len(table)}
