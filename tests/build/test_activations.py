"""Less memory for the same step: what is kept for the backward pass, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from ssl_bench.build.activations import check_sparing, sparing
from ssl_bench.build.backbones import build
from ssl_bench.errors import UsageError
from ssl_bench.testing import tiny
from sslbench_methods.dinov2 import DINOv2
from sslbench_methods.options import DINOv2Options, SimCLROptions
from sslbench_methods.simclr import SimCLR

SMALL = {"hidden_dim": 16, "output_dim": 8, "bottleneck_dim": 8, "patch_output_dim": 8, "patch_bottleneck_dim": 8}


@contextmanager
def kept() -> Iterator[dict[int, int]]:
    """Bytes by storage of what is kept for the backward pass."""
    sizes: dict[int, int] = {}
    alive = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield sizes


def small_dinov2() -> DINOv2:
    torch.manual_seed(0)
    return DINOv2(DINOv2Options(**SMALL, drop_path=0.4), tiny.backbone("vit"), None).double().train()


@pytest.mark.parametrize("less", [{"parts": 4}, {"blocks": True}, {"parts": 4, "blocks": True}])
def test_less_is_kept_and_loss_draws_and_backbone_stay_as_they_were(less: dict[str, Any]) -> None:
    found = []
    for given in ({}, less):
        method = small_dinov2()
        rows = tiny.batch(method.views, rows=16, dtype=torch.float64)
        torch.manual_seed(1)
        with sparing(method, **given), kept() as sizes:
            loss = method.training_loss(rows, 0.5).total
        found.append((loss, torch.rand(3), sum(sizes.values())))
        assert "forward" not in vars(method.backbone)
        assert not method.backbone.model.grad_checkpointing
    (plain, drawn, whole), (spared, drawn_too, part) = found
    torch.testing.assert_close(spared, plain, rtol=1e-12, atol=0)
    assert torch.equal(drawn, drawn_too)
    assert part < whole / 2


def test_a_frozen_encoder_sees_everything_at_once() -> None:
    method, images = small_dinov2(), torch.rand(5, 1, 32, 32, dtype=torch.float64)
    seen: list[int] = []
    method.backbone.model.patch_embed.register_forward_hook(lambda layer, given, made: seen.append(len(made)))
    with sparing(method, parts=2), torch.no_grad():
        method.backbone.eval()(images)
        method.backbone.train()(images)
    assert seen == [5, 3, 2]


def test_running_statistics_follow_a_batch_once() -> None:
    found = []
    for blocks in (False, True):
        torch.manual_seed(0)
        method = SimCLR(SimCLROptions(output_dim=8), tiny.backbone("cnn"), None).double().train()
        with sparing(method, blocks=blocks):
            torch.autograd.backward(method.training_loss(tiny.batch(method.views, dtype=torch.float64), 0.5).total)
        found.append(dict(method.backbone.named_buffers()))
    for name, wanted in found[0].items():
        assert torch.equal(found[1][name], wanted), name


@pytest.mark.parametrize(
    ("model", "arguments", "less", "sentence"),
    [
        (
            "test_resnet",
            {},
            {"parts": 2},
            r"^--accumulate 2 would train another network: backbone 'x' has BatchNorm, w",
        ),
        ("test_vit", {"proj_drop_rate": 0.1}, {"parts": 2}, "has Dropout, which draws for the whole batch at once"),
        ("test_vit", {"drop_path_rate": 0.1}, {"parts": 2}, "has DropPath, which draws for the whole batch at once"),
        ("test_vit", {"patch_drop_rate": 0.1}, {"parts": 2}, "has PatchDropout, which draws for the whole batch"),
    ],
)
def test_what_would_train_another_network_is_refused(
    model: str, arguments: dict[str, Any], less: dict[str, Any], sentence: str
) -> None:
    network = nn.ModuleDict({"backbone": build(160, model, **arguments)})
    check_sparing(network, "x", parts=1, blocks=True)
    with pytest.raises(UsageError, match=sentence):
        check_sparing(network, "x", **{"blocks": False, **less})


def test_a_network_without_the_switch_is_refused() -> None:
    backbone: Any = tiny.backbone("vit")
    backbone.model = nn.Linear(2, 2)
    with pytest.raises(UsageError, match=r"^backbone 'x' cannot compute activations again; leave out --checkpoint-act"):
        check_sparing(nn.ModuleDict({"backbone": backbone}), "x", parts=1, blocks=True)
