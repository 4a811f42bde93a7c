"""Localisation: where in the image the frozen patch tokens see a finding, against boxes that radiologists drew.

A logistic regression tells a finding from one patch token. Where at least :data:`FEW` training images have a box of it,
it is fitted on their patches (inside or outside a box). Elsewhere no box is learnt from: it is fitted on the mean token
of each training image with the image's label, and then read patch by patch, as a class activation map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from ssl_bench.plugin.boxes import Box
from ssl_bench.plugin.contracts import EvalContext, MetricValue, Split
from ssl_bench.plugin.vocabulary import common_name
from ssl_bench.seeds import derive
from sslbench_evaluators.options import LocaliseOptions

Array = npt.NDArray[Any]

METRICS = ("pointing", "box_iou", "box_dice", "patch_auroc")
FEW = 20
BATCH = 64


class Localise:
    """Pointing game, IoU and Dice of the patches above a quantile, AUROC of patches; intervals over patients."""

    def __init__(self, options: LocaliseOptions) -> None:
        self.options = options

    def evaluate(self, context: EvalContext) -> Iterator[MetricValue]:
        """Four numbers for every finding that has boxes in the test split, and their mean over findings."""
        test, train = context.splits["test"], context.splits["train"]
        boxed = sorted({box.finding for box in test.boxes}, key=str)
        columns = {common_name(label): number for number, label in enumerate(context.labels)}
        named = [(finding, columns[common_name(finding)]) for finding in boxed if common_name(finding) in columns]
        if context.images is None or not named:
            yield MetricValue("test", "boxes", "pointing", None, "no boxes of these findings in the test split")
            return
        reader = Tokens(context)
        if not reader.side:
            yield MetricValue("test", "boxes", "pointing", None, "the encoder gives no square grid of patch tokens")
            return
        means = reader.means(_spread(train, self.options.images, context.seed), train)
        for finding, column in named:
            fit = self._fit(reader, train, means, column, finding)
            if fit is None:
                yield MetricValue(
                    "test", context.labels[column], "pointing", None, "one class alone in the training images"
                )
                continue
            yield from self._measure(reader, test, fit, finding, context)

    def _fit(self, reader: Tokens, train: Split, means: Means, column: int, finding: str) -> Fit | None:
        boxed = masks_of(train, finding, reader.side)
        if len(boxed) >= FEW:
            rows = list(boxed)[: self.options.images]
            tokens = np.concatenate([reader.tokens(train, [row])[0] for row in rows])
            truth = np.concatenate([boxed[row] for row in rows])
            told = f"patches of {len(rows)} training images with boxes"
        else:
            labels = train.labels[means.rows, column]
            known = ~np.isnan(labels)
            tokens, truth = means.values[known], labels[known]
            told = f"labels of {len(truth)} training images, no box"
        if len(set(truth.tolist())) < 2:
            return None
        centre, scale = tokens.mean(0), tokens.std(0) + 1e-6
        model = LogisticRegression(C=self.options.strength, class_weight="balanced", max_iter=500)
        model.fit((tokens - centre) / scale, truth)
        return Fit(model.coef_[0] / scale, told)

    def _measure(
        self, reader: Tokens, test: Split, fit: Fit, finding: str, context: EvalContext
    ) -> Iterator[MetricValue]:
        boxed = masks_of(test, finding, reader.side)
        numbers = []
        for row, inside in boxed.items():
            scores = reader.tokens(test, [row])[0] @ fit.weights
            numbers.append(of_image(scores, inside, self.options.area))
        patients = test.patient_ids[list(boxed)]
        note = f"{len(boxed)} images of {len(set(patients))} patients with a box; {fit.told}"
        label = next(name for name in context.labels if common_name(name) == common_name(finding))
        yield from intervals(np.array(numbers), patients, label, note, context.seed, self.options.replicates)


class Fit(NamedTuple):
    """Weights (D,) of a token, and what they were fitted on."""

    weights: Array
    told: str


class Means(NamedTuple):
    """Mean tokens (n, D) of some images of a split, by their place in it."""

    rows: Array
    values: Array


class Tokens:
    """Patch tokens of images; ``side`` is that of their square grid, 0 where there is none."""

    def __init__(self, context: EvalContext) -> None:
        self.context = context
        count = self.tokens(context.splits["test"], [0]).shape[1]
        side = round(count**0.5)
        self.side = side if side > 1 and side * side == count else 0

    def tokens(self, split: Split, rows: list[int]) -> Array:
        """Tokens (n, N, D) of images of a split by their place in it."""
        assert self.context.images is not None
        with torch.no_grad():
            encoding = self.context.encoder(self.context.images(split.rows[rows]))
        return encoding.tokens.float().cpu().numpy()

    def means(self, rows: Array, split: Split) -> Means:
        """Mean tokens of images, some at a time."""
        parts = [
            self.tokens(split, rows[start : start + BATCH].tolist()).mean(1) for start in range(0, len(rows), BATCH)
        ]
        return Means(rows, np.concatenate(parts))


def _spread(split: Split, most: int, seed: int) -> Array:
    """At most so many images of a split, drawn without replacement."""
    rng = np.random.default_rng(derive(seed, "localise sample"))
    return np.sort(rng.permutation(len(split.rows))[:most])


def masks_of(split: Split, finding: str, side: int) -> Mapping[int, Array]:
    """By place of an image in the split, which patches (side * side,) have their centre in a box of the finding.

    A box that holds no centre holds the patch that its own centre lies in; so does a mask, by its largest part.
    """
    centres = (np.arange(side) + 0.5) / side
    found: dict[int, Array] = {}
    for box in split.boxes:
        if common_name(box.finding) != common_name(finding):
            continue
        across = (centres >= box.left) & (centres <= box.right)
        down = (centres >= box.top) & (centres <= box.bottom)
        if not box.part:
            across[min(side - 1, int((box.left + box.right) / 2 * side))] = True
            down[min(side - 1, int((box.top + box.bottom) / 2 * side))] = True
        mask = (down[:, None] & across[None, :]).ravel()
        found[box.image] = found.get(box.image, np.zeros(side * side, bool)) | mask
    empty = {image for image, mask in found.items() if not mask.any()}
    return found | {image: _of_largest(split.boxes, image, finding, side) for image in empty}


def _of_largest(boxes: Sequence[Box], image: int, finding: str, side: int) -> Array:
    """The patch (side * side,) that the centre of the largest part of a mask lies in."""
    parts = [box for box in boxes if box.image == image and common_name(box.finding) == common_name(finding)]
    largest = max(parts, key=lambda box: (box.right - box.left) * (box.bottom - box.top))
    row, column = (min(side - 1, int(middle * side)) for middle in
                   ((largest.top + largest.bottom) / 2, (largest.left + largest.right) / 2))  # fmt: skip
    mask: Array = np.arange(side * side) == row * side + column
    return mask


def of_image(scores: Array, inside: Array, area: float) -> tuple[float, float, float, float]:
    """Pointing, IoU, Dice and patch AUROC of one image from the scores (N,) and the mask (N,) of its patches.

    Args:
        scores: of the patches.
        inside: those in a box.
        area: share of the patches that are taken for the finding, the highest ones.
    """
    taken = np.zeros(len(scores), bool)
    taken[np.argsort(-scores, kind="stable")[: max(1, round(area * len(scores)))]] = True
    both, either = (taken & inside).sum(), (taken | inside).sum()
    auroc = roc_auc_score(inside, scores) if 0 < inside.sum() < len(inside) else np.nan
    return float(inside[np.argmax(scores)]), both / either, 2 * both / (taken.sum() + inside.sum()), float(auroc)


def intervals(
    numbers: Array, patients: Array, label: str, note: str, seed: int, replicates: int
) -> Iterator[MetricValue]:
    """Means over images with percentile intervals from resamples of patients."""
    names, place = np.unique(patients, return_inverse=True)
    rng = np.random.default_rng(derive(seed, "localise resamples", label))
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=replicates)
    for column, metric in enumerate(METRICS):
        known = ~np.isnan(numbers[:, column])
        values, weights = numbers[known, column], drawn[:, place[known]]
        if not known.any():
            yield MetricValue("test", label, metric, None, note)
            continue
        total = weights.sum(1)
        means = (weights @ values)[total > 0] / total[total > 0]
        few = len(names) < 2 or len(set(values.tolist())) < 2
        low, high = (None, None) if few else (float(end) for end in np.quantile(means, (0.025, 0.975)))
        told = f"{note}; one patient or one value alone, so no interval" if few else note
        yield MetricValue("test", label, metric, float(values.mean()), told, low, high, low, high)
