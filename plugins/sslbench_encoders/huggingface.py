"""Vision towers of the transformers package, from a folder on the disk; no code of the folder is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from torch import Tensor, nn
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from ssl_bench import EncoderSpec, Options
from ssl_bench.errors import DataError, shortened
from ssl_bench.plugin.encoders import BaseEncoder, Features, Grey, check_finite, read_json
from ssl_bench.plugin.preprocessing import Preprocessing, preprocessing_of

TOWERS = {"clip": "CLIPVisionModel", "siglip": "SiglipVisionModel", "siglip2": "Siglip2VisionModel"}
"""Two-tower models, of which the image side alone is read."""

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"

RESAMPLING = ("nearest", "lanczos", "bilinear", "bicubic")
"""Pillow's numbers of its filters, as folders state them."""


class HuggingFace(BaseEncoder):
    """An encoder of the transformers package; pooled is the class token after the last norm where there is one.

    Args:
        options: none.
        path: folder with ``config.json``, weights and ``preprocessor_config.json``.
        card: what is known of it.

    Raises:
        DataError: the folder lacks a file or weights, needs code of its own, or its weights do not fit.
    """

    def __init__(self, options: Options, path: Path, card: EncoderSpec) -> None:
        config = read_json(path / CONFIG, "a transformers folder")
        model = read_model(path, config)
        self._processor, preprocessing = read_processor(path, card)
        inner = cast("Any", model).config
        patch = getattr(inner, "patch_size", 0)
        self._interpolates = "interpolate_pos_encoding" in type(model).forward.__code__.co_varnames
        self._prefix = 1 + int(getattr(inner, "num_register_tokens", 0) or 0)
        self._hierarchical = not hasattr(inner, "num_attention_heads") or isinstance(patch, list | tuple)
        self._hierarchical |= str(config.get("model_type", "")).startswith(("swin", "convnext", "resnet"))
        self._attention = str(config.get("model_type", "")).startswith("siglip")
        own = self._hierarchical or self._attention or bool(getattr(inner, "use_mean_pooling", False))
        pooling = card.pooling or ("own" if own else "class")
        patch = 0 if self._hierarchical or not isinstance(patch, int) else patch
        super().__init__(model, preprocessing, pooling=pooling, patch_size=patch, multiple=patch)

    def prepare(self, grey: Grey) -> Tensor:
        """The input that the publisher's image processor makes."""
        if self._processor is None:
            return super().prepare(grey)
        image = np.repeat(grey[:, :, None], 3, axis=2)
        return cast("Tensor", self._processor(images=image, return_tensors="pt")["pixel_values"][0])

    def features(self, images: Tensor) -> Features:
        """Tokens, class token and the tower's own pooled output."""
        size = images.shape[-1]
        resized = {"interpolate_pos_encoding": True} if self._interpolates and size != self._own.size else {}
        found = self.model(pixel_values=images, **resized)
        rows, pooled = found.last_hidden_state, getattr(found, "pooler_output", None)
        if self._hierarchical:
            tokens = rows.flatten(2).transpose(1, 2) if rows.ndim == 4 else rows
            return Features(tokens, own=None if pooled is None else pooled.flatten(1))
        if self._attention:
            return Features(rows, own=pooled)
        # CLIP norms its class token in the pooled output alone.
        first = pooled if str(getattr(self.model.config, "model_type", "")).startswith("clip") else rows[:, 0]
        return Features(rows[:, self._prefix :], first, pooled)


