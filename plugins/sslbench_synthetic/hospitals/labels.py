"""From drawn findings to each label space, and from the truth to what a report labeller writes down.

Eight findings are drawn (:mod:`sslbench_synthetic.cohort.findings`). The other names of a label space have no sign of
their own in the picture; they follow one of the rules below, or are drawn at a low rate that nothing in the picture or
the record explains (:data:`UNSEEN`): a model cannot learn those, and an AUROC far from 0.5 on them is an error.

* Lung Opacity: consolidation, pneumonia or edema, and atelectasis of more than middling severity.
* Enlarged Cardiomediastinum: cardiomegaly of high severity.
* Support Devices: the lines and electrodes that are drawn on films from intensive care.
* No Finding: nothing drawn and none of the others; devices do not count.
* Infiltration: half of the films with consolidation, pneumonia or edema, and a few others.
* Fracture: twice as often from 70 years on; Pleural_Thickening: three times as often beside an effusion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.plugin.labels import CHEXPERT14, NIH14
from sslbench_synthetic.cohort.population import FINDINGS, ICU

Flags = npt.NDArray[np.bool_]

UNSEEN = {
    "Lung Lesion": 0.03,
    "Pleural Other": 0.015,
    "Fracture": 0.03,
    "Mass": 0.03,
    "Nodule": 0.04,
    "Fibrosis": 0.02,
    "Pleural_Thickening": 0.02,
    "Hernia": 0.005,
    "Infiltration": 0.04,
}
"""Share of the studies with a label that nothing in the picture explains."""

POSITIVE = {1.0: 0.88, -1.0: 0.08, np.nan: 0.04}
NEGATIVE = {0.0: 0.22, -1.0: 0.02, np.nan: 0.76}
"""What a report labeller makes of a finding that is there, and of one that is not: mostly, it is not mentioned."""

DISAGREE = 0.1
"""Share of the labels that the second labeller draws anew (it mostly draws the same)."""


def chexpert_truth(studies: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The 14 findings of CheXpert as 0 and 1, one row per study."""
    seen, unseen = _seen(studies), _unseen(studies, rng)
    truth = {
        "Enlarged Cardiomediastinum": studies["Cardiomegaly"].to_numpy() > 0.8,
        "Lung Opacity": _opacity(seen) | (studies["Atelectasis"].to_numpy() > 0.75),
        "Pleural Effusion": seen["Effusion"],
        **{name: unseen[name] for name in ("Lung Lesion", "Pleural Other", "Fracture")},
        **{name: seen[name] for name in CHEXPERT14 if name in seen},
    }
    any_finding = np.any([*truth.values(), seen["Emphysema"]], axis=0)
    truth |= {"No Finding": ~any_finding, "Support Devices": studies["setting"].to_numpy() == ICU}
    return pd.DataFrame(truth, index=studies.index)[list(CHEXPERT14)].astype(float)


def nih_truth(studies: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The 14 findings of NIH ChestX-ray14 as 0 and 1, one row per study."""
    seen, unseen = _seen(studies), _unseen(studies, rng)
    infiltration = unseen["Infiltration"] | (_opacity(seen) & (rng.random(len(studies)) < 0.5))
    truth = {**unseen, **seen, "Infiltration": infiltration}
    return pd.DataFrame(truth, index=studies.index)[list(NIH14)].astype(float)


def reported(truth: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Labels mined from reports: 1, 0, -1 for uncertain and NaN for not mentioned; No Finding is 1 or NaN."""
    drawn = np.where(truth == 1, _choice(POSITIVE, truth.shape, rng), _choice(NEGATIVE, truth.shape, rng))
    return _with_no_finding(pd.DataFrame(drawn, index=truth.index, columns=truth.columns))


def another_labeller(labels: pd.DataFrame, truth: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The labels of a second labeller of the same reports, which reads a few mentions in its own way."""
    differs = rng.random(labels.shape) < DISAGREE
    return _with_no_finding(labels.mask(differs, reported(truth, rng)))


def _with_no_finding(labels: pd.DataFrame) -> pd.DataFrame:
    """No Finding as a labeller sets it: 1 where no other label but devices is positive or uncertain."""
    others = labels.drop(columns=["No Finding", "Support Devices"])
    found = others.isin((1.0, -1.0)).any(axis=1)
    return labels.assign(**{"No Finding": np.where(found, np.nan, 1.0)})


def _choice(shares: dict[float, float], shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[Any]:
    return rng.choice(list(shares), size=shape, p=list(shares.values()))


def _seen(studies: pd.DataFrame) -> dict[str, Flags]:
    return {finding: studies[finding].to_numpy() > 0 for finding in FINDINGS}


def _opacity(seen: dict[str, Flags]) -> Flags:
    return seen["Consolidation"] | seen["Pneumonia"] | seen["Edema"]


def _unseen(studies: pd.DataFrame, rng: np.random.Generator) -> dict[str, Flags]:
    factor = {
        "Fracture": np.where(studies["age"] >= 70, 2.0, 1.0),
        "Pleural_Thickening": np.where(studies["Effusion"] > 0, 3.0, 1.0),
    }
    return {name: rng.random(len(studies)) < share * factor.get(name, 1.0) for name, share in UNSEEN.items()}
