"""timm models behind one interface: shapes, dropped patches, and an export that timm opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ssl_bench.build.backbones import TimmCNN, TimmViT, build
from ssl_bench.data.source import PixelStatistics
from ssl_bench.errors import UsageError
from ssl_bench.plugin.contracts import Backbone, Batch
from ssl_bench.plugin.registry import Registry
from ssl_bench.results.export import export_encoder

SMALL = {"patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def vit() -> TimmViT:
    made = build(32, "vit_tiny_patch16_224", **SMALL)
    assert isinstance(made, TimmViT)
    return made.eval()


def lengths(vit: TimmViT) -> list[int]:
    """Numbers of tokens that enter the first block, filled by every call."""
    seen: list[int] = []
    vit.model.blocks[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape[1]))
    return seen


def test_vit_shapes(vit: TimmViT) -> None:
    encoding = vit(torch.rand(3, 1, 32, 32))
    assert encoding.pooled.shape == (3, 32)
    assert encoding.tokens.shape == (3, 16, 32)
    assert (vit.dim, vit.patch_size, vit.image_size, vit.masks, vit.patches(32)) == (32, 8, 32, True, 16)
    assert isinstance(vit, Backbone)


def test_vit_takes_views_of_other_sizes(vit: TimmViT) -> None:
    assert vit(torch.rand(2, 1, 16, 16)).tokens.shape == (2, vit.patches(16), 32)
    assert vit(torch.rand(2, 1, 48, 48)).tokens.shape == (2, vit.patches(48), 32)


def test_keeping_every_patch_changes_nothing(vit: TimmViT) -> None:
    images = torch.rand(3, 1, 32, 32)
    everything = torch.arange(16).expand(3, 16)
    for kept, full in zip(vit(images, everything), vit(images), strict=True):
        torch.testing.assert_close(kept, full, rtol=0, atol=0)


def test_patches_are_dropped_before_the_blocks(vit: TimmViT) -> None:
    seen = lengths(vit)
    images = torch.rand(3, 1, 32, 32)
    assert vit(images, torch.arange(5).expand(3, 5)).tokens.shape == (3, 5, 32)
    vit(images)
    assert seen == [6, 17]  # with the class token


def test_dropped_patches_are_never_seen(vit: TimmViT) -> None:
    keep = torch.tensor([[0, 3, 15], [4, 5, 6]])
    images = torch.rand(2, 1, 32, 32)
    visible = torch.zeros(2, 16).scatter_(1, keep, 1.0).view(2, 1, 4, 4)
    mask = visible.repeat_interleave(8, 2).repeat_interleave(8, 3)
    noise = torch.where(mask.bool(), images, torch.rand(2, 1, 32, 32))
    for one, other in zip(vit(images, keep), vit(noise, keep), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    shown = torch.where(mask.bool(), torch.rand(2, 1, 32, 32), images)
    assert not torch.equal(vit(images, keep).pooled, vit(shown, keep).pooled)


@pytest.mark.parametrize(
    "options",
    [{}, {"reg_tokens": 2}, {"qkv_bias": False, "init_values": 0.5}, {"qk_norm": True, "scale_attn_norm": True}],
)
@pytest.mark.parametrize("kept", [False, True])
def test_without_tokens_the_pooled_feature_and_its_gradients_stay(options: dict[str, Any], kept: bool) -> None:
    torch.manual_seed(0)
    vit = build(32, "vit_tiny_patch16_224", **SMALL, **options).double()
    assert isinstance(vit, TimmViT)
    assert vit.class_token_alone
    images = torch.rand(3, 1, 32, 32, dtype=torch.float64)
    keep = torch.arange(5).expand(3, 5) if kept else None
    whole, alone = vit(images, keep), vit(images, keep, tokens=False)
    assert alone.tokens.shape == (3, 0, 32)
    torch.testing.assert_close(alone.pooled, whole.pooled, rtol=1e-12, atol=1e-12)
    weights = dict(vit.named_parameters())
    one, other = (torch.autograd.grad(part.pooled.square().sum(), weights.values()) for part in (alone, whole))
    for name, found, wanted in zip(weights, one, other, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12, msg=name)


def test_without_tokens_stochastic_depth_draws_the_same() -> None:
    torch.manual_seed(0)
    vit = build(32, "vit_tiny_patch16_224", **SMALL, drop_path_rate=0.5).double().train()
    images, found = torch.rand(8, 1, 32, 32, dtype=torch.float64), []
    for tokens in (True, False):
        torch.manual_seed(1)
        found.append(vit(images, tokens=tokens).pooled)
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{"global_pool": "avg"}, {"attn_drop_rate": 0.1}])
def test_pooling_and_attention_that_need_all_tokens_compute_them(options: dict[str, Any]) -> None:
    vit = build(32, "vit_tiny_patch16_224", **SMALL, **options).eval()
    images = torch.rand(2, 1, 32, 32)
    for found, wanted in zip(vit(images, tokens=False), vit(images), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_without_tokens_a_sixth_of_the_last_block_is_left() -> None:
    vit = build(224, "vit_tiny_patch16_224", depth=1).to("meta")
    flops = []
    for tokens in (True, False):
        with FlopCounterMode(display=False) as counter:
            vit(torch.empty(1, 1, 224, 224, device="meta"), tokens=tokens)
        flops.append(counter.get_total_flops() - 2 * 196 * 256 * 192)  # the patch embedding
    assert flops[1] < 0.17 * flops[0]


def test_cnn_shapes() -> None:
    cnn = build(64, "resnet18").eval()
    assert isinstance(cnn, TimmCNN)
    encoding = cnn(torch.rand(2, 1, 64, 64))
    assert encoding.pooled.shape == (2, 512)
    assert encoding.tokens.shape == (2, cnn.patches(64), 512)
    torch.testing.assert_close(encoding.pooled, encoding.tokens.mean(1))
    assert (cnn.dim, cnn.patch_size, cnn.masks) == (512, 0, False)
    assert isinstance(cnn, Backbone)
    with pytest.raises(ValueError, match="'resnet18' has no patches to drop"):
        cnn(torch.rand(2, 1, 64, 64), torch.arange(2).expand(2, 2))


TINY = {"embed_dim": 32, "depth": 1, "num_heads": 2}


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("vit_tiny_patch16_224", SMALL),
        ("vit_medium_patch16_reg4_gap_256", TINY),  # registers, mean of the patches, norm after it
        ("vit_base_patch16_siglip_224", TINY),  # attention pooling
        ("deit_tiny_distilled_patch16_224", TINY),  # two class tokens
        ("resnet18", {}),
        ("efficientnet_b0", {}),  # BatchNorm with its own activation
        ("convnext_atto", {}),  # norm after the pooling
    ],
)
def test_timm_opens_the_export_offline(model: str, arguments: dict[str, int], tmp_path: Path) -> None:
    backbone = build(32, model, **arguments)
    with torch.no_grad():
        for value in backbone.parameters():  # no value that a fresh model would have by itself
            value.add_(0.05 * torch.randn_like(value))
    export_encoder(backbone, PixelStatistics(0.4, 0.2), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    opened = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    images = torch.rand(2, 1, 32, 32)
    expected: Tensor = backbone.eval()(images).pooled
    assert expected.shape == (2, backbone.dim)
    torch.testing.assert_close(opened(images), expected, rtol=1e-6, atol=1e-6)
    assert opened.pretrained_cfg["mean"] == [0.4]
    assert opened.pretrained_cfg["std"] == [0.2]
    assert tuple(opened.pretrained_cfg["input_size"]) == (1, 32, 32)


def test_the_exported_head_count_is_kept(tmp_path: Path) -> None:
    # The same shapes with another head count would load without an error, and give other outputs.
    export_encoder(build(32, "vit_tiny_patch16_224", **SMALL | {"num_heads": 4}), PixelStatistics(0.4, 0.2), tmp_path)
    assert timm.create_model(f"local-dir:{tmp_path}", pretrained=True).blocks[0].attn.num_heads == 4


@pytest.mark.parametrize(
    ("model", "near"), [("vit_tini_patch16_224", "vit_tiny_patch16_224"), ("resnet81", "resnet18")]
)
def test_an_unknown_model_asks_for_the_nearest(model: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"unknown timm model '{model}'; did you mean '{near}'") as error:
        build(32, model)
    assert len(str(error.value)) < 500


def test_arguments_that_timm_refuses() -> None:
    with pytest.raises(UsageError, match=r"timm model 'resnet18' refuses .*'depth': 3"):
        build(32, "resnet18", depth=3)
    with pytest.raises(UsageError, match="timm model 'vit_tiny_patch16_224' refuses"):
        build(32, "vit_tiny_patch16_224", embed_dim=33, num_heads=2)


def test_models_without_a_map_are_refused() -> None:
    with pytest.raises(UsageError, match="'mobilenetv3_small_050' widens its features after pooling"):
        build(32, "mobilenetv3_small_050")


SEQUENCE = {"patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}
WINDOWS = {"window_size": 4, "embed_dim": 16, "depths": (1, 1), "num_heads": (1, 2)}


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("eva02_tiny_patch14_224", SEQUENCE),
        ("vit_small_patch16_dinov3", SEQUENCE),
        ("beit_base_patch16_224", SEQUENCE),
        ("swin_tiny_patch4_window7_224", WINDOWS),
        ("vit_tiny_r_s16_p8_224", TINY),
        ("davit_tiny", {"depths": (1, 1), "embed_dims": (16, 32), "num_heads": (1, 2)}),
    ],
)
def test_every_family_trains_and_comes_back(
    model: str, arguments: dict[str, Any], tmp_path: Path, registry: Registry
) -> None:
    """Maps with channels first and last, and sequences, whose class tokens and registers are no tokens."""
    backbone = build(64, model, **arguments)
    images = torch.rand(4, 1, 64, 64)
    encoding = backbone(images)
    assert encoding.pooled.shape == (4, 32)
    assert encoding.tokens.shape == (4, backbone.patches(64), 32)
    assert isinstance(backbone, Backbone)
    assert not backbone.masks
    with pytest.raises(ValueError, match="has no patches to drop"):
        backbone(images, torch.arange(2).expand(4, 2))
    component = registry.get("method", "simclr")
    options = registry.options("method", "simclr", {})
    with torch.device("meta"):  # as a dry build does
        build(64, model, **arguments)(torch.empty(2, 1, 64, 64))
    method = component.load()(options, backbone, None)
    views = {group.name: torch.rand(group.count * 2, 1, group.size, group.size) for group in method.views}
    nothing = torch.empty(0)
    loss = method.training_loss(Batch(views, nothing, nothing, nothing, nothing), 0.0).total
    loss.backward()
    assert loss.isfinite()
    assert sum(bool(value.grad.any()) for value in backbone.parameters() if value.grad is not None) > 5
    export_encoder(backbone, PixelStatistics(0.4, 0.2), tmp_path)
    opened = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    with torch.inference_mode():
        torch.testing.assert_close(opened(images), backbone.eval()(images).pooled, rtol=1e-6, atol=1e-6)


def test_a_size_that_a_model_does_not_take_is_named() -> None:
    beit = build(64, "beit_base_patch16_224", **SEQUENCE)
    with pytest.raises(UsageError, match=r"takes no images of 32 px .*; choose views of 64 px"):
        beit(torch.rand(2, 1, 32, 32))


def test_the_constant_that_a_vit_adds_is_named(vit: TimmViT) -> None:
    assert vit.offset_parameters == ("model.norm.bias",)
    images = torch.rand(3, 1, 32, 32)
    before = vit(images).pooled
    with torch.no_grad():
        vit.get_parameter("model.norm.bias").add_(1.0)
    torch.testing.assert_close(vit(images).pooled - before, torch.ones(3, 32))
    assert build(32, "vit_base_patch16_siglip_224", **TINY).offset_parameters == ()


# --- positions --------------------------------------------------------------------------------------------------------


def test_small_crops_get_positions_by_plain_bicubic_interpolation(vit: TimmViT) -> None:
    images, blank = torch.rand(2, 1, 16, 16), vit.model.pos_embed.detach().clone()
    placed = vit._placed(vit.model.patch_embed(images))
    with torch.no_grad():
        vit.model.pos_embed.zero_()
    found = (placed - vit._placed(vit.model.patch_embed(images)))[0]
    table = blank[:, 1:].reshape(1, 4, 4, 32).permute(0, 3, 1, 2)
    wanted = torch.nn.functional.interpolate(table, size=(2, 2), mode="bicubic").permute(0, 2, 3, 1).reshape(4, 32)
    torch.testing.assert_close(found, torch.cat([blank[0, :1], wanted]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"reg_tokens": 2}, {"no_embed_class": True}, {"pos_embed": "none"}])
def test_positions_at_the_own_size_are_timms(options: dict[str, Any]) -> None:
    vit = build(32, "vit_tiny_patch16_224", **SMALL, **options)
    assert isinstance(vit, TimmViT)
    patches = vit.model.patch_embed(torch.rand(2, 1, 32, 32))
    assert torch.equal(vit._placed(patches), vit.model._pos_embed(patches))


@pytest.mark.parametrize("options", [{}, {"reg_tokens": 2}, {"no_embed_class": True}])
def test_fixed_positions_are_sines_and_cosines_of_column_and_row(options: dict[str, Any]) -> None:
    vit = build(32, "vit_tiny_patch16_224", **SMALL, **options)
    assert isinstance(vit, TimmViT)
    vit.fix_positions()
    assert not vit.model.pos_embed.requires_grad
    table = vit.model.pos_embed[0, -16:].double()
    assert not vit.model.pos_embed[0, :-16].any()
    row, column, pace = 2, 3, 10000.0 ** -(torch.arange(8, dtype=torch.float64) / 8)
    wanted = [(column * pace).sin(), (column * pace).cos(), (row * pace).sin(), (row * pace).cos()]
    torch.testing.assert_close(table[4 * row + column], torch.cat(wanted), rtol=1e-6, atol=1e-6)


def test_fixed_positions_need_a_width_of_four_parts() -> None:
    with pytest.raises(UsageError, match="sin-cos positions need a width that is a multiple of 4, found 34"):
        build(32, "vit_tiny_patch16_224", **SMALL | {"embed_dim": 34}).fix_positions()
