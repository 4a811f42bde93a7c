"""The smallest difference of two methods that paired pretraining seeds would find: said before runs are paid for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from ssl_bench.stats.significance import ALPHA, SEEDS, few_seeds

SEED_SD = 0.0117
"""Macro AUROC of runs that differ in the seed alone, where no other is stated (docs/measurements/statistics.md)."""

PATIENT_SD = 0.005
"""Paired differences over resamples of the patients of a test split of MIMIC-CXR's size (docs/fusion.md)."""

OFTEN = 0.8
"""In how many cases a difference is to be found: 8 of 10."""


@dataclass(frozen=True)
class Spread:
    """What a difference of two methods varies with.

    Attributes:
        seeds: standard deviation of paired differences between seeds.
        patients: standard deviation over resamples of patients that all seeds share.
        freedom: degrees of freedom of the patients.
    """

    seeds: float
    patients: float
    freedom: float = 100.0

    def error(self, seeds: int) -> tuple[float, float]:
        """Standard error of the mean difference over so many seeds, and its degrees of freedom (Satterthwaite)."""
        between, shared = self.seeds**2 / seeds, self.patients**2
        spent = between**2 / (seeds - 1) + shared**2 / self.freedom
        return float(np.sqrt(between + shared)), (between + shared) ** 2 / spent if spent else 1.0


def power(difference: float, spread: Spread, seeds: int) -> float:
    """How often a test of methods at the 5 % level finds a true difference."""
    error, freedom = spread.error(seeds)
    reach, away = float(stats.t.ppf(1 - ALPHA / 2, freedom)), difference / error
    upper, lower = stats.nct.sf(reach, freedom, away), stats.nct.cdf(-reach, freedom, away)
    return float(np.nan_to_num(upper, nan=1.0) + np.nan_to_num(lower))  # NaN far out, where nothing is missed


def smallest(spread: Spread, seeds: int) -> float:
    """The true difference that so many paired seeds find in 8 of 10 cases."""
    error, _ = spread.error(seeds)
    return float(brentq(lambda difference: power(difference, spread, seeds) - OFTEN, 0.0, 20 * error))


def power_text(spread: Spread, seeds: int, told: str) -> str:
    """``5 paired seeds find a difference of 0.021 in macro AUROC in 8 of 10 cases (...)``."""
    found = smallest(spread, seeds)
    return (
        f"{seeds} paired seeds find a true difference of {found:.3f} in macro AUROC between two methods in 8 of 10 "
        f"cases, and smaller ones less often ({told})"
    )


def planned(seeds: int, seed_sd: float = SEED_SD, patient_sd: float = PATIENT_SD) -> str:
    """What the paired seeds of runs that are still to be paid for would find, by variance components as stated.

    Args:
        seeds: paired; fewer than a claim needs are said, with what as many as it needs would find.
        seed_sd: standard deviation of macro AUROC between runs of one method.
        patient_sd: standard deviation of paired differences over resamples of patients.
    """
    told = f"one test at 5 %; SD {seed_sd:g} between runs, SD {patient_sd:g} over patients, as stated"
    if not (seed_sd or patient_sd):
        return ""
    found = power_text(Spread(2**0.5 * seed_sd, patient_sd), max(seeds, SEEDS), told)
    few = few_seeds(seeds)
    return f"{few}, so no difference of methods will be claimed; {found}" if few else found


def of_pair(low: float | None, high: float | None, seed_sd: float = SEED_SD, seeds: int = SEEDS) -> str:
    """What paired seeds would find, where one run of each method was compared: patients by these data, seeds as stated.

    Args:
        low: 2.5 % of the resamples of the difference in macro AUROC.
        high: 97.5 %.
        seed_sd: standard deviation between runs of one method.
        seeds: paired.
    """
    if low is None or high is None:
        return ""
    patients = (high - low) / (2 * float(stats.norm.ppf(0.975)))
    told = f"patients: SD {patients:.4f} by these data; seeds: SD {seed_sd:g} between runs, as stated"
    return power_text(Spread(2**0.5 * seed_sd, patients), seeds, told)
