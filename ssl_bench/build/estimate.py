"""Size and cost of a run, measured on the meta device: shapes only, no memory."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ssl_bench.build.activations import check_sparing
from ssl_bench.build.modules import build_backbone, build_method, count_parameters
from ssl_bench.build.size import Estimate
from ssl_bench.errors import UsageError
from ssl_bench.plan.parts import masks_nothing
from ssl_bench.plan.plan import Plan
from ssl_bench.plugin.contracts import Batch, Method


def estimate(plan: Plan) -> Estimate:
    """Build the method without memory, run one step of shapes through it, and count."""
    method = dry_build(plan)
    module = cast("nn.Module", method)
    everything, trainable = count_parameters(module), count_parameters(module, trainable=True)
    flops, activations = _step(method, plan) if plan.steps else (0, 0)
    return Estimate(
        encoder_parameters=count_parameters(cast("nn.Module", method.encoder)),
        trainable_parameters=trainable if plan.steps else 0,
        views=method.views,
        step_flops=flops,
        memory_bytes=4 * everything + 12 * trainable + activations,
        store_bytes=len(plan.cohort) * plan.config.data.size**2,
    )


def dry_build(plan: Plan) -> Method:
    """Load everything and build the method without memory, to tell what cannot be built before anything is written.

    Raises:
        UsageError: timm does not know the model, refuses its arguments, or parts do not fit each other.
        PluginError: a component cannot be imported.
    """
    for evaluator in plan.parts.evaluators:
        evaluator.component.load()
    with torch.device("meta"):
        backbone = build_backbone(plan)
        if plan.parts.method.component.masks and not backbone.masks:
            raise UsageError(masks_nothing(plan.parts))
        method = build_method(plan, backbone)
    pretrain = plan.config.pretrain
    if plan.steps:
        check_sparing(
            cast("nn.Module", method),
            plan.parts.backbone.name,
            parts=pretrain.accumulate,
            blocks=pretrain.checkpoint_activations,
        )
    return method


def _step(method: Method, plan: Plan) -> tuple[int, int]:
    """Floating-point operations of a step and bytes of what it saves for the backward pass."""
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[id(tensor.untyped_storage())] = tensor.untyped_storage().nbytes()
        kept.append(tensor)  # an id is only unique while its object lives
        return tensor

    kept: list[Tensor] = []
    batch = meta_batch(method, plan.config.pretrain.batch_size, len(plan.schema), len(plan.cohort.labels))
    with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(note, lambda held: held):
        torch.autograd.backward(method.training_loss(batch, 0.0).total)
    weights = {id(parameter.untyped_storage()) for parameter in cast("nn.Module", method).parameters()}
    return counter.get_total_flops(), sum(size for key, size in saved.items() if key not in weights)


def meta_batch(method: Method, batch_size: int, columns: int, labels: int) -> Batch:
    """A batch of the method's shapes on the meta device."""
    views = {
        group.name: torch.empty(group.count * batch_size, 1, group.size, group.size, device="meta")
        for group in method.views
    }
    ehr = torch.empty(batch_size, columns, device="meta")
    rows = torch.empty(batch_size, dtype=torch.int64, device="meta")
    return Batch(views, ehr, ehr.clone(), torch.empty(batch_size, labels, device="meta"), rows)
