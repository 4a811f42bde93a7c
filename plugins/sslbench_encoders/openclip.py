"""Image towers of the open_clip package, from a folder or a weights file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import open_clip
from PIL import Image
from torch import Tensor, nn

from ssl_bench import EncoderSpec
from ssl_bench.errors import DataError, UsageError, unknown
from ssl_bench.plugin.encoders import BaseEncoder, Features, Grey, fill_whole, read_json, read_tensors
from ssl_bench.plugin.preprocessing import Preprocessing
from sslbench_encoders.options import ModelOptions

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")


class OpenClip(BaseEncoder):
    """The image tower of an open_clip model; pooled is its projected image feature.

    Args:
        options: the model's name, where ``path`` is a file of weights alone.
        path: a folder with ``open_clip_config.json`` and weights, or a weights file.
        card: what is known of it.

    Raises:
        UsageError: a weights file alone, and no model or one that open_clip lacks.
        DataError: the folder or the weights cannot be read, or do not fit.
    """

    def __init__(self, options: ModelOptions, path: Path, card: EncoderSpec) -> None:
        model, weights, how = described(options, path)
        loaded = {name: value for name, value in read_tensors(weights).items() if name.startswith("visual.")}
        if not loaded:
            raise DataError(f"{weights} holds no image tower (keys that begin with visual.); give weights of open_clip")
        fill_whole(model, {name.removeprefix("visual."): value for name, value in loaded.items()}, weights)
        self._transform = open_clip.transform.image_transform_v2(how, is_train=False)
        size = how.size[0] if isinstance(how.size, tuple) else how.size
        fit = {"shortest": "crop", "longest": "pad", "squash": "squash"}[how.resize_mode]
        preprocessing = Preprocessing(
            int(size), tuple(how.mean), tuple(how.std), interpolation=how.interpolation, fit=cast("Any", fit)
        )
        super().__init__(model, preprocessing, pooling=card.pooling or "own")

    def prepare(self, grey: Grey) -> Tensor:
        """The input that open_clip's own transform makes."""
        return cast("Tensor", self._transform(Image.fromarray(grey).convert("RGB")))

    def features(self, images: Tensor) -> Features:
        """The tower's output."""
        found = self.model(images)
        return Features(own=found[0] if isinstance(found, tuple) else found)


def described(options: ModelOptions, path: Path) -> tuple[nn.Module, Path, Any]:
    """The empty tower, where its weights lie, and what it expects.

    Raises:
        UsageError: as :class:`OpenClip`.
        DataError: the folder lacks a file.
    """
    if path.is_dir():
        stated = read_json(path / CONFIG, "an open_clip folder")
        if "model_cfg" not in stated:
            raise DataError(f"{path / CONFIG} lacks model_cfg; give the folder as published")
        weights = next((path / name for name in WEIGHTS if (path / name).is_file()), path / WEIGHTS[0])
        shape, how = stated["model_cfg"], stated.get("preprocess_cfg", {})
    else:
        if options.model not in open_clip.list_models():
            raise UsageError(
                f"{path.name} does not say its architecture; add --set backbone.encoder.model=NAME "
                f"({unknown('open_clip model', options.model, open_clip.list_models())})"
            )
        weights, shape, how = path, open_clip.get_model_config(options.model), {}
    try:
        build = cast("Any", open_clip.model)._build_vision_tower
        quick = bool(shape.get("quick_gelu", False))
        tower = build(shape["embed_dim"], shape["vision_cfg"], quick)
    except Exception as error:
        raise DataError(f"{path} describes a model that open_clip cannot build: {error}") from None
    size = shape["vision_cfg"].get("image_size", 224)
    return tower, weights, open_clip.transform.PreprocessCfg(**{"size": size, **how})
