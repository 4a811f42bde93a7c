"""Datasets that hold the same images under other names: which may not be tested on one another. No torch."""

from __future__ import annotations

SAME_IMAGES = (("rsna-pneumonia", "siim-acr", "google-nih", "nih14-experts", "nih14"), ("chexpert-plus", "chexpert"))
"""Families; the last name is that of the dataset that the others took their images from."""

SAME_PATIENTS = ("nih14", "nih14-experts")
"""Of these the names of patients agree, so that leakage can be told by patient."""


def family(name: str) -> str:
    """One name for all datasets that hold the same images."""
    lowered = name.lower()
    return next((names[-1] for names in SAME_IMAGES if lowered in names), lowered)


def comparable(one: str, other: str) -> bool:
    """Whether the patients of two datasets of a family have the same names in both."""
    return one == other or {one, other} <= set(SAME_PATIENTS)
