"""Linear probes: logistic regression of all labels at all regularisation strengths, fitted together.

Each label and strength minimises what scikit-learn's ``LogisticRegression(C=strength)`` does, over the known images::

    C * sum(log loss) + |w|^2 / 2        the bias is not penalised

by L-BFGS (Nocedal & Wright, Numerical Optimization, 2006, algorithm 7.4) with a matrix product for all of them at once.
Its first guess at each inverse Hessian is diagonal in the eigenbasis of the features' covariance, which all share, and
follows the current mean of p (1 - p); so it takes tens of steps where plain L-BFGS takes hundreds.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ssl_bench.errors import DataError, shortened
from ssl_bench.evaluate.streamed import Standardised, is_large

TOLERANCE = 1e-7
"""A head is done when its estimated distance from the optimum is this share of its objective."""
STEPS = 500
MEMORY = 8
"""Pairs of steps and gradients that L-BFGS remembers."""
TRIES = 10
"""Lengths that a step may try."""
LONGER = 4.0
"""How much longer a step is made at a time, at most."""
TINY = 1e-30
BUDGET = 2**26
"""Numbers in a matrix of heads by images; more heads are fitted in turns."""


def standardiser(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and standard deviation (D,) of training features (N, D); a constant feature's deviation is 1."""
    deviation = features.std(dim=0, correction=0)
    return features.mean(dim=0), torch.where(deviation > 0, deviation, 1.0)


