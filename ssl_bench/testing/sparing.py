"""The check of methods with less memory: activations computed again, encoders given a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

from ssl_bench.build.activations import check_sparing, sparing
from ssl_bench.errors import UsageError
from ssl_bench.testing.learning import MethodSubject, gradients, loss_of
from ssl_bench.testing.tiny import Kind, batch

TOLERANCE = 1e-6
"""Largest difference of a tensor, relative to its norm."""

STEP = 0.1
"""Length of the step between the two gradients."""

PARTS = 3
"""Parts of a batch, which its images cannot be shared among equally."""


def check_less_memory(subject: MethodSubject) -> None:
    """With activations computed again, or its encoder given parts of a batch, it trains as without (float64)."""
    for kind, fused in subject.builds:
        plain = two_steps(subject, kind, fused=fused)
        for less in _possible(subject, kind, fused=fused):
            _compare(subject, plain, two_steps(subject, kind, fused=fused, **less), less)


def _possible(subject: MethodSubject, kind: Kind, *, fused: bool) -> Iterator[dict[str, Any]]:
    """What a backbone with the method's own layers can be spared."""
    method = cast("nn.Module", subject.build(kind, fused=fused))
    for less in ({"parts": PARTS, "blocks": False}, {"parts": 1, "blocks": True}, {"parts": PARTS, "blocks": True}):
        try:
            check_sparing(method, kind, parts=int(less["parts"]), blocks=bool(less["blocks"]))
        except UsageError:
            continue
        yield less


def two_steps(subject: MethodSubject, kind: Kind, *, fused: bool, **less: Any) -> dict[str, Tensor]:
    """Gradients of the second of two steps, and running statistics and centres after it."""
    method = subject.double(kind, fused=fused)
    module, rows = cast("nn.Module", method), batch(method.views, fused=fused, dtype=torch.float64)
    found: dict[str, Tensor] = {}
    with sparing(module, **less):
        for progress in (0.0, 0.5):
            arrived = gradients(method, loss_of(method, rows, progress))
            found = {name: gradient for name, gradient in arrived.items() if gradient is not None}
            length = float(torch.stack([gradient.norm() for gradient in found.values()]).norm())
            with torch.no_grad():
                for name, value in module.named_parameters():
                    if name in found and not any(value is frozen for frozen in method.frozen):
                        value.sub_(found[name], alpha=STEP / length)
            method.after_step(progress)
    buffers = {name: value.double() for name, value in module.named_buffers()}
    return {**{name: value.clone() for name, value in found.items()}, **buffers}


def _compare(subject: MethodSubject, plain: dict[str, Tensor], spared: dict[str, Tensor], less: dict[str, Any]) -> None:
    total = float(torch.stack([value.norm() for value in plain.values()]).norm())
    errors = {
        name: float((spared[name] - value).norm()) / (float(value.norm()) + TOLERANCE * total)
        for name, value in plain.items()
    }
    worst = max(errors, key=lambda name: errors[name])
    what = f"its encoder given {less['parts']} parts of a batch" if less["parts"] > 1 else "activations computed again"
    subject.expect(
        errors[worst] < TOLERANCE,
        f"trains otherwise with {what}: {worst} differs by {errors[worst]:.2g} of its norm; a layer inside the encoder "
        "that draws for rows must do so by ssl_bench.plugin.methods.drawn_rows",
    )
