"""LARS: stochastic gradient descent whose rate follows each layer's weights, for CNNs in large batches.

[1] You et al., Large Batch Training of Convolutional Networks, arXiv 1708.03888.
[2] Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, arXiv 2002.05709.
[3] Bardes et al., VICReg, arXiv 2105.04906, github.com/facebookresearch/vicreg (``main_vicreg.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class LARS(torch.optim.Optimizer):
    """LARS as the official code of SimCLR, BYOL and VICReg runs it [2, 3].

    ``u = g + decay * w``, scaled by ``trust * |w| / |u|`` where the group adapts, then momentum and a step of ``lr``.
    lightly's LARS divides by ``|g| + decay * |w|`` as the first paper does [1], and adapts nothing at a decay of 0.

    Args:
        groups: torch parameter groups; ``adapt`` (default true) turns the scaling off for biases and normalisation.
        lr: learning rate.
        weight_decay: L2 penalty.
        momentum: of the steps.
        trust: the trust coefficient.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        trust: float = 0.001,
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "trust": trust, "adapt": True}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; nothing here waits for the device."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)
        return loss

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        update = gradient + group["weight_decay"] * parameter
        if group["adapt"]:
            update = update * _trust_ratio(parameter, update, group["trust"])
        slots = self.state[parameter]
        momentum = slots["momentum_buffer"] * group["momentum"] + update if slots else update
        slots["momentum_buffer"] = momentum
        parameter.add_(momentum, alpha=-group["lr"])


def _trust_ratio(parameter: Tensor, update: Tensor, trust: float) -> Tensor:
    """``trust * |w| / |u|``, 1 where either norm is 0."""
    weight, step = parameter.norm(), update.norm()
    return torch.where((weight > 0) & (step > 0), trust * weight / step, 1.0)
