"""Further hospitals of the virtual population: who comes, all findings of a study, and its films."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ssl_bench.plugin.options import WriterOptions
from sslbench_synthetic.hospitals.labels import chexpert_truth, nih_truth
from sslbench_synthetic.hospitals.population import draw_films, draw_studies, stream
from sslbench_synthetic.hospitals.profiles import GENERAL, REFERRAL, RESEARCH, Hospital

TUBERCULOSIS = 0.02
"""Share of the studies with tuberculosis that shows nothing; half of the pneumonias are it, too."""


@dataclass(frozen=True)
class Visits:
    """Films of a hospital and what is true of them.

    Args:
        hospital: where they are taken.
        films: a row each, from ``draw_films``; ``row`` is that of its study.
        truth: findings by film under CheXpert's and NIH's names and ``Tuberculosis``, 0 or 1.
        rng: of what a layout writes of them.
    """

    hospital: Hospital
    films: pd.DataFrame
    truth: pd.DataFrame
    rng: np.random.Generator

    def counts(self) -> dict[str, int]:
        """What was drawn, in numbers."""
        patients, studies = self.films["patient"].nunique(), self.films["row"].nunique()
        return {"patients": patients, "studies": studies, "images": len(self.films)}


def draw(hospital: Hospital, options: WriterOptions) -> Visits:
    """All films of some patients of a hospital."""
    studies = draw_studies(hospital, options.patients, options.seed)
    rng = stream(options.seed, hospital, 2)
    truth = chexpert_truth(studies, rng)
    nih = nih_truth(studies, rng)
    truth = truth.join(nih[[name for name in nih if name not in truth and name != "Effusion"]])
    tuberculosis = (rng.random(len(studies)) < TUBERCULOSIS) | (
        (studies["Pneumonia"] > 0) & (studies["patient"] % 2 == 0)
    )
    truth["Tuberculosis"] = tuberculosis.astype(float)
    shown = [name for name in truth if name not in ("No Finding", "Support Devices")]
    truth["No Finding"] = 1.0 - truth[shown].max(axis=1)
    studies["row"] = np.arange(len(studies))
    films = draw_films(hospital, studies, options.seed, options.size)
    return Visits(hospital, films, truth.loc[films["row"]].reset_index(drop=True), rng)


def by_study(labels: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    """The labels of each study's first film for all of its films: there is one report."""
    first = rows.drop_duplicates()
    return labels.loc[rows.map(pd.Series(first.index, index=first.to_numpy()))].set_axis(labels.index)


# fmt: off
ALICANTE = replace(RESEARCH, number=4, age=(60, 19), youngest=1, lateral=0.6, ward=0.4, icu=1.4,
                   look=replace(RESEARCH.look, gamma=1.1, border=0.0, marker="", long=1.15))
HANOI = replace(RESEARCH, number=5, age=(52, 17), youngest=16, ward=9.0, icu=9.5, visits=0.0,
                look=replace(RESEARCH.look, gamma=1.0, latitude=0.95, border=0.02, marker="", long=1.1))
SAO_PAULO = replace(GENERAL, number=6, age=(55, 18), youngest=18, lateral=0.5,
                    look=replace(GENERAL.look, equalized=0.0, gamma=1.05, border=0.0))
AACHEN = replace(GENERAL, number=7, age=(66, 14), ward=-9.0, icu=-0.3, visits=1.8, lateral=0.0,
                 look=replace(GENERAL.look, equalized=0.0, gamma=0.9, grain=3.0, marker="L", marked=0.5))
SHENZHEN = replace(RESEARCH, number=8, age=(35, 14), ward=9.0, icu=9.5, visits=0.0,
                   look=replace(RESEARCH.look, marker="", long=1.0))
MONTGOMERY = replace(RESEARCH, number=9, age=(40, 19), ward=9.0, icu=9.5, visits=0.0,
                     look=replace(RESEARCH.look, gamma=1.35, marker="", long=1.2))
INDIANA = replace(GENERAL, number=10, age=(50, 18), ward=9.0, icu=9.5, visits=0.0, lateral=0.9,
                  look=replace(GENERAL.look, equalized=0.0, gamma=1.0))
# fmt: on

PLUS, NIH = REFERRAL, RESEARCH
"""Layouts that hold the patients of CheXpert and of NIH under other names."""
