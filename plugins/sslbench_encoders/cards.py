"""What is known of the encoders that the field compares; docs/encoders.md has it as a table. Nothing heavy here."""

from __future__ import annotations

from typing import Any

from ssl_bench.plugin.preprocessing import CLIP, HALF, IMAGENET


def expects(size: int, mean: tuple[float, ...], std: tuple[float, ...], **more: Any) -> dict[str, Any]:
    """Preprocessing of an encoder whose folder states none."""
    return {"size": size, "mean": mean, "std": std, "interpolation": "bicubic", **more}


def imagenet(size: int, **more: Any) -> dict[str, Any]:
    """Preprocessing with ImageNet's statistics."""
    return expects(size, *IMAGENET, **more)


def dino(version: int, size: int, **facts: Any) -> dict[str, Any]:
    """A DINOv2 or DINOv3 encoder in the transformers layout."""
    licence = "Apache-2.0" if version == 2 else "DINOv3 License"
    data = ("LVD-142M",) if version == 2 else ("LVD-1689M",)
    return {"reader": "hf", "preprocessing": imagenet(size), "licence": licence, "trained_on": data, **facts}


def xrv(*data: str, size: int = 224) -> dict[str, Any]:
    """A torchxrayvision DenseNet that was trained on some datasets."""
    return {
        "reader": "xrv",
        "summary": f"DenseNet-121 of torchxrayvision, trained on the labels of {', '.join(data)}",
        "licence": "Apache-2.0 (code); terms of the training sets hold for the weights",
        "source": "torchxrayvision 1.5, models.py",
        "trained_on": data,
        "preprocessing": {"size": size, "mean": (0.0,), "std": (1.0,), "low": -1024.0, "high": 1024.0},
        "verified": True,  # size, range and training sets are stated by the package that reads the file
    }


def eva_x(size: str) -> dict[str, Any]:
    """An EVA-X encoder: EVA-02 with patches of 16 px."""
    return {
        "reader": "timm",
        "defaults": {
            "model": f"eva02_{size}_patch14_224",
            "arguments": {"patch_size": 16, "ref_feat_shape": [14, 14]},
        },
        "summary": f"EVA-X: EVA-02 ({size}, patches of 16 px) pretrained by masked modelling of chest X-rays",
        "licence": "MIT",
        "source": "arXiv 2405.05237; its classification code",
        "trained_on": ("nih14", "chexpert", "mimic-cxr"),
        "preprocessing": expects(224, (0.49185243,) * 3, (0.28509309,) * 3, resize=256),
    }


def imagenet_vit(size: str, letter: str) -> dict[str, Any]:
    """A ViT of timm with labels of natural images; its statistics are those of its own configuration."""
    return {
        "reader": "timm",
        "defaults": {"model": f"vit_{size}_patch16_224"},
        "summary": f"ViT-{letter}/16 of timm, trained on the labels of ImageNet-21k and ImageNet-1k",
        "licence": "Apache-2.0",
        "source": "arXiv 2106.10270",
        "trained_on": ("ImageNet-21k", "ImageNet-1k"),
    }


CARDS: dict[str, dict[str, Any]] = {
    "rad-dino": {
        "reader": "hf",
        "summary": "RAD-DINO: DINOv2 ViT-B/14 continued on chest X-rays",
        "preprocessing": expects(518, (0.5307,) * 3, (0.2583,) * 3),
        "licence": "MSRLA",
        "source": "arXiv 2401.10815",
        "trained_on": ("mimic-cxr", "chexpert", "nih14", "padchest", "brax"),
    },
    "dinov2-small": dino(2, 224, summary="DINOv2 ViT-S/14", source="arXiv 2304.07193"),
    "dinov2-base": dino(2, 224, summary="DINOv2 ViT-B/14", source="arXiv 2304.07193"),
    "dinov2-large": dino(2, 224, summary="DINOv2 ViT-L/14", source="arXiv 2304.07193"),
    "dinov3-small": dino(3, 224, summary="DINOv3 ViT-S/16", source="arXiv 2508.10104"),
    "dinov3-base": dino(3, 224, summary="DINOv3 ViT-B/16", source="arXiv 2508.10104"),
    "dinov3-large": dino(3, 224, summary="DINOv3 ViT-L/16", source="arXiv 2508.10104"),
    "biomedclip": {
        "reader": "openclip",
        "summary": "BiomedCLIP: ViT-B/16 trained on figures of articles with their captions",
        "licence": "MIT",
        "source": "arXiv 2303.00915",
        "trained_on": ("PMC-15M",),
        "preprocessing": expects(224, *CLIP),
    },
    "medsiglip": {
        "reader": "hf",
        "summary": "MedSigLIP: SigLIP-400M continued on medical images",
        "licence": "Health AI Developer Foundations terms",
        "source": "arXiv 2507.05201",
        "trained_on": None,
        "preprocessing": expects(448, *HALF, interpolation="bilinear", fit="squash"),
    },
    "medimageinsight": {
        "reader": "timm",
        "summary": "MedImageInsight: DaViT trained on medical images with text; its image tower as a timm folder",
        "licence": "see its model card",
        "source": "arXiv 2410.06542",
        "trained_on": None,
        "preprocessing": imagenet(480, fit="squash"),
    },
    "ark-plus": {
        "reader": "timm",
        "defaults": {"model": "swin_large_patch4_window12_384", "arguments": {"img_size": 768}},
        "summary": "Ark+: Swin-L at 768 px trained on the labels of six chest X-ray datasets",
        "licence": "non-commercial",
        "source": "Nature 2025, s41586-025-09079-8",
        "trained_on": ("nih14", "chexpert", "mimic-cxr", "vindr-cxr", "rsna-pneumonia", "shenzhen"),
        "preprocessing": imagenet(768),
    },
    "eva-x-tiny": eva_x("tiny"),
    "eva-x-small": eva_x("small"),
    "eva-x-base": eva_x("base"),
    "chexfound": {
        "reader": "timm",
        "defaults": {
            "model": "vit_large_patch14_dinov2",
            "arguments": {"patch_size": 16, "img_size": 512, "dynamic_img_size": True},
        },
        "summary": "CheXFound: DINOv2 ViT-L/16 at 512 px, pretrained on a million public chest X-rays",
        "licence": "none found",
        "source": "arXiv 2502.05142",
        "trained_on": None,
        "preprocessing": imagenet(512),
    },
    "imagenet-vit-tiny": imagenet_vit("tiny", "Ti"),
    "imagenet-vit-small": imagenet_vit("small", "S"),
    "imagenet-vit-base": imagenet_vit("base", "B"),
    "xrv-densenet121-all": xrv("nih14", "padchest", "chexpert", "mimic-cxr", "google-nih", "openi", "rsna-pneumonia"),
    "xrv-densenet121-nih": xrv("nih14"),
    "xrv-densenet121-chex": xrv("chexpert"),
    "xrv-densenet121-mimic": xrv("mimic-cxr"),
    "xrv-densenet121-pc": xrv("padchest"),
    "xrv-densenet121-rsna": xrv("rsna-pneumonia"),
}
