"""``--init``: official checkpoints by their own names, and what is refused in one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ssl_bench.build.backbones import build
from ssl_bench.build.weights import fill
from ssl_bench.errors import DataError
from ssl_bench.plugin.weights import read_weights

SMALL = {"patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}
Wrapped = Callable[[Mapping[str, Tensor]], Any]


def vit(model: str = "vit_tiny_patch16_224", size: int = 32, **arguments: Any) -> nn.Module:
    return build(size, model, **SMALL, **arguments).model


def under(prefix: str, table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in table.items()}


def decoy(table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same names with other values: a second network of the checkpoint."""
    return {name: value + 1 for name, value in table.items()}


OFFICIAL: dict[str, Wrapped] = {
    "moco-v3": lambda own: {"arch": "vit_small", "state_dict": {
        **under("module.base_encoder.", {**own, "head.0.weight": torch.ones(4, 32)}),
        **under("module.momentum_encoder.", decoy(own)), "module.predictor.0.weight": torch.ones(2, 2)}},
    "simsiam": lambda own: {"state_dict": {**under("module.encoder.", {**own, "fc.0.weight": torch.ones(2, 2)}),
                                           "module.predictor.0.weight": torch.ones(2, 2)}},
    "dino": lambda own: {"args": argparse.Namespace(arch="vit_small", lr=5e-4), "epoch": 100,
                         "student": under("module.backbone.", decoy(own)),
                         "teacher": {**under("backbone.", own), "head.mlp.0.weight": torch.ones(2, 2)}},
    "msn": lambda own: {"encoder": under("module.", decoy(own)), "prototypes": torch.ones(4, 2),
                        "target_encoder": under("module.", {**own, "fc.fc1.weight": torch.ones(2, 2)})},
    "mae": lambda own: {"model": {**own, "mask_token": torch.ones(1, 1, 4), "decoder_embed.weight": torch.ones(4, 32),
                                  "decoder_pos_embed": torch.ones(1, 17, 4)}},
    "plain": dict,
}  # fmt: skip


@pytest.mark.parametrize("name", OFFICIAL)
@pytest.mark.parametrize("kind", ["vit", "cnn"])
def test_official_checkpoints_are_found_by_their_prefixes(name: str, kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    source, target = (vit() if kind == "vit" else build(32, "test_resnet").model for _ in range(2))
    torch.save(OFFICIAL[name](source.state_dict()), tmp_path / "given.pth")
    fill(target, read_weights(tmp_path / "given.pth"), source=tmp_path / "given.pth")
    for key, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[key], value), key


def test_a_prefix_may_be_named(tmp_path: Path) -> None:
    source, target = vit(), vit()
    both = {**under("ours.online.", source.state_dict()), **under("ours.target.", decoy(source.state_dict()))}
    fill(target, both, source=tmp_path, prefix="ours.online.")
    assert torch.equal(target.state_dict()["cls_token"], source.state_dict()["cls_token"])
    with pytest.raises(DataError, match=r"have no key that begins with 'mine\.'; found ours\.online\."):
        fill(target, both, source=tmp_path, prefix="mine.")
    with pytest.raises(DataError, match="do not fit the encoder"):
        fill(target, both, source=tmp_path)


def test_distilled_deit_brings_both_its_tokens_at_another_size(tmp_path: Path) -> None:
    source = timm.create_model("deit_tiny_distilled_patch16_224", img_size=48, **SMALL)
    target = vit("deit_tiny_distilled_patch16_224")
    torch.save({"model": source.state_dict()}, tmp_path / "deit.pth")
    fill(target, read_weights(tmp_path / "deit.pth"), source=tmp_path)
    assert torch.equal(target.state_dict()["dist_token"], source.state_dict()["dist_token"])
    assert target.state_dict()["pos_embed"].shape == (1, 2 + 16, 32)


def clip(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The image half of OpenAI's CLIP for a ViT of one block, and a word of the text half."""
    block = "transformer.resblocks.0"
    names = {
        "cls_token": "class_embedding",
        "pos_embed": "positional_embedding",
        "patch_embed.proj": "conv1",
        "norm_pre": "ln_pre",
        "norm": "ln_post",
        "blocks.0.norm1": f"{block}.ln_1",
        "blocks.0.norm2": f"{block}.ln_2",
        "blocks.0.attn.qkv.": f"{block}.attn.in_proj_",
        "blocks.0.attn.proj": f"{block}.attn.out_proj",
        "blocks.0.mlp.fc1": f"{block}.mlp.c_fc",
        "blocks.0.mlp.fc2": f"{block}.mlp.c_proj",
    }
    found = {"token_embedding.weight": torch.ones(2, 2), "visual.proj": torch.ones(32, 4)}
    for key, value in own.items():
        start = max((name for name in names if key.startswith(name)), key=len)
        found["visual." + key.replace(start, names[start], 1)] = value
    found["visual.class_embedding"] = own["cls_token"].flatten()
    found["visual.positional_embedding"] = own["pos_embed"][0]
    return found


def test_clip_is_read_by_its_image_half(tmp_path: Path) -> None:
    torch.manual_seed(0)
    target = build(32, "vit_base_patch16_clip_224", **SMALL).model
    source = build(32, "vit_base_patch16_clip_224", **SMALL).model
    fill(target, clip(source.state_dict()), source=tmp_path)
    for key, value in source.state_dict().items():
        torch.testing.assert_close(target.state_dict()[key], value, msg=key)


@pytest.mark.parametrize("name", OFFICIAL)
@pytest.mark.parametrize("size", [32, 48])
def test_a_rehearsal_without_memory_reads_them_too(name: str, size: int, tmp_path: Path) -> None:
    torch.save(OFFICIAL[name](vit(size=size).state_dict()), tmp_path / "given.pth")
    with torch.device("meta"):
        fill(vit(), read_weights(tmp_path / "given.pth"), source=tmp_path)


def test_a_run_stands_for_its_encoder(tmp_path: Path) -> None:
    table = {name: value.contiguous() for name, value in vit().state_dict().items()}
    (tmp_path / "run" / "encoder").mkdir(parents=True)
    save_file(table, tmp_path / "run" / "encoder" / "model.safetensors")
    for path in (tmp_path / "run", tmp_path / "run" / "encoder"):
        assert read_weights(path).keys() == table.keys()


@pytest.mark.filterwarnings("ignore")  # torch says that TorchScript is old
def test_a_program_is_refused_and_never_run(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), str(tmp_path / "clip.pt"))
    with pytest.raises(DataError, match="are a TorchScript program, and running code of a file is refused"):
        read_weights(tmp_path / "clip.pt")
