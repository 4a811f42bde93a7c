"""Alignment of image and EHR."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ssl_bench.plugin.contracts import Encoding
from ssl_bench.testing.tiny import schema
from sslbench_fusions.align import Align, info_nce
from sslbench_fusions.options import AlignOptions

ROWS, DIM = 6, 8
KNOWN = torch.ones(ROWS, dtype=torch.bool)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_with_all_rows_different_it_is_clips_loss() -> None:
    images, ehr = noise(ROWS, DIM), noise(ROWS, DIM, seed=1)
    unit = [part / part.norm(dim=1, keepdim=True) for part in (images, ehr)]
    logits = unit[0] @ unit[1].T / 0.1
    own = torch.arange(ROWS)
    wanted = sum(torch.nn.functional.cross_entropy(part, own) for part in (logits, logits.T)) / 2
    found = info_nce(images, ehr, noise(ROWS, 3, seed=2), KNOWN, temperature=0.1)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def test_equal_rows_are_no_negatives() -> None:
    """Of three patients two have the same EHR row: each of them is asked to tell itself from the third alone."""
    images, ehr, rows = noise(3, DIM), noise(3, DIM, seed=1), noise(3, 2, seed=2)
    rows[1], ehr[1] = rows[0], ehr[0]
    unit = [part / part.norm(dim=1, keepdim=True) for part in (images, ehr)]
    logits = unit[0] @ unit[1].T / 0.1
    wanted = torch.zeros(()).double()
    for direction in (logits, logits.T):
        for row, candidates in ((0, [0, 2]), (1, [1, 2]), (2, [0, 1, 2])):
            wanted = wanted + direction[row, candidates].logsumexp(0) - direction[row, row]
    found = info_nce(images, ehr, rows, KNOWN[:3], temperature=0.1)
    torch.testing.assert_close(found, wanted / 6)


def test_everybody_alike_asks_for_nothing() -> None:
    images = noise(ROWS, DIM).requires_grad_()
    loss = info_nce(images, noise(1, DIM).expand(ROWS, -1), torch.ones(ROWS, 3), KNOWN, temperature=0.1)
    loss.backward()
    assert loss == 0
    assert images.grad is not None
    assert not images.grad.any()


def test_rows_of_which_nothing_is_known_are_left_out() -> None:
    fusion = Align(AlignOptions(dim=4), DIM, schema()).double()
    pooled, ehr, present = noise(ROWS, DIM), noise(ROWS, len(schema())), torch.ones(ROWS, len(schema())).double()
    present[4:] = 0
    found = fusion.fuse(Encoding(pooled, pooled[:, None]), ehr, present)
    wanted = fusion.fuse(Encoding(pooled[:4], pooled[:4, None]), ehr[:4], present[:4])
    torch.testing.assert_close(found.losses["align"], wanted.losses["align"])
    assert torch.equal(found.features, pooled)
    nothing = fusion.fuse(Encoding(pooled, pooled[:, None]), ehr, present * 0).losses["align"]
    assert nothing == 0


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_the_weight(weight: float) -> None:
    torch.manual_seed(0)
    one = Align(AlignOptions(), DIM, schema()).double()
    other = Align(AlignOptions(weight=weight), DIM, schema()).double()
    other.load_state_dict(one.state_dict())
    pooled, ehr = noise(ROWS, DIM), noise(ROWS, len(schema()))
    losses = [
        fusion.fuse(Encoding(pooled, pooled[:, None]), ehr, torch.ones_like(ehr)).losses["align"]
        for fusion in (one, other)
    ]
    torch.testing.assert_close(weight * losses[0], losses[1])
