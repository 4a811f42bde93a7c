"""Exact, fast bootstrap of AUROC and AUPRC over patients.

Scores are sorted once per label. A resample is then a column of integer weights, how often each patient was drawn, and
both metrics are running sums of those weights down the sorted list. Ties count as in scikit-learn: half a pair in the
AUROC, one threshold per distinct score in the average precision (AUPRC).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from ssl_bench.errors import DataError, shortened

Floats: TypeAlias = npt.NDArray[np.float64]
Array: TypeAlias = npt.NDArray[Any]

BLOCK = 128
"""Thresholds handled at a time, so that their weights stay in the processor's cache."""
SPAN = 16 * BLOCK
"""Thresholds whose weights are summed at a time; cutting a sparse matrix costs as much as some hundred of them."""
MOST = 512
"""Resamples handled at a time, where memory allows; running sums over fewer take twice the time."""
BUDGET = 512 * 2**20
"""Bytes that the weights of a chunk of resamples may take."""
KEPT = 2**25
"""Weights of resamples that are kept for the next encoder on the same patients, at most."""


def bootstrap(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    patients: Sequence[object] | Array | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """AUROC and AUPRC of every label on resamples of patients, all images of a drawn patient together.

    The resamples follow from the seed and the set of patients alone, whatever the labels, scores and order of rows: two
    encoders scored on the same patients are compared on the same resamples. Fewer replicates are the first of more.

    Args:
        labels: (N, L) 1, 0, or NaN where unknown; an unknown image is left out of that label alone.
        scores: (N, L) any increasing function of the probability; finite wherever the label is known.
        patients: (N,) patient of each image; without it every image is a patient of its own.
        replicates: R, the number of resamples.
        seed: of the resamples.

    Returns:
        AUROC (R, L) and AUPRC (R, L); NaN where a resample holds one class of the label alone.

    Raises:
        DataError: shapes that do not fit, labels other than 0 and 1, scores that are not finite.
    """
    labels, scores = checked(labels, scores)
    patient, sizes = patient_rows(patients, len(labels))
    rankings = [Ranking.of(labels[:, k], scores[:, k], patient, len(sizes)) for k in range(labels.shape[1])]
    auroc = np.full((replicates, len(rankings)), np.nan)
    auprc = np.full_like(auroc, np.nan)
    for chunk, weights in resamples(sizes, replicates, seed):
        for k, ranking in enumerate(rankings):
            if ranking is not None:
                auroc[chunk, k], auprc[chunk, k] = ranking.metrics(weights)
    return auroc, auprc


def point(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Floats, Floats]:
    """AUROC (L,) and AUPRC (L,) of every label on the images as they are; NaN where a label holds one class alone.

    Args:
        labels: (N, L) 1, 0, or NaN where unknown.
        scores: (N, L) finite wherever the label is known.

    Raises:
        DataError: as ``bootstrap``.
    """
    labels, scores = checked(labels, scores)
    values = np.array([_point(labels[:, k], scores[:, k]) for k in range(labels.shape[1])]).reshape(-1, 2)
    return values[:, 0], values[:, 1]


def _point(labels: Floats, scores: Array) -> tuple[float, float]:
    """AUROC and AUPRC of one label (N,), NaN where it holds one class alone: sums down the sorted list."""
    order = _falling(labels, scores)
    positive, last = labels[order] == 1, _last_of_ties(scores[order])
    if positive.all() or not positive.any():
        return np.nan, np.nan
    true, seen = np.cumsum(positive)[last].astype(np.float64), last + 1.0  # at each distinct score
    gain, size = np.diff(true, prepend=0.0), np.diff(seen, prepend=0.0)
    pairs = true[-1] * (seen[-1] - true[-1])
    wrong = gain @ (seen - true) - 0.5 * (gain @ (size - gain))  # pairs whose negative image is ahead, ties by half
    return float((pairs - wrong) / pairs), float(gain @ (true / seen) / true[-1])


def _falling(labels: Floats, scores: Array) -> npt.NDArray[np.intp]:
    """Images (N,) with a known label by falling score."""
    known = np.flatnonzero(~np.isnan(labels))
    return known[np.argsort(-scores[known], kind="stable")]


def _last_of_ties(falling: Array) -> npt.NDArray[np.intp]:
    """The last place of each distinct score in a sorted list."""
    return np.flatnonzero(np.append(np.diff(falling) != 0, True))


def checked(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Floats, Array]:
    """Labels (N, L) as float64 and scores (N, L), or a DataError that names the rows at fault."""
    labels, scores = np.asarray(labels, np.float64), np.asarray(scores)
    if labels.ndim != 2 or labels.shape != scores.shape or not len(labels):
        raise DataError(
            "expected labels and scores of one shape (images, labels) with at least one image, "
            f"found {labels.shape} and {scores.shape}"
        )
    _refuse("labels other than 0, 1 or unknown", ~np.isnan(labels) & (labels != 0) & (labels != 1), labels)
    _refuse("scores that are not finite", ~np.isnan(labels) & ~np.isfinite(scores), scores)
    return labels, scores if scores.dtype.kind == "f" else scores.astype(np.float64)


def _refuse(what: str, bad: npt.NDArray[np.bool_], values: Array) -> None:
    places = np.argwhere(bad)
    if len(places):
        found = shortened([f"row {row} label {label} ({values[row, label]})" for row, label in places.tolist()])
        raise DataError(f"found {what}: {found}; correct these rows or mark the label as unknown there")


def patient_rows(
    patients: Sequence[object] | Array | None, images: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The patient's number, 0 to P - 1 in the order of the ids, of each image (N,), and images per patient (P,).

    Raises:
        DataError: another number of ids than of images, or an image without an id.
    """
    if patients is None:
        return np.arange(images), np.ones(images, np.intp)
    ids = np.asarray(patients)
    if ids.shape != (images,):
        raise DataError(f"expected one patient id for each of the {images} images, found an array of {ids.shape}")
    missing = np.flatnonzero(pd.isna(ids))
    if len(missing):
        raise DataError(f"expected a patient id for every image, found none in rows {shortened(missing.tolist())}")
    _, number, sizes = np.unique(
        ids.astype(str) if ids.dtype == object else ids, return_inverse=True, return_counts=True
    )
    return number, sizes


def _counter(total: int) -> type[np.integer[Any]]:
    """The narrowest integer type in which weights up to a total are summed fast without overflow."""
    return np.uint16 if total < 2**16 else np.int32 if total < 2**31 else np.int64


def resamples(sizes: npt.NDArray[np.intp], replicates: int, seed: int) -> Iterable[tuple[slice, Array]]:
    """Chunks of resamples: which ones, and how often each patient was drawn in each, (P, C).

    Encoders that are compared share their resamples: those of the last test set are kept, where they are small.
    """
    if replicates * len(sizes) > KEPT:
        return _draw(sizes, replicates, seed)
    return _kept(sizes.tobytes(), replicates, seed)


@lru_cache(maxsize=1)
def _kept(sizes: bytes, replicates: int, seed: int) -> tuple[tuple[slice, Array], ...]:
    drawn = tuple(_draw(np.frombuffer(sizes, np.intp), replicates, seed))
    for _, weights in drawn:
        weights.flags.writeable = False  # of all encoders that follow
    return drawn


def _draw(sizes: npt.NDArray[np.intp], replicates: int, seed: int) -> Iterator[tuple[slice, Array]]:
    rng, drawn = np.random.default_rng(seed), len(sizes)
    step = max(1, min(MOST, BUDGET // (4 * drawn)))
    for start in range(0, replicates, step):
        chunk = slice(start, min(start + step, replicates))
        times, most = np.empty((chunk.stop - start, drawn), np.uint16), 0
        for row in times:
            counts = np.bincount(rng.integers(drawn, size=drawn), minlength=drawn)
            row[:], most = counts, max(most, int(counts @ sizes))
        yield chunk, times.T.astype(_counter(most), order="C")


@dataclass(frozen=True)
class Ranking:
    """One label's images by falling score, cut into runs that end with a score which some positive image has.

    Each entry of ``blocks`` holds three sparse sums over patients, a row for each of up to ``SPAN`` such scores:
    of the whole run, of the positive images with that score (where each has one: its patient), and of all images with
    that score (None: the same).
    """

    blocks: list[tuple[sparse.csr_array, sparse.csr_array | npt.NDArray[np.intp], sparse.csr_array | None]]
    rest: sparse.csr_array

    @classmethod
    def of(cls, labels: Floats, scores: Array, patient: npt.NDArray[np.intp], patients: int) -> Ranking | None:
        """Rank the images (N,) of one label; None where it holds one class alone."""
        order = _falling(labels, scores)
        positive, who = labels[order] == 1, patient[order]
        if positive.all() or not positive.any():
            return None
        last = _last_of_ties(scores[order])
        many = np.diff(np.append(0, np.cumsum(positive)[last]))  # positive images of each distinct score
        hit = np.flatnonzero(many)
        start, end, count = np.append(0, last + 1)[hit], last[hit] + 1, many[hit]
        whole = _sums(who, np.append(0, end), patients)
        ones = who[positive] if (count == 1).all() else _sums(who[positive], np.append(0, np.cumsum(count)), patients)
        mixed = None
        if (end - start > count).any():
            inside = np.repeat(many > 0, np.diff(np.append(0, last + 1)))
            mixed = _sums(who[inside], np.append(0, np.cumsum(end - start)), patients)
        cuts = [slice(i, i + SPAN) for i in range(0, len(hit), SPAN)]
        blocks = [(whole[c], ones[c], None if mixed is None else mixed[c]) for c in cuts] if len(cuts) > 1 else [
            (whole, ones, mixed)]  # fmt: skip
        return cls(blocks, _sums(who[end[-1] :], np.array([0, len(who) - end[-1]]), patients))

    def metrics(self, weights: Array) -> tuple[Floats, Floats]:
        """AUROC (C,) and AUPRC (C,) for how often each patient counts, (P, C) integers."""
        above = np.zeros(weights.shape[1], weights.dtype)  # images at or above the last score seen
        found = above.copy()  # ... the positive ones among them
        ahead, precision = np.zeros(len(above)), np.zeros(len(above))
        for hits, seen, ties in self._summed(weights):
            gain = hits.astype(np.float64)
            same = gain if ties is None else ties.astype(np.float64)
            seen, true = _running(seen, above), _running(hits, found)
            above, found = seen[-1], true[-1]
            level = np.maximum(seen, 1).astype(np.float64)  # 0 only where no positive was drawn yet: adds nothing
            ahead += np.einsum("bc,bc->c", gain, level) - 0.5 * np.einsum("bc,bc->c", gain, same)
            precision += np.einsum("bc,bc->c", gain, np.divide(true, level, out=level))
        positives = found.astype(np.float64)
        images = above.astype(np.float64) + (self.rest @ weights)[0]
        negatives = images - positives
        with np.errstate(invalid="ignore", divide="ignore"):
            auroc = (positives * images - ahead - 0.5 * positives**2) / (positives * negatives)
            auprc = np.where(negatives > 0, precision / positives, np.nan)
        return auroc, auprc

    def _summed(self, weights: Array) -> Iterator[tuple[Array, Array, Array | None]]:
        """Weights (B, C) of the positive images of each score, of its whole run, and of all images with that score."""
        for whole, ones, mixed in self.blocks:
            hits, seen = weights[ones] if isinstance(ones, np.ndarray) else ones @ weights, whole @ weights
            ties = None if mixed is None else mixed @ weights
            for start in range(0, len(hits), BLOCK):
                part = slice(start, start + BLOCK)
                yield hits[part], seen[part], None if ties is None else ties[part]


def _sums(who: npt.NDArray[np.intp], cuts: npt.NDArray[np.intp], patients: int) -> sparse.csr_array:
    """Sparse (len(cuts) - 1, P): row i sums the weights of the patients ``who[cuts[i]:cuts[i + 1]]``."""
    ones = np.ones(len(who), np.uint8)
    return sparse.csr_array((ones, who.astype(np.int32), cuts.astype(np.int32)), shape=(len(cuts) - 1, patients))


def _running(values: Array, start: Array) -> Array:
    """Running sum (B, C) of values down the rows, in place; numpy's cumsum over rows is several times slower."""
    values[0] += start
    for before, row in pairwise(values):
        row += before
    return values
