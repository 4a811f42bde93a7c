"""Options of the readers. Nothing heavy is imported here."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ssl_bench import Options


class ModelOptions(Options):
    """Options of ``timm`` and ``openclip``."""

    model: str = Field("", description="name of the architecture, where the file itself does not say it")
    arguments: dict[str, Any] = Field(default_factory=dict, description="further arguments of a timm architecture")


class XrvOptions(Options):
    """Options of ``xrv``."""

    architecture: Literal["densenet121", "resnet50"] = Field("densenet121", description="network of the file")
    size: int = Field(0, ge=0, description="px of its input; 0: 224 of a DenseNet, 512 of a ResNet")


class ExportedOptions(Options):
    """Options of ``torchscript`` and ``onnx``; what is empty here comes from ``preprocessing.json`` beside the file."""

    size: int = Field(0, ge=0, description="px of the input")
    mean: tuple[float, ...] = Field((), description="of each channel, on the scale of low and high")
    std: tuple[float, ...] = Field((), description="of each channel")
    low: float = Field(0.0, description="value of a black pixel")
    high: float = Field(1.0, description="value of a white pixel")
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = Field("bilinear", description="of the resize")
    fit: Literal["crop", "pad", "squash"] = Field("crop", description="how a picture becomes square")
    output: str = Field("", description="name of the ONNX output to take; empty: the first")
    sequence: Literal["", "class", "mean"] = Field(
        "", description="of an output (B, N, D): its first token, or the mean"
    )
