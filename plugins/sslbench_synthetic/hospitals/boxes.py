"""Boxes around findings of a virtual film: about the place where the drawing puts their sign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslbench_synthetic.cohort.population import LEFT, RIGHT

PLACES = {"Cardiomegaly": (0.36, 0.45, 0.74, 0.78), "Pleural effusion": (0.12, 0.62, 0.42, 0.86)}
"""Shares of width and height: left, top, right, bottom, of a finding on the patient's right."""

USUAL = (0.16, 0.25, 0.44, 0.68)
DRAWN = {"Pleural effusion": "Effusion", "Pleural Effusion": "Effusion", "Nodule/Mass": "Nodule"}


def box_of(finding: str, film: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom in px, on the side of the patient that shows it.

    Args:
        finding: a name of VinDr's or ours.
        film: a row of ``draw_films``.
    """
    left, top, right, bottom = PLACES.get(finding, USUAL)
    side = film.get(f"{DRAWN.get(finding, finding)}:side", RIGHT)
    if side == LEFT and finding not in ("Cardiomegaly",):
        left, right = 1 - right, 1 - left
    width, height = film["width"], film["height"]
    return round(left * width, 1), round(top * height, 1), round(right * width, 1), round(bottom * height, 1)
