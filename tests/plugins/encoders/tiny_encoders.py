"""Tiny encoders with random weights, made by the publishers' packages.

``python tests/plugins/encoders/tiny_encoders.py FOLDER`` writes all of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn


def vit(folder: Path) -> Path:
    """A ViT of transformers."""
    import transformers as hf

    config = hf.ViTConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
                          image_size=48, patch_size=8)  # fmt: skip
    hf.ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    hf.ViTImageProcessor(size={"height": 48, "width": 48}).save_pretrained(folder)
    return folder


def dinov2(folder: Path) -> Path:
    """A DINOv2 of transformers with RAD-DINO's statistics and crop."""
    import transformers as hf

    config = hf.Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=70, patch_size=14)
    hf.Dinov2Model(config).save_pretrained(folder)
    hf.BitImageProcessor(size={"shortest_edge": 70}, crop_size={"height": 56, "width": 56},
                         image_mean=[0.5307] * 3, image_std=[0.2583] * 3).save_pretrained(folder)  # fmt: skip
    return folder


def dinov3(folder: Path) -> Path:
    """A DINOv3 of transformers, with register tokens."""
    import transformers as hf

    config = hf.DINOv3ViTConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
                                image_size=48, patch_size=16, num_register_tokens=4)  # fmt: skip
    hf.DINOv3ViTModel(config).save_pretrained(folder)
    hf.DINOv3ViTImageProcessor(size={"height": 48, "width": 48}).save_pretrained(folder)
    return folder


def clip(folder: Path) -> Path:
    """A CLIP of transformers, both towers, as it is published."""
    import transformers as hf

    tower = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    image = {**tower, "image_size": 32, "patch_size": 8}
    config = hf.CLIPConfig(text_config={**tower, "vocab_size": 99}, vision_config=image, projection_dim=16)
    hf.CLIPModel(config).save_pretrained(folder)
    hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def siglip(folder: Path) -> Path:
    """A SigLIP of transformers, both towers."""
    import transformers as hf

    tower = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    image = {**tower, "image_size": 32, "patch_size": 8}
    config = hf.SiglipConfig(text_config={**tower, "vocab_size": 99}, vision_config=image)
    hf.SiglipModel(config).save_pretrained(folder)
    hf.SiglipImageProcessor(size={"height": 32, "width": 32}, image_mean=[0.5] * 3,
                            image_std=[0.5] * 3).save_pretrained(folder)  # fmt: skip
    return folder


def swin(folder: Path) -> Path:
    """A Swin transformer of transformers."""
    import transformers as hf

    config = hf.SwinConfig(image_size=32, patch_size=2, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4)
    hf.SwinModel(config).save_pretrained(folder)
    hf.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def beit(folder: Path) -> Path:
    """A BEiT of transformers."""
    import transformers as hf

    config = hf.BeitConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
                           image_size=32, patch_size=8, use_relative_position_bias=True)  # fmt: skip
    hf.BeitModel(config).save_pretrained(folder)
    hf.BeitImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def openclip(folder: Path) -> Path:
    """An open_clip folder as the hub has them."""
    import open_clip
    from safetensors.torch import save_file

    shape = {"embed_dim": 16, "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
             "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8}}  # fmt: skip
    model = open_clip.CLIP(**shape)
    folder.mkdir(parents=True, exist_ok=True)
    how = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711],
           "interpolation": "bicubic", "resize_mode": "shortest"}  # fmt: skip
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": shape, "preprocess_cfg": how}))
    save_file({name: value.clone().contiguous() for name, value in model.state_dict().items()},
              folder / "open_clip_model.safetensors")  # fmt: skip
    return folder


def xrv(folder: Path) -> Path:
    """A DenseNet of torchxrayvision, pickled whole as its releases are."""
    import torchxrayvision

    folder.mkdir(parents=True, exist_ok=True)
    model = torchxrayvision.models.DenseNet(growth_rate=8, block_config=(2, 2, 2, 2), num_init_features=16)
    torch.save(model, folder / "densenet.pt")
    return folder / "densenet.pt"


def timm_vit(folder: Path) -> Path:
    """A timm ViT as a folder of the hub."""
    return _timm(folder, "vit_tiny_patch16_224", img_size=48, patch_size=8, embed_dim=32, depth=2, num_heads=2)


def timm_eva(folder: Path) -> Path:
    """An EVA-02 with rotary positions as a folder of the hub."""
    return _timm(folder, "eva02_tiny_patch14_224", img_size=56, embed_dim=48, depth=2, num_heads=3)


def timm_convnext(folder: Path) -> Path:
    """A ConvNeXt as a folder of the hub."""
    return _timm(folder, "convnext_atto", size=64, depths=(1, 1, 1, 1), dims=(8, 16, 24, 32))


def _timm(folder: Path, name: str, size: int = 0, **arguments: Any) -> Path:
    import timm
    from timm.models import save_for_hf

    model = timm.create_model(name, num_classes=0, **arguments)
    side = size or arguments["img_size"]
    model.pretrained_cfg = {**model.pretrained_cfg, "input_size": (3, side, side), "crop_pct": 0.9, "num_classes": 0}
    model.pretrained_cfg.pop("fixed_input_size", None)
    save_for_hf(model, folder, model_args=arguments, safe_serialization=True)
    return folder


class Small(nn.Module):
    """A CNN that gives a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(B, 1, S, S)`` to ``(B, 12)``."""
        return self.body(images).mean((2, 3))


STATED = {"size": 32, "mean": [0.5], "std": [0.25]}


def torchscript(folder: Path) -> Path:
    """A scripted CNN with its preprocessing beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.jit.trace(Small().eval(), torch.zeros(2, 1, 32, 32)).save(str(folder / "small.pt"))
    (folder / "preprocessing.json").write_text(json.dumps(STATED))
    return folder / "small.pt"


def onnx(folder: Path) -> Path:
    """The same network as an ONNX file for any number of images."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(Small().eval(), (torch.zeros(2, 1, 32, 32),), str(folder / "small.onnx"), input_names=["images"],
                      dynamic_axes={"images": {0: "batch"}}, dynamo=False)  # fmt: skip
    (folder / "preprocessing.json").write_text(json.dumps(STATED))
    return folder / "small.onnx"


MAKERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "vit": ("hf", vit), "dinov2": ("hf", dinov2), "dinov3": ("hf", dinov3), "clip": ("hf", clip),
    "siglip": ("hf", siglip), "swin": ("hf", swin), "beit": ("hf", beit), "openclip": ("openclip", openclip),
    "xrv": ("xrv", xrv), "timm-vit": ("timm", timm_vit), "timm-eva": ("timm", timm_eva),
    "timm-convnext": ("timm", timm_convnext), "torchscript": ("torchscript", torchscript), "onnx": ("onnx", onnx),
}  # fmt: skip
"""By name: the reader that opens it, and what makes it in an empty folder."""


def main(folder: Path) -> None:
    """Make all of them."""
    for name, (reader, make) in MAKERS.items():
        torch.manual_seed(0)
        print(f"{reader}={make(folder / name)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
