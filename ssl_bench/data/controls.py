"""Controls in the place of real EHR: same shape, same parameters, same gaps, without what the values say.

``shuffled``: the rows of other patients, fixed for the run. ``constant``: the typical row for everybody. ``noise``:
values drawn anew at every step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssl_bench.plugin.features import Encoded, FeatureSchema, column_slices
from ssl_bench.seeds import derive


def controlled(
    encoded: Encoded,
    patients: npt.NDArray[np.str_],
    schema: FeatureSchema,
    kind: str,
    seed: int,
    *,
    splits: npt.NDArray[np.str_] | None = None,
) -> Encoded:
    """EHR rows with a control in the place of the real ones.

    Args:
        encoded: real rows.
        patients: ``(N,)`` patient of each row.
        schema: of the rows.
        kind: ``none``, ``shuffled``, ``constant``, or ``noise``, whose values every step draws for itself.
        seed: of the run.
        splits: ``(N,)`` split of each row, within which rows are shuffled; None: all are of one.
    """
    if kind == "shuffled":
        donors = np.arange(len(patients))
        where = np.zeros(len(patients)) if splits is None else splits
        for split in np.unique(where):
            rows = np.flatnonzero(where == split)
            donors[rows] = rows[other_patients(patients[rows], seed)]
        return Encoded(encoded.values[donors], encoded.present[donors])
    if kind == "constant":
        return Encoded(typical_row(encoded, schema) * encoded.present, encoded.present)
    return encoded


def other_patients(patients: npt.NDArray[np.str_], seed: int) -> npt.NDArray[np.int64]:
    """A permutation of rows ``(N,)`` by which every row comes from another patient.

    Rows are lined up patient by patient, patients in random order, and the line is turned by half its length. So rows
    stay whole, each is used once, and images of one patient mostly get rows of one other patient: what the rows tell
    of who belongs together is kept, what they tell of the patient is gone. Only a patient with more than half of the
    images would meet own rows.
    """
    rng = np.random.default_rng(derive(seed, "ehr shuffle"))
    names, number = np.unique(patients, return_inverse=True)
    line = np.argsort(rng.permutation(len(names))[number], kind="stable")
    donors = np.empty(len(line), np.int64)
    donors[line] = np.roll(line, len(line) // 2)
    return donors


def typical_row(encoded: Encoded, schema: FeatureSchema) -> npt.NDArray[np.float32]:
    """The mean of a number, and the most frequent value of a one-hot feature, over the rows that have it: ``(F,)``."""
    counts = encoded.present.sum(axis=0).clip(min=1)
    mean: npt.NDArray[np.float32] = (encoded.values.sum(axis=0) / counts).astype(np.float32)
    for place in column_slices(schema).values():
        if place.stop - place.start > 1:
            mean[place] = np.eye(place.stop - place.start, dtype=np.float32)[mean[place].argmax()]
    return mean


def random_rows(schema: FeatureSchema, rows: int, stream: torch.Generator) -> Tensor:
    """Rows ``(N, F)`` that mean nothing and look like rows: a number evenly from 0 to 1, a random one-hot value."""
    parts = []
    for feature, place in column_slices(schema).items():
        width = place.stop - place.start
        if schema.number(feature):
            parts.append(torch.rand(rows, 1, generator=stream))
        else:
            parts.append(torch.eye(width)[torch.randint(width, (rows,), generator=stream)])
    return torch.cat(parts, dim=1)
