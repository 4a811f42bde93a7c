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

import torch
from torch import Tensor

from ssl_bench.errors import DataError, shortened

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
    basis, spectrum = _eigenbasis(features - mean)
    design = torch.cat([(features - mean) @ basis, torch.ones_like(features[:, :1])], dim=1)  # (N, D + 1)
    mixed = [k for k, column in enumerate(labels.T) if (column == 1).any() and (column == 0).any()]
    heads = [(s, k) for s in range(len(strengths)) for k in mixed]
    weights = features.new_zeros(len(strengths), labels.shape[1], features.shape[1])
    bias = features.new_zeros(len(strengths), labels.shape[1])
    turn = max(1, BUDGET // len(features))
    for part in (heads[i : i + turn] for i in range(0, len(heads), turn)):
        row, column = (list(index) for index in zip(*part, strict=True))
        cost = features.new_tensor([strengths[s] for s in row])[:, None]
        fitted = _fit(design, spectrum, labels.T[column], cost)  # (A, D + 1)
        weights[row, column] = fitted[:, :-1] @ basis.T
        bias[row, column] = fitted[:, -1] - weights[row, column] @ mean
    return weights, bias


def predict_logits(features: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """Logits (S, N, L) of features (N, D), standardised as for the fit, weights (S, L, D) and bias (S, L)."""
    return torch.einsum("nd,sld->snl", features.to(weights), weights) + bias[:, None]


def _check(features: Tensor, labels: Tensor, strengths: Sequence[float]) -> None:
    if features.ndim != 2 or labels.ndim != 2 or len(features) != len(labels):
        raise DataError(f"expected features (N, D) and labels (N, L), found {features.shape} and {labels.shape}")
    broken = (~features.isfinite().all(dim=1)).nonzero()[:, 0].tolist()
    if broken:
        raise DataError(f"expected finite features, found others in rows {shortened(broken)}; check the encoder")
    odd = ((labels != 0) & (labels != 1) & ~labels.isnan()).any(dim=1).nonzero()[:, 0].tolist()
    if odd:
        raise DataError(f"expected labels 0, 1 or NaN (unknown), found others in rows {shortened(odd)}; map them first")
    if not all(strength > 0 for strength in strengths):
        raise DataError(f"expected positive strengths, found {shortened(list(strengths))}")


def _eigenbasis(centred: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvectors (D, D) and eigenvalues (D + 1,) of the covariance; the last value is the bias's."""
    values, vectors = torch.linalg.eigh((centred.T @ centred).double().cpu() / len(centred))
    return vectors.to(centred), torch.cat([values.clamp(min=0), torch.ones(1)]).to(centred)


def _fit(design: Tensor, spectrum: Tensor, labels: Tensor, cost: Tensor) -> Tensor:
    """Fitted heads (A, D + 1), bias last; design (N, D + 1), spectrum (D + 1,), labels (A, N), cost (A, 1)."""
    result = design.new_zeros(len(labels), design.shape[1])
    heads = _Heads.start(design, labels, cost)
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
    def start(cls, design: Tensor, labels: Tensor, cost: Tensor) -> _Heads:
        """Heads that predict each label's share of positives."""
        against = (1 - 2 * labels).nan_to_num()
        penalty = torch.ones_like(design[0])
        penalty[-1] = 0
        weights = design.new_zeros(len(labels), design.shape[1])
        weights[:, -1] = labels.nanmean(dim=1).logit()
        logits = weights[:, -1:].repeat(1, len(design))
        residual = _residual(against, logits)
        place = torch.arange(len(labels), device=labels.device)
        return cls(place, against, cost, penalty, weights, cost * (residual @ design), logits, residual)

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

    def step(self, design: Tensor, guess: Tensor) -> None:
        """Move every head along its own direction, each as far as suits it; guess (A, D + 1) of the inverse Hessian."""
        direction = self.direction(guess)
        far, self.logits, self.residual = self.search(direction, direction @ design.T)
        step = far * direction
        self.weights = self.weights + step
        gradient = self.cost * (self.residual @ design) + self.penalty * self.weights
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
