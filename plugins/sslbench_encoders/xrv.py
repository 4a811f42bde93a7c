"""DenseNets and ResNets of the torchxrayvision package, from a weights file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torchxrayvision
from torch import Tensor, nn
from torch.nn import functional

from ssl_bench import EncoderSpec
from ssl_bench.errors import DataError
from ssl_bench.plugin.encoders import BaseEncoder, Features, Grey, fill_whole, read_tensors
from ssl_bench.plugin.preprocessing import Preprocessing
from sslbench_encoders.options import XrvOptions

HALF_RANGE = 1024.0
"""The package maps black and white to minus and plus this."""


class TorchXRayVision(BaseEncoder):
    """A classifier of torchxrayvision without its head: one channel in [-1024, 1024].

    Released DenseNets are pickled models of the package; they are read with its own classes allowed and nothing else,
    so that no other code runs.

    Args:
        options: network and size.
        path: the weights file, a pickled model of the package or a table of tensors.
        card: what is known of it.

    Raises:
        DataError: the file cannot be read, or holds another network.
    """

    def __init__(self, options: XrvOptions, path: Path, card: EncoderSpec) -> None:
        dense = options.architecture == "densenet121"
        size = options.size or (224 if dense else 512)
        package = cast("Any", torchxrayvision)
        weights = dict(read_tensors(path, classes()))
        if dense:
            shape = shape_of(weights, path)
            model = package.models.DenseNet(**shape)
            weights.pop("op_threshs", None)
        else:
            model = torch_resnet()
            weights = {name.removeprefix("model."): value for name, value in weights.items() if name != "op_threshs"}
        fill_whole(model, weights, path)
        self.dense = dense
        crop, resize = package.datasets.XRayCenterCrop(), package.datasets.XRayResizer(size)
        self._transform: Callable[[Any], Any] = lambda picture: resize(crop(picture))
        preprocessing = Preprocessing(size, (0.0,), (1.0,), -HALF_RANGE, HALF_RANGE)
        super().__init__(model, preprocessing, pooling=card.pooling or "mean")

    def prepare(self, grey: Grey) -> Tensor:
        """The input that the package's own scaling, crop and resize make."""
        scaled = cast("Any", torchxrayvision).datasets.normalize(grey.astype(np.float32), 255)
        return torch.from_numpy(np.asarray(self._transform(scaled[None]), dtype=np.float32))

    def features(self, images: Tensor) -> Features:
        """The last map, of which the mean is what the package's head reads."""
        model = cast("Any", self.model)
        if self.dense:
            found = functional.relu(model.features(images))
        else:
            found = model.maxpool(model.relu(model.bn1(model.conv1(images))))
            for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
                found = layer(found)
        return Features(found.flatten(2).transpose(1, 2))


def classes() -> list[Any]:
    """Everything that a released DenseNet consists of."""
    package = cast("Any", torchxrayvision).models
    layers = [nn.Sequential, nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.Linear]
    return [package.DenseNet, package._DenseBlock, package._DenseLayer, package._Transition, *layers]


def shape_of(weights: dict[str, Tensor], path: Path) -> dict[str, Any]:
    """Widths and depths of a DenseNet, as its weights have them.

    Raises:
        DataError: they are none of a DenseNet of the package.
    """
    try:
        first = weights["features.conv0.weight"]
        growth = weights["features.denseblock1.denselayer1.conv2.weight"].shape[0]
        inner = weights["features.denseblock1.denselayer1.conv1.weight"].shape[0]
        depths = [
            sum(name.startswith(f"features.denseblock{block}.") and name.endswith(".conv1.weight") for name in weights)
            for block in range(1, 5)
        ]
        classes_ = weights["classifier.weight"].shape[0]
    except KeyError as error:
        raise DataError(f"{path} holds no DenseNet of torchxrayvision: it lacks {error}; is it a ResNet? add "
                        "--set backbone.encoder.architecture=resnet50") from None  # fmt: skip
    blocks = tuple(depth for depth in depths if depth)
    return {"growth_rate": growth, "block_config": blocks, "bn_size": inner // growth, "num_classes": classes_,
            "num_init_features": first.shape[0], "in_channels": first.shape[1]}  # fmt: skip


def torch_resnet() -> nn.Module:
    """The ResNet-50 that the package wraps, one channel and 18 outputs."""
    import torchvision

    model = torchvision.models.resnet50(num_classes=18, weights=None)
    model.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    return cast("nn.Module", model)
