from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from sslbench_evaluators.heads import masked_loss


def test_unknown_labels_neither_count_nor_give_a_gradient() -> None:
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.5]], requires_grad=True)
    labels = torch.tensor([[1.0, np.nan], [0.0, np.nan]])
    loss = masked_loss(logits, labels)
    expected = functional.binary_cross_entropy_with_logits(logits[:, 0], labels[:, 0])
    assert loss.item() == pytest.approx(expected.item())
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[:, 1] == 0).all()
    assert masked_loss(logits, torch.full((2, 2), torch.nan)).item() == 0
