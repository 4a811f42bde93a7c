"""Where an encoder looks, against the definitions written out for one small network of each kind."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import nn

from ssl_bench.evaluate.saliency import gradcam, last_attention, looks_at

SIZE = 32


def vit(**more: Any) -> Any:
    torch.manual_seed(0)
    made = timm.create_model("vit_tiny_patch16_224", img_size=SIZE, patch_size=8, embed_dim=32, depth=2, num_heads=2,
                             in_chans=1, num_classes=0, **more)  # fmt: skip
    return made.eval()


def cnn() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("resnet18", in_chans=1, num_classes=0).eval()


def images() -> torch.Tensor:
    return torch.rand(3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def test_attention_is_that_of_the_last_block() -> None:
    network, seen = vit(), list[torch.Tensor]()
    network.blocks[-1].attn.fused_attn = False
    network.blocks[-1].attn.attn_drop.register_forward_hook(lambda *given: seen.append(given[2]))
    found = last_attention(network, images())
    network.forward_features(images())
    assert found.shape == (3, 4, 4)
    torch.testing.assert_close(found, seen[-1].mean(1)[:, 0, 1:].reshape(3, 4, 4))


def test_without_class_token_all_patches_ask() -> None:
    network = vit(class_token=False, global_pool="avg")
    found = last_attention(network, images())
    assert found.shape == (3, 4, 4)
    torch.testing.assert_close(found.sum((1, 2)), torch.ones(3))


def test_gradcam_points_where_the_embedding_does() -> None:
    """For mean pooling the gradient of half the squared length is the embedding over the number of places."""
    network: Any = cnn()
    given = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = network.forward_features(given)
        pooled = features.mean((2, 3))
        wanted = torch.einsum("nc,nchw->nhw", pooled / (features.shape[2] * features.shape[3]), features).relu()
    torch.testing.assert_close(gradcam(network, given), wanted)


@pytest.mark.parametrize(("network", "kind"), [(vit(), "attention"), (cnn(), "Grad-CAM")])
def test_a_map_goes_from_nothing_to_one_and_leaves_the_network_as_it_was(network: nn.Module, kind: str) -> None:
    before = [parameter.clone() for parameter in network.parameters()]
    told, maps = looks_at(network, torch.rand(2, 1, SIZE if kind == "attention" else 64, SIZE if kind == "attention"
                                              else 64))  # fmt: skip
    assert told == kind
    assert (maps.amin(), maps.amax()) == (0, 1)
    assert all(torch.equal(one, other) for one, other in zip(before, network.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in network.parameters())