def read_model(path: Path, config: dict[str, Any]) -> nn.Module:
    """The image tower of a folder, every weight accounted for.

    Raises:
        DataError: as :class:`HuggingFace`.
    """
    kind = str(config.get("model_type", ""))
    if config.get("auto_map"):
        raise DataError(
            f"{path} needs code of its own (auto_map), which is never run; give weights in a class of transformers"
        )
    if kind not in CONFIG_MAPPING:
        raise DataError(f"{path} holds a model of type '{kind}', which transformers {transformers.__version__} lacks")
    loader: Any = getattr(transformers, TOWERS.get(kind.removesuffix("_vision_model"), "AutoModel"))
    pickled = [file.name for file in path.glob("*.bin")]
    if pickled and not list(path.glob("*.safetensors")):
        raise DataError(f"{path} holds pickled weights ({shortened(pickled)}); convert them to model.safetensors")
    transformers.utils.logging.disable_progress_bar()
    try:
        model, told = loader.from_pretrained(
            path, output_loading_info=True, local_files_only=True, trust_remote_code=False, use_safetensors=True,
            dtype=torch.float32,
        )  # fmt: skip
    except Exception as error:  # the package raises whatever its readers do
        raise DataError(f"{path} cannot be read by transformers: {' '.join(str(error).split())[:300]}") from None
    # Some towers bring a pooler that their checkpoints do not have and that is not used here.
    missing = sorted(key for key in told["missing_keys"] if "pooler" not in key or kind.startswith("siglip"))
    wrong = sorted(str(key) for key in told.get("mismatched_keys", ()))
    if missing or wrong:
        raise DataError(
            f"the weights of {path} do not fill a '{kind}' ({shortened([*missing, *wrong], 5)} missing or of another "
            "shape); give the folder as published"
        )
    check_finite(model.state_dict(), path)
    return cast("nn.Module", model)


def read_processor(path: Path, card: EncoderSpec) -> tuple[Any, Preprocessing]:
    """The folder's image processor with what it does, or what the card knows.

    Raises:
        DataError: neither says it, or it cannot be read.
    """
    if not (path / PROCESSOR).is_file():
        if not card.preprocessing:
            raise DataError(
                f"{path} does not say what its encoder expects: {PROCESSOR} is not there; add the publisher's file"
            )
        return None, preprocessing_of(card.preprocessing, path)
    stated = read_json(path / PROCESSOR, "a transformers folder")
    try:
        processor = cast("Any", transformers).AutoImageProcessor.from_pretrained(path, local_files_only=True)
    except Exception as error:
        raise DataError(f"{path / PROCESSOR} cannot be read: {' '.join(str(error).split())[:300]}") from None
    return processor, described(processor, stated, path)


def described(processor: Any, stated: dict[str, Any], path: Path) -> Preprocessing:
    """What an image processor does, for what is not prepared by itself (crops, overrides) and for the record."""

    def asked(name: str, default: Any) -> Any:
        value = getattr(processor, name, None)
        return stated.get(name, default) if value is None else value

    size, crop = sides(asked("size", 224)), sides(asked("crop_size", 0)) if asked("do_center_crop", False) else (0, 0)
    final = crop[0] or size[0]
    normal = asked("do_normalize", True)
    fit = "crop" if crop[0] or size[1] == 0 else "squash"
    values = {
        "size": final,
        "mean": tuple(asked("image_mean", None) or (0.0,) * 3) if normal else (0.0,) * 3,
        "std": tuple(asked("image_std", None) or (1.0,) * 3) if normal else (1.0,) * 3,
        "high": 255 * float(asked("rescale_factor", 1 / 255)) if asked("do_rescale", True) else 255.0,
        "interpolation": RESAMPLING[int(asked("resample", 2))],
        "fit": fit,
        "resize": size[0] if fit == "crop" else 0,
    }
    return preprocessing_of(values, path / PROCESSOR)


def sides(value: Any) -> tuple[int, int]:
    """Height and width of a size as folders state it; width 0 where the short side alone is said."""
    if isinstance(value, int):
        return value, 0
    if isinstance(value, list | tuple):
        return int(value[0]), int(value[-1])
    found = {key: getattr(value, key, None) for key in ("shortest_edge", "height", "width")}
    found |= {key: item for key, item in dict(value).items() if item} if not hasattr(value, "shortest_edge") else {}
    if found["shortest_edge"]:
        return int(found["shortest_edge"]), 0
    return int(found["height"] or 0), int(found["width"] or 0)
