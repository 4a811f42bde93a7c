"""Probabilities that rank as the logits do from which they come. No torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.float64]


def probabilities(logits: npt.NDArray[Any]) -> Floats:
    """Sigmoid of logits (..., N, L) in float64, kept apart along N wherever two logits differ.

    A float32 sigmoid is 1 from a logit of 17 on, and one in float64 from 37 on: images that a head ranks apart would be
    tied. Where that happens a probability moves by the least step that keeps the order, about 1e-16 an image.
    """
    values = np.asarray(logits, np.float64)
    found = np.asarray(expit(values))
    columns = values.reshape(-1, *values.shape[-2:])
    into = found.reshape(columns.shape)
    for table, result in zip(columns, into, strict=True):
        for column in range(table.shape[1]):
            _keep_order(table[:, column], result[:, column])
    return into.reshape(values.shape)


def _keep_order(logits: Floats, result: Floats) -> None:
    order = np.argsort(logits, kind="stable")
    apart = np.diff(logits[order]) > 0
    if (np.diff(result[order])[apart] > 0).all():
        return
    for place in range(len(order) - 2, -1, -1):  # from above: none may reach the next higher one
        if apart[place] and result[order[place]] >= result[order[place + 1]]:
            result[order[place]] = np.nextafter(result[order[place + 1]], 0.0)
        elif not apart[place]:
            result[order[place]] = result[order[place + 1]]
    for place in range(1, len(order)):  # from below, where a probability is 0
        if apart[place - 1] and result[order[place]] <= result[order[place - 1]]:
            result[order[place]] = np.nextafter(result[order[place - 1]], 1.0)
        elif not apart[place - 1]:
            result[order[place]] = result[order[place - 1]]
