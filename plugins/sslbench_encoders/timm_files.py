"""Encoders of the timm package, from a folder or a weights file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import timm
from PIL import Image
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform
from timm.models import clean_state_dict
from torch import Tensor, nn

from ssl_bench import EncoderSpec
from ssl_bench.errors import DataError, UsageError, shortened, unknown
from ssl_bench.plugin.encoders import BaseEncoder, Features, Grey, check_finite, read_json, read_tensors
from ssl_bench.plugin.preprocessing import preprocessing_of
from sslbench_encoders.options import ModelOptions


class TimmFile(BaseEncoder):
    """A timm model without its classifier, with the pooling and statistics of its configuration.

    Args:
        options: the architecture, where ``path`` is a file of weights alone.
        path: a folder with ``config.json`` (a hub download, a run's encoder), or a weights file.
        card: what is known of it.

    Raises:
        UsageError: a weights file alone, and no architecture or one that timm lacks.
        DataError: the folder or the weights cannot be read, or do not fit.
    """

    def __init__(self, options: ModelOptions, path: Path, card: EncoderSpec) -> None:
        model, stated = opened(options, path)
        data = {**resolve_data_config({}, pretrained_cfg=stated, model=model), "crop_mode": "center"}
        data |= {"mean": tuple(stated["mean"]), "std": tuple(stated["std"])} if "mean" in stated else {}
        size, channels = int(data["input_size"][-1]), int(data["input_size"][0])
        known = {"mean": data["mean"], "std": data["std"], "interpolation": str(data["interpolation"])}
        preprocessing = preprocessing_of(
            {**known, "size": size, "resize": int(size / data["crop_pct"]), **card.preprocessing}, path
        )
        self._transform: Any = None
        if not card.preprocessing and data["interpolation"] != "random":
            self._transform = create_transform(**data, is_training=False)
        self._grey = channels == 1
        super().__init__(model, preprocessing, pooling=card.pooling or "own", patch_size=patch_of(model))

    def prepare(self, grey: Grey) -> Tensor:
        """The input that timm's own evaluation transform makes."""
        if self._transform is None:
            return super().prepare(grey)
        image = Image.fromarray(grey)
        return cast("Tensor", self._transform(image if self._grey else image.convert("RGB")))

    def features(self, images: Tensor) -> Features:
        """Tokens, class token and what the model's own head pools."""
        model = cast("Any", self.model)
        rows = model.forward_features(images)
        pooled = model.forward_head(rows, pre_logits=True)
        if rows.ndim == 4:
            channels_last = rows.shape[-1] == model.num_features and rows.shape[1] != model.num_features
            tokens = rows.flatten(1, 2) if channels_last else rows.flatten(2).transpose(1, 2)
            return Features(tokens, own=pooled)
        prefix = int(getattr(model, "num_prefix_tokens", 0))
        return Features(rows[:, prefix:], rows[:, 0] if prefix else None, pooled)


def is_vit(model: nn.Module) -> bool:
    """Whether the model gives a sequence with a class token."""
    return int(getattr(model, "num_prefix_tokens", 0)) > 0


def patch_of(model: Any) -> int:
    """Side of a patch in px, 0 where the model has no plain sequence."""
    size = getattr(getattr(model, "patch_embed", None), "patch_size", 0)
    return int(size[0] if isinstance(size, tuple | list) else size or 0) if is_vit(model) else 0


def opened(options: ModelOptions, path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The model with its weights, and what its configuration says of its input.

    Raises:
        UsageError: as :class:`TimmFile`.
        DataError: the weights cannot be read, or do not fit.
    """
    if path.is_dir():
        config = read_json(path / "config.json", "a timm folder")
        name, arguments = str(config.get("architecture", "")), dict(config.get("model_args") or {})
        pooled = {"global_pool": config["global_pool"]} if config.get("global_pool") else {}
        arguments = {**pooled, **arguments}
        stated = dict(config.get("pretrained_cfg") or {})
        weights = path / "model.safetensors"
    else:
        name, arguments, weights = options.model, dict(options.arguments), path
        stated = {}
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:10] if name else []
        raise UsageError(
            f"{path.name} does not say its architecture; add --set backbone.encoder.model=NAME "
            f"({unknown('timm model', name, near or ['vit_base_patch16_224'])})"
        )
    model = created(name, arguments)
    stated = {**cast("Any", model).pretrained_cfg, **stated}
    fill(model, read_tensors(weights), weights)
    return model, stated


def created(name: str, arguments: dict[str, Any]) -> nn.Module:
    """An empty timm model without classifier.

    Raises:
        DataError: timm refuses the arguments.
    """
    try:
        return timm.create_model(name, pretrained=False, **{**arguments, "num_classes": 0})
    except (TypeError, AssertionError, RuntimeError, ValueError) as error:
        raise DataError(f"timm's '{name}' cannot be built with {arguments}: {error}") from None


def fill(model: nn.Module, weights: dict[str, Tensor], source: Path) -> None:
    """Put weights into a timm model by the package's own filter; a classifier's are left aside.

    Raises:
        DataError: keys are missing, left over or of another shape, or values are not finite.
    """
    check_finite(weights, source)
    module = __import__(type(model).__module__, fromlist=["checkpoint_filter_fn"])
    adapt = getattr(module, "checkpoint_filter_fn", None)
    fitted = dict(adapt(dict(weights), model)) if adapt else dict(weights)
    try:
        told = model.load_state_dict(clean_state_dict(fitted), strict=False)
    except RuntimeError as error:
        raise DataError(
            f"the weights of {source} do not fit the encoder: {' '.join(str(error).split())[:300]}"
        ) from None
    extra = [name for name in told.unexpected_keys if not name.startswith(HEADS)]
    if told.missing_keys or extra:
        raise DataError(
            f"the weights of {source} do not fit a {type(model).__name__} (missing: "
            f"{shortened(told.missing_keys, 5) or 'none'}; left over: {shortened(extra, 5) or 'none'}); name the "
            "architecture they were made for"
        )


HEADS = ("head.", "fc.", "classifier.", "head_dist.", "mask_token")
"""Keys of a classifier, which an encoder has no use for."""
