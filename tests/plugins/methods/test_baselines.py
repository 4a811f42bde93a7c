"""Baselines that are not trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ssl_bench.build.backbones import build, sincos_positions
from ssl_bench.plugin.contracts import Batch
from sslbench_methods import sslbench_components
from sslbench_methods.baselines import Random, Untrained
from sslbench_methods.options import RandomOptions


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


def test_random_has_fixed_positions_unless_asked_otherwise() -> None:
    components = {component.name: component for component in sslbench_components()}
    for name, fixed in (("random", True), ("random-learnt", False)):
        component = components[name]
        assert not component.trains
        torch.manual_seed(0)
        drawn = build(16, "vit_tiny_patch16_224", patch_size=8, embed_dim=16, depth=1, num_heads=2)
        before = {key: value.clone() for key, value in drawn.state_dict().items()}
        options = component.options_model()(**component.defaults)
        after = component.load()(options, drawn, None).encoder.state_dict()
        changed = [key for key, value in after.items() if not torch.equal(value, before[key])]
        assert changed == ["model.pos_embed"] * fixed
    place = build(16, "vit_tiny_patch16_224", patch_size=8, embed_dim=16, depth=1, num_heads=2)
    positions = Random(RandomOptions(), place, None).encoder.state_dict()["model.pos_embed"][0]
    torch.testing.assert_close(positions[1:], sincos_positions(2, 2, 16).float())


def test_an_untrained_cnn_has_no_positions_to_fix() -> None:
    cnn = build(32, "test_resnet")
    before = {key: value.clone() for key, value in cnn.state_dict().items()}
    after = Random(RandomOptions(), cnn, None).encoder.state_dict()
    assert all(torch.equal(value, before[key]) for key, value in after.items())
