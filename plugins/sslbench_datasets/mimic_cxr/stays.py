"""Which stays hold a point in time: counted for all images at once, never by a loop over rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.float64]
"""Seconds, or days, since 1970; NaN where unknown. Whole numbers, so that they are exact."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Stays:
    """Closed intervals of some patients.

    Args:
        patients: ``(S,)`` int64, number of the patient.
        begins: ``(S,)`` first second (or day) of each stay.
        ends: ``(S,)`` last second (or day); not before ``begins``.
    """

    patients: npt.NDArray[np.int64]
    begins: Times
    ends: Times

    def of(self, chosen: Mask) -> Stays:
        """Some of the stays."""
        return Stays(self.patients[chosen], self.begins[chosen], self.ends[chosen])


def usable(begins: Times, ends: Times) -> Mask:
    """Stays that can hold anything: both ends known, the last not before the first."""
    return np.asarray(begins <= ends)  # False beside a NaN


def count_holding(stays: Stays, patients: npt.NDArray[np.int64], times: Times) -> npt.NDArray[np.int64]:
    """How many stays of the image's patient hold its time, both ends included; 0 where the time is unknown.

    Stays that begin at the time or before, less those that end before it. Patients are laid out one after the other on
    one line, on which the stays of those before have both begun and ended, so two binary searches answer for all.

    Args:
        stays: usable ones, in any order; they may overlap.
        patients: ``(N,)`` patient of each image.
        times: ``(N,)`` of each image, in the unit of the stays.
    """
    held = np.zeros(len(times), np.int64)
    known = np.isfinite(times)
    if not len(stays.patients) or not known.any():
        return held
    least = min(stays.begins.min(), times[known].min())
    span = int(max(stays.ends.max(), times[known].max()) - least) + 1

    def place(of: npt.NDArray[np.int64], at: Times) -> npt.NDArray[np.int64]:
        return np.asarray(of * span + (at - least).astype(np.int64))

    asked = place(patients[known], times[known])
    begun = np.searchsorted(np.sort(place(stays.patients, stays.begins)), asked, side="right")
    ended = np.searchsorted(np.sort(place(stays.patients, stays.ends)), asked, side="left")
    held[known] = begun - ended
    return held
