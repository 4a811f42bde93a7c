"""Weighted k nearest neighbours on embeddings, as in DINO (arXiv:2104.14294, after arXiv:1805.01978, section 3.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ssl_bench.errors import DataError, shortened
from ssl_bench.evaluate import streamed
from ssl_bench.evaluate.streamed import Table, taken

CHUNK = 1024
"""Queries compared at a time, with a block of training rows."""


def knn_scores(
    train: Table,
    labels: Tensor,
    query: Table,
    k: Sequence[int],
    temperature: float = 0.07,
    *,
    centre: Tensor | None = None,
) -> Tensor:
    """Score each query by the labels of its k nearest training images, each weighted by exp(cosine / temperature).

    A neighbour whose label is unknown is passed over for that label. Where that leaves none, the score is the label's
    share of positives in training, or 0.5 where training knows nothing of it.

    Args:
        train: (N, D) embeddings, not all zero; they and the queries come to the labels' device in blocks.
        labels: (N, L) 1, 0, or NaN where unknown.
        query: (M, D) embeddings to score.
        k: K numbers of neighbours, each from 1 to N.
        temperature: of the weights.
        centre: (D,) taken off all embeddings.

    Returns:
        Weighted share of positive neighbours (K, M, L), from 0 to 1.

    Raises:
        DataError: more neighbours asked for than there are training images, or embeddings that are not finite.
    """
    _check(train, labels, query, k)
    labels = labels.to(_units(train[:1], labels.device, centre))
    known = ~labels.isnan()
    positive, known, share = labels.nan_to_num(), known.to(labels), labels.nanmean(dim=0).nan_to_num(nan=0.5)
    scores = labels.new_empty(len(k), len(query), labels.shape[1])
    for start, near, index in _nearest(train, query, max(k), labels.device, centre):
        weight = ((near - near[:, :1]) / temperature).exp()
        for row, count in enumerate(k):
            first, some = index[:, :count], weight[:, :count, None]
            total = (some * known[first]).sum(dim=1)  # (C, L)
            mean = (some * positive[first]).sum(dim=1) / total
            scores[row, start : start + len(near)] = torch.where(total > 0, mean, share)
    return scores


def _units(rows: Table, device: torch.device, centre: Tensor | None) -> Tensor:
    """Rows ``(N, D)`` on the device, centred and of unit length."""
    found = taken(rows, device)
    return functional.normalize(found if centre is None else found - centre, dim=1)


def _nearest(
    train: Table, query: Table, k: int, device: torch.device, centre: Tensor | None
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """For every chunk of queries where it starts, cosines ``(C, k)`` of its neighbours, falling, and their numbers."""
    for begin in range(0, len(query), streamed.BLOCK):
        queries = _units(query[begin : begin + streamed.BLOCK], device, centre)
        found: list[tuple[Tensor, Tensor]] = [(queries[:0], queries[:0])] * -(-len(queries) // CHUNK)
        for first in range(0, len(train), streamed.BLOCK):
            block = _units(train[first : first + streamed.BLOCK], device, centre)
            for number, chunk in enumerate(torch.split(queries, CHUNK)):
                near, index = (chunk @ block.T).topk(min(k, len(block)), dim=1)
                found[number] = _better(found[number], (near, index + first), k) if first else (near, index)
        for number, (near, index) in enumerate(found):
            yield begin + number * CHUNK, near, index


def _better(old: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor], k: int) -> tuple[Tensor, Tensor]:
    """The k nearest among neighbours found before and new ones."""
    near, index = (torch.cat(both, dim=1) for both in zip(old, new, strict=True))
    near, place = near.topk(min(k, near.shape[1]), dim=1)
    return near, index.gather(1, place)


def _check(train: Table, labels: Tensor, query: Table, k: Sequence[int]) -> None:
    if train.ndim != 2 or labels.ndim != 2 or len(train) != len(labels) or query.shape[1:] != train.shape[1:]:
        raise DataError(
            "expected embeddings (N, D), labels (N, L) and queries (M, D), "
            f"found {tuple(train.shape)}, {tuple(labels.shape)} and {tuple(query.shape)}"
        )
    if not k or min(k) < 1 or max(k) > len(train):
        raise DataError(f"expected numbers of neighbours from 1 to {len(train)}, found {shortened(list(k))}")
    for name, embeddings in (("training", train), ("query", query)):
        broken = [
            int(row) + rows.start
            for rows, block in streamed.blocks(embeddings, labels.device)
            for row in (~block.isfinite().all(dim=1)).nonzero()[:, 0].tolist()
        ]
        if broken:
            raise DataError(f"expected finite {name} embeddings, found others in rows {shortened(broken)}")
