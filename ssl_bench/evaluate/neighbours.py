"""Weighted k nearest neighbours on embeddings, as in DINO (arXiv:2104.14294, after arXiv:1805.01978, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ssl_bench.errors import DataError, shortened

CHUNK = 1024
"""Queries compared at a time."""


def knn_scores(train: Tensor, labels: Tensor, query: Tensor, k: Sequence[int], temperature: float = 0.07) -> Tensor:
    """Score each query by the labels of its k nearest training images, each weighted by exp(cosine / temperature).

    A neighbour whose label is unknown is passed over for that label. Where that leaves none, the score is the label's
    share of positives in training, or 0.5 where training knows nothing of it.

    Args:
        train: (N, D) embeddings, not all zero.
        labels: (N, L) 1, 0, or NaN where unknown.
        query: (M, D) embeddings to score.
        k: K numbers of neighbours, each from 1 to N.
        temperature: of the weights.

    Returns:
        Weighted share of positive neighbours (K, M, L), from 0 to 1.

    Raises:
        DataError: more neighbours asked for than there are training images, or embeddings that are not finite.
    """
    _check(train, labels, query, k)
    train, query = (
        functional.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1) for x in (train, query)
    )
    labels = labels.to(train)
    known = ~labels.isnan()
    positive, known, share = labels.nan_to_num(), known.to(train), labels.nanmean(dim=0).nan_to_num(nan=0.5)
    scores = train.new_empty(len(k), len(query), labels.shape[1])
    for start in range(0, len(query), CHUNK):
        near, index = (query[start : start + CHUNK] @ train.T).topk(max(k), dim=1)  # (C, max k), falling
        weight = ((near - near[:, :1]) / temperature).exp()
        for row, count in enumerate(k):
            first, some = index[:, :count], weight[:, :count, None]
            total = (some * known[first]).sum(dim=1)  # (C, L)
            mean = (some * positive[first]).sum(dim=1) / total
            scores[row, start : start + CHUNK] = torch.where(total > 0, mean, share)
    return scores


def _check(train: Tensor, labels: Tensor, query: Tensor, k: Sequence[int]) -> None:
    if train.ndim != 2 or labels.ndim != 2 or len(train) != len(labels) or query.shape[1:] != train.shape[1:]:
        raise DataError(
            "expected embeddings (N, D), labels (N, L) and queries (M, D), "
            f"found {tuple(train.shape)}, {tuple(labels.shape)} and {tuple(query.shape)}"
        )
    if not k or min(k) < 1 or max(k) > len(train):
        raise DataError(f"expected numbers of neighbours from 1 to {len(train)}, found {shortened(list(k))}")
    for name, embeddings in (("training", train), ("query", query)):
        broken = (~embeddings.isfinite().all(dim=1)).nonzero()[:, 0].tolist()
        if broken:
            raise DataError(f"expected finite {name} embeddings, found others in rows {shortened(broken)}")
