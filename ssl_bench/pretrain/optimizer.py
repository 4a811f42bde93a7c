"""The optimiser of a run: AdamW or LARS on the method's parameter groups, with scheduled rate, decay and clipping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ssl_bench.config.config import PretrainConfig
from ssl_bench.plugin.contracts import ParameterGroup
from ssl_bench.pretrain.lars import LARS
from ssl_bench.pretrain.schedules import cosine, warmup_cosine
from ssl_bench.pretrain.sharding import whole


def build_optimizer(
    groups: Sequence[ParameterGroup], config: PretrainConfig, kind: Literal["adamw", "lars"] = "adamw"
) -> torch.optim.Optimizer:
    """AdamW, fused, or LARS; each torch group remembers its :class:`ParameterGroup` factors."""
    tables = [
        {
            "params": list(group.parameters),
            "weight_decay": config.decay[0] * group.weight_decay,
            "lr": config.peak * group.lr_scale,
            "peak": config.peak * group.lr_scale,
            "adapt": group.weight_decay > 0,
            "betas": group.betas,
        }
        for group in groups
        if group.parameters
    ]
    if kind == "lars":
        return LARS(tables, lr=config.peak, weight_decay=config.decay[0])
    return torch.optim.AdamW(tables, lr=config.peak, weight_decay=config.decay[0], fused=True)


@dataclass(frozen=True)
class Rates:
    """Learning rate and weight decay of a step, before the groups' factors, and the share of training that is done."""

    lr: float
    weight_decay: float
    progress: float = 1.0


def rates(config: PretrainConfig, progress: float, stretch: float = 1.0) -> Rates:
    """What the schedules say at a point of the training.

    Args:
        config: peaks, ends and warm-up.
        progress: share of the training that is done.
        stretch: the cosines are computed for this multiple of the training length (MSN: 1.25).
    """
    warmup = min(config.warmup_epochs / max(config.epochs, 1), 0.99)
    stretched = progress / stretch
    lr = warmup_cosine(stretched, config.peak, config.lr_end, warmup=warmup / stretch)
    return Rates(lr, cosine(stretched, *config.decay), progress)


def set_rates(optimizer: torch.optim.Optimizer, groups: Sequence[ParameterGroup], now: Rates) -> None:
    """Give every group its share of the scheduled values."""
    filled = [group for group in groups if group.parameters]
    for table, group in zip(optimizer.param_groups, filled, strict=True):
        rate = table["peak"] if group.constant_lr else now.lr * group.lr_scale
        table["lr"] = rate if now.progress >= group.rest else 0.0
        table["weight_decay"] = now.weight_decay * group.weight_decay


def clip_gradients(groups: Sequence[ParameterGroup]) -> Tensor:
    """Clip as the groups ask, groups of one limit and name together, and return the norm over all before clipping."""
    limits: dict[tuple[float, str], list[nn.Parameter]] = {}
    everything = [parameter.grad for group in groups for parameter in group.parameters if parameter.grad is not None]
    total = whole(nn.utils.get_total_norm(everything))
    for group in groups:
        live = [parameter for parameter in group.parameters if parameter.grad is not None]
        if group.clip is None:
            continue
        if group.clip_each:
            for parameter in live:
                nn.utils.clip_grad_norm_(parameter, group.clip)
        else:
            limits.setdefault((group.clip, group.clip_with), []).extend(live)
    for (limit, _), parameters in limits.items():
        nn.utils.clip_grad_norm_(parameters, limit)
    return total
