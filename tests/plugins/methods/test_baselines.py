"""Baselines that are not trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ssl_bench.backbones import build
from ssl_bench.contracts import Batch
from sslbench_methods import sslbench_components
from sslbench_methods.baselines import Untrained


def test_the_untrained_encoder_is_the_backbone_as_it_was() -> None:
    torch.manual_seed(0)
    backbone = build(16, "vit_tiny_patch16_224", patch_size=8, embed_dim=16, depth=1, num_heads=2)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    method = Untrained(None, backbone, None)
    assert isinstance(method, nn.Module)
    assert method.encoder is backbone
    assert list(method.views) == []
    assert all(torch.equal(value, before[name]) for name, value in method.encoder.state_dict().items())
    with pytest.raises(NotImplementedError, match="Untrained must define its training loss"):
        method.training_loss(Batch({}, *[torch.empty(0)] * 4), 0.0)


def test_random_is_declared_as_not_trained() -> None:
    random = next(component for component in sslbench_components() if component.name == "random")
    assert not random.trains
    assert random.load() is Untrained