def fit_logistic(features: Tensor, labels: Tensor, strengths: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Fit all labels at all strengths, on the device and in the float type of the features (at least float32).

    Args:
        features: (N, D), standardised by the caller (``standardiser``): the penalty depends on their scale.
        labels: (N, L) 1, 0, or NaN where unknown; an unknown image is left out of that label alone.
        strengths: S values of scikit-learn's C, the inverse of the penalty.

    Returns:
        Weights (S, L, D) and bias (S, L); zeros for a label with one class alone.

    Raises:
        DataError: features that are not finite, labels other than 0 and 1, strengths that are not positive.
    """
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    labels = labels.to(features)
    _check(features, labels, strengths)
    mean = features.mean(dim=0)
    basis, spectrum = _eigenbasis((features - mean).T @ (features - mean), len(features))
    design = torch.cat([(features - mean) @ basis, torch.ones_like(features[:, :1])], dim=1)  # (N, D + 1)
    return _fit_all(Whole(design), labels, strengths, mean, basis, spectrum)


def fit_rows(features: Standardised, labels: Tensor, strengths: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The same for features as a matrix or, where that would be large, in blocks."""
    if is_large(features.table):
        return fit_streamed(features, labels, strengths)
    return fit_logistic(features.whole(), labels, strengths)


def fit_streamed(features: Standardised, labels: Tensor, strengths: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The same for features that come in blocks: memory grows with the heads of a turn, not with the features.

    Args:
        features: (N, D) in blocks.
        labels: (N, L) on their device.
        strengths: S values of scikit-learn's C.

    Returns:
        Weights (S, L, D) and bias (S, L).

    Raises:
        DataError: as :func:`fit_logistic`.
    """
    for rows, block in features.blocks():
        labels = labels.to(block)
        _check(block, labels[rows], strengths, first=rows.start)
    mean = sum((block.sum(dim=0) for _, block in features.blocks()), labels.new_zeros(())) / len(features)
    squares = sum(((block - mean).T @ (block - mean) for _, block in features.blocks()), labels.new_zeros(()))
    basis, spectrum = _eigenbasis(squares, len(features))
    return _fit_all(Streamed(features, mean, basis), labels, strengths, mean, basis, spectrum)


class Design(Protocol):
    """Features in the eigenbasis of their covariance, with a last column of ones: (N, D + 1)."""

    def across(self, heads: Tensor) -> Tensor:
        """Logits (A, N) of heads (A, D + 1)."""

    def gathered(self, residual: Tensor) -> Tensor:
        """Sums (A, D + 1) of the rows, weighted by residuals (A, N)."""


@dataclass(frozen=True)
class Whole:
    """A design as one matrix (N, D + 1)."""

    rows: Tensor

    def across(self, heads: Tensor) -> Tensor:
        """Logits (A, N) of heads (A, D + 1)."""
        return heads @ self.rows.T

    def gathered(self, residual: Tensor) -> Tensor:
        """Sums (A, D + 1) of the rows, weighted by residuals (A, N)."""
        return residual @ self.rows


@dataclass(frozen=True)
class Streamed:
    """A design whose rows come in blocks; the heads are turned into the features' own axes, not the features."""

    features: Standardised
    mean: Tensor
    basis: Tensor

    def across(self, heads: Tensor) -> Tensor:
        """Logits (A, N) of heads (A, D + 1)."""
        turned, logits = heads[:, :-1] @ self.basis.T, heads.new_empty(len(heads), len(self.features))
        for rows, block in self.features.blocks():
            logits[:, rows] = turned @ (block - self.mean).T + heads[:, -1:]
        return logits

    def gathered(self, residual: Tensor) -> Tensor:
        """Sums (A, D + 1) of the rows, weighted by residuals (A, N)."""
        total = residual.new_zeros(len(residual), len(self.mean))
        for rows, block in self.features.blocks():
            total += residual[:, rows] @ (block - self.mean)
        return torch.cat([total @ self.basis, residual.sum(dim=1, keepdim=True)], dim=1)


def _fit_all(
    design: Design, labels: Tensor, strengths: Sequence[float], mean: Tensor, basis: Tensor, spectrum: Tensor
) -> tuple[Tensor, Tensor]:
    """Weights (S, L, D) and bias (S, L), in the features' own axes, as many heads at once as memory is meant for."""
    mixed = [k for k, column in enumerate(labels.T) if (column == 1).any() and (column == 0).any()]
    heads = [(s, k) for s in range(len(strengths)) for k in mixed]
    weights = labels.new_zeros(len(strengths), labels.shape[1], len(mean))
    bias = labels.new_zeros(len(strengths), labels.shape[1])
    turn = max(1, BUDGET // len(labels))
    for part in (heads[i : i + turn] for i in range(0, len(heads), turn)):
        row, column = (list(index) for index in zip(*part, strict=True))
        cost = labels.new_tensor([strengths[s] for s in row])[:, None]
        fitted = _fit(design, spectrum, labels.T[column], cost)  # (A, D + 1)
        weights[row, column] = fitted[:, :-1] @ basis.T
        bias[row, column] = fitted[:, -1] - weights[row, column] @ mean
    return weights, bias


def predict_logits(features: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """Logits (S, N, L) of features (N, D), standardised as for the fit, weights (S, L, D) and bias (S, L)."""
    return torch.einsum("nd,sld->snl", features.to(weights), weights) + bias[:, None]


def _check(features: Tensor, labels: Tensor, strengths: Sequence[float], first: int = 0) -> None:
    if features.ndim != 2 or labels.ndim != 2 or len(features) != len(labels):
        raise DataError(f"expected features (N, D) and labels (N, L), found {features.shape} and {labels.shape}")
    broken = ((~features.isfinite().all(dim=1)).nonzero()[:, 0] + first).tolist()
    if broken:
        raise DataError(f"expected finite features, found others in rows {shortened(broken)}; check the encoder")
    wrong = ((labels != 0) & (labels != 1) & ~labels.isnan()).any(dim=1)
    odd = (wrong.nonzero()[:, 0] + first).tolist()
    if odd:
        raise DataError(f"expected labels 0, 1 or NaN (unknown), found others in rows {shortened(odd)}; map them first")
    if not all(strength > 0 for strength in strengths):
        raise DataError(f"expected positive strengths, found {shortened(list(strengths))}")


def _eigenbasis(squares: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Eigenvectors (D, D) and eigenvalues (D + 1,) of the covariance, whose last value is the bias's.

    Args:
        squares: (D, D) products of the centred rows, summed.
        rows: their number.
    """
    values, vectors = torch.linalg.eigh(squares.double().cpu() / rows)
    return vectors.to(squares), torch.cat([values.clamp(min=0), torch.ones(1)]).to(squares)


def _fit(design: Design, spectrum: Tensor, labels: Tensor, cost: Tensor) -> Tensor:
    """Fitted heads (A, D + 1), bias last; design of N rows, spectrum (D + 1,), labels (A, N), cost (A, 1)."""
    result = spectrum.new_zeros(len(labels), len(spectrum))
    heads = _Heads.start(design, labels, cost, len(spectrum))
    for _ in range(STEPS):
        guess = heads.inverse_hessian(spectrum)
        distance = (heads.gradient**2 * guess).sum(dim=1) / 2  # half the squared Newton decrement, (A,)
        moving = distance > TOLERANCE * heads.objective()
        result[heads.place] = heads.weights
        if not moving.any():
            return result
        heads.keep(moving)
        heads.step(design, guess[moving])
    result[heads.place] = heads.weights
    warnings.warn(
        f"{len(heads.place)} of {len(result)} heads had not converged after {STEPS} steps and are taken as they are",
        stacklevel=3,
    )
    return result


@dataclass
class _Heads:
    """The A heads that still move: data and state of L-BFGS, one head per row.

    Attributes:
        place: (A,) row in the result.
        against: (A, N) -1 for a positive image, 1 for a negative one, 0 where unknown.
        cost: (A, 1) scikit-learn's C.
        penalty: (D + 1,) 1, and 0 for the bias.
        weights, gradient: (A, D + 1) in the eigenbasis.
        logits, residual: (A, N); the residual is p - y, 0 where unknown.
        past: pairs of step (A, D + 1) and change of gradient (A, D + 1), with 1 / their product (A, 1).
    """

    place: Tensor
    against: Tensor
    cost: Tensor
    penalty: Tensor
    weights: Tensor
    gradient: Tensor
    logits: Tensor
    residual: Tensor
    past: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    @classmethod
    def start(cls, design: Design, labels: Tensor, cost: Tensor, width: int) -> _Heads:
        """Heads that predict each label's share of positives."""
        against = (1 - 2 * labels).nan_to_num()
        penalty = cost.new_ones(width)
        penalty[-1] = 0
        weights = cost.new_zeros(len(labels), width)
        weights[:, -1] = labels.nanmean(dim=1).logit()
        logits = weights[:, -1:].repeat(1, labels.shape[1])
        residual = _residual(against, logits)
        place = torch.arange(len(labels), device=labels.device)
        return cls(place, against, cost, penalty, weights, cost * design.gathered(residual), logits, residual)

    def objective(self) -> Tensor:
        """C * sum(log loss) + |w|^2 / 2, (A,): the probability of the true class is 1 - |p - y|."""
        loss = -torch.log1p(-self.residual.abs().clamp(max=1 - 1e-7)).sum(dim=1)
        return self.cost[:, 0] * loss + (self.penalty * self.weights**2).sum(dim=1) / 2

    def inverse_hessian(self, spectrum: Tensor) -> Tensor:
        """Diagonal guess at it (A, D + 1), as if p (1 - p) did not depend on the image."""
        size = self.residual.abs()
        curvature = (size - size**2).sum(dim=1, keepdim=True)  # sum of p (1 - p)
        return 1 / (self.cost * curvature * spectrum + self.penalty).clamp(min=TINY)

    def keep(self, moving: Tensor) -> None:
        """Drop the heads that are done."""
        if not moving.all():
            for name in ("place", "against", "cost", "weights", "gradient", "logits", "residual"):
                setattr(self, name, getattr(self, name)[moving])
            self.past = [(step[moving], change[moving], inverse[moving]) for step, change, inverse in self.past]

    def step(self, design: Design, guess: Tensor) -> None:
        """Move every head along its own direction, each as far as suits it; guess (A, D + 1) of the inverse Hessian."""
        direction = self.direction(guess)
        far, self.logits, self.residual = self.search(direction, design.across(direction))
        step = far * direction
        self.weights = self.weights + step
        gradient = self.cost * design.gathered(self.residual) + self.penalty * self.weights
        change = gradient - self.gradient
        product = _dot(step, change)
        inverse = torch.where(product > 0, 1 / product, 0.0)  # a pair without curvature is passed over
        self.past = [*self.past, (step, change, inverse)][-MEMORY:]
        self.gradient = gradient

    def direction(self, guess: Tensor) -> Tensor:
        """The direction of L-BFGS (A, D + 1), by its two loops around the guess, which the last pair rescales."""
        if self.past:
            _, change, inverse = self.past[-1]
            known = inverse > 0
            guess = guess * torch.where(known, 1 / (inverse * _dot(change, guess * change)).clamp(min=TINY), 1.0)
        towards, shares = -self.gradient, []
        for step, change, inverse in reversed(self.past):
            shares.append(inverse * _dot(step, towards))
            towards = towards - shares[-1] * change
        towards = towards * guess
        for (step, change, inverse), share in zip(self.past, reversed(shares), strict=True):
            towards = towards + step * (share - inverse * _dot(change, towards))
        return towards

    def search(self, direction: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How far to go (A, 1), logits and residual (A, N) there, for what a full step adds to the logits (A, N).

        The objective is convex, so where the slope is still or again steep the secant gives a better length. Slopes
        keep their digits in float32 where differences of objectives do not.
        """
        start = _dot(self.gradient, direction)
        pull, bend = _dot(self.penalty * self.weights, direction), _dot(self.penalty * direction, direction)
        following = torch.ones_like(start)
        for _ in range(TRIES):
            far = following
            there = self.logits + far * logits
            residual = _residual(self.against, there)
            slope = self.cost * _dot(residual, logits) + pull + far * bend
            steep = (slope > -start / 2) | (slope < 0.9 * start)
            if not steep.any():
                break
            secant = torch.where(slope > start, start / (start - slope), LONGER).clamp(max=LONGER)
            following = torch.where(steep, far * secant, far)
        return far, there, residual


def _residual(against: Tensor, logits: Tensor) -> Tensor:
    """Probability minus label (A, N), to full precision near 0 too; 0 where unknown."""
    return (against * logits).sigmoid_().mul_(against)


def _dot(first: Tensor, second: Tensor) -> Tensor:
    """Row by row (A, 1)."""
    return (first * second).sum(dim=1, keepdim=True)
