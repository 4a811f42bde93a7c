"""Readers of public encoders' files, and the encoders that the field compares. A new one is a few lines here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ssl_bench import Component, EncoderSpec, hookimpl
from sslbench_encoders.cards import CARDS

READERS: dict[str, dict[str, Any]] = {
    "hf": {
        "target": "sslbench_encoders.huggingface:HuggingFace",
        "summary": "a folder of the transformers package: ViT, DINOv2, DINOv3, CLIP, SigLIP, Swin, BEiT and others",
        "requires": {"transformers": "sslbench[encoders]"},
    },
    "openclip": {
        "target": "sslbench_encoders.openclip:OpenClip",
        "options": "sslbench_encoders.options:ModelOptions",
        "summary": "an open_clip folder, or its weights with --set backbone.encoder.model=NAME",
        "requires": {"open_clip": "sslbench[encoders]"},
    },
    "xrv": {
        "target": "sslbench_encoders.xrv:TorchXRayVision",
        "options": "sslbench_encoders.options:XrvOptions",
        "summary": "weights of a torchxrayvision DenseNet or ResNet: one channel in [-1024, 1024]",
        "requires": {"torchxrayvision": "sslbench[encoders]"},
    },
    "timm": {
        "target": "sslbench_encoders.timm_files:TimmFile",
        "options": "sslbench_encoders.options:ModelOptions",
        "summary": "a timm folder (local-dir, hub download, a run's encoder), or weights with model=NAME",
    },
    "torchscript": {
        "target": "sslbench_encoders.exported:TorchScript",
        "options": "sslbench_encoders.options:ExportedOptions",
        "summary": "a TorchScript file, with its preprocessing stated",
    },
    "onnx": {
        "target": "sslbench_encoders.exported:Onnx",
        "options": "sslbench_encoders.options:ExportedOptions",
        "summary": "an ONNX file, run by onnxruntime, with its preprocessing stated",
        "requires": {"onnxruntime": "sslbench[encoders]"},
    },
}


def named(name: str, reader: str, summary: str, **facts: Any) -> EncoderSpec:
    """A public encoder that one of the readers opens, with what is known of it."""
    how = {key: value for key, value in READERS[reader].items() if key != "summary"}
    return EncoderSpec(name=name, summary=summary, **{**how, **facts})


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The readers under their own names, and the encoders by theirs."""
    readers = [EncoderSpec(name=name, **fields) for name, fields in READERS.items()]
    return [*readers, *(named(name, **card) for name, card in CARDS.items())]
