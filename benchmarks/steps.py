"""Methods at work on synthetic tensors: what the suites, the gate, the profile and the GPU script time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ssl_bench.build.estimate import meta_batch
from ssl_bench.config.config import PretrainConfig
from ssl_bench.plugin.contracts import Batch, Fusion, Method
from ssl_bench.plugin.features import FeatureSchema
from ssl_bench.plugin.registry import Registry
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.pretrain.loop import Trainer
from sslbench_fusions.concat import Concat
from sslbench_fusions.options import ConcatOptions

SCHEMA = FeatureSchema(("age", "sex"), ("age", "sex=M", "sex=F"), {})
LABELS = 14


class OneBatch:
    """Stands in for a ``BatchStream`` where the views are not to be timed."""

    steps_per_epoch = 1000

    def __init__(self, batch: Batch) -> None:
        self.every = batch

    def batch(self, step: int) -> Batch:
        """The same batch at every step."""
        return self.every


def trained(registry: Registry) -> list[str]:
    """Every method that trains without EHR, and msn-ehr."""
    return [name for name in registry.names("method") if registry.get("method", name).trains]


def build(
    registry: Registry, name: str, backbone: str = "vit-tiny", *, preset: str = "", device: str = "cpu", **options: Any
) -> Method:
    """A method around a registered backbone; with EHR rows where it needs them.

    Args:
        registry: what is installed.
        name: of the method.
        backbone: its name.
        preset: whose options of the method are taken.
        device: where the weights are made; ``meta`` for shapes alone.
        **options: of the method.
    """
    component, encoder = registry.get("method", name), registry.get("backbone", backbone)
    torch.manual_seed(0)
    with torch.device(device):
        network = encoder.load()(encoder.image_size, **encoder.arguments)
        fusion = concat(network.dim) if component.features else None
        labels = [LABELS] if component.uses_labels else []
        values = registry.options("method", name, options, preset)
        return cast("Method", component.load()(values, network, fusion, *labels))


def concat(dim: int) -> Fusion:
    """The fusion of MSN-EHR for features of width ``dim``, as the core builds it: it reads no tokens."""
    fusion = Concat(ConcatOptions(), dim, SCHEMA)
    fusion.needs_tokens = False
    return cast("Fusion", fusion)


def random_batch(method: Method, images: int, device: str | torch.device = "cpu") -> Batch:
    """Noise for every view of a method, EHR rows and labels."""
    drawn = torch.Generator().manual_seed(0)
    views = {
        group.name: torch.randn(group.count * images, 1, group.size, group.size, generator=drawn).to(device)
        for group in method.views
    }
    ehr = torch.rand(images, len(SCHEMA), generator=drawn).to(device)
    labels = (torch.rand(images, LABELS, generator=drawn) < 0.3).float().to(device)
    return Batch(views, ehr, torch.ones_like(ehr), labels, torch.arange(images, device=device))


def trainer(method: Method, stream: object, folder: Path, *, batch_size: int, **settings: Any) -> Trainer:
    """The loop of every run; ``_step`` is its step."""
    usual = {"precision": "auto", "lr": 1e-4, "weight_decay": 1e-3}
    config = PretrainConfig(epochs=1, batch_size=batch_size, **{**usual, **settings})
    fabric, nobody = build_fabric(config), cast("Any", None)
    return Trainer(method, cast("Any", stream), config, fabric, folder, nobody, seed=0, identity={})


def step_flops(registry: Registry, name: str, images: int, backbone: str = "vit-tiny", preset: str = "") -> int:
    """Floating-point operations of a step's products, forward and backward, counted on shapes alone."""
    method = build(registry, name, backbone, preset=preset, device="meta")
    cast("nn.Module", method).train()
    batch = meta_batch(method, images, len(SCHEMA), LABELS)
    with FlopCounterMode(display=False) as counter:
        method.training_loss(batch, 0.0).total.backward()
    return int(counter.get_total_flops())
