"""Checks of methods: what a loss compares with what, and that nothing of a batch is left out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from ssl_bench.plugin.contracts import Batch, Method
from ssl_bench.testing.learning import MethodSubject, gradients, twins
from ssl_bench.testing.tiny import batch

STEP = 1e-7
"""Length of a step along a gradient by which the loss is differentiated (float64)."""

AGREE = 1e-4
"""Relative difference of two derivatives that rounding and kinks of a ReLU explain."""


def check_views_matter(subject: MethodSubject) -> None:
    """Every crop of an image changes the loss."""
    method = subject.double()
    rows = batch(method.views, dtype=torch.float64)
    method.before_step(0.5)
    loss = _loss(method, rows)
    for group in method.views:
        crops = rows.views[group.name]
        for view in range(group.count):
            changed = list(crops.chunk(group.count))
            changed[view] = changed[view].flip(-1) + 0.1
            other = replace(rows, views={**rows.views, group.name: torch.cat(changed)})
            subject.expect(
                _loss(method, other) != loss,
                f"never looks at view {view} of {group.name}: its loss is the same whatever that crop shows; use it, "
                "or leave it out of the views",
            )


def check_unknown_labels(subject: MethodSubject) -> None:
    """A label that is unknown (NaN) is not read as an absent finding."""
    if not subject.component.uses_labels:
        return
    method = subject.double()
    rows = batch(method.views, dtype=torch.float64)
    unknown = rows.labels.clone()
    unknown[: len(unknown) // 2] = torch.nan
    losses = [_loss(method, replace(rows, labels=labels)) for labels in (unknown, unknown.nan_to_num(0.0))]
    subject.expect(torch.isfinite(losses[0]), "gives a loss that is not finite where labels are unknown (NaN)")
    subject.expect(
        losses[0] != losses[1], "reads an unknown label (NaN) as 0, an absent finding; leave it out of the loss"
    )


def check_targets(subject: MethodSubject) -> None:
    """What the loss compares with is held fixed: no gradient flows through a teacher, or past what is declared."""
    method = subject.double()
    rows = batch(method.views, dtype=torch.float64)
    method.before_step(0.5)
    _check_teacher(subject, method, rows)
    away = _off_derivative(method, rows)
    declared = bool(getattr(method, "detaches", False))
    subject.expect(
        declared or not away,
        f"gives a gradient that is not the derivative of its loss, for {', '.join(away)}; let the gradient through, or "
        "set detaches = True where a target of trained parameters is detached on purpose",
    )
    subject.expect(
        away or not declared,
        "declares detaches = True, but gives the whole derivative of its loss: its targets are not detached",
    )


def _check_teacher(subject: MethodSubject, method: Method, rows: Batch) -> None:
    module = cast("nn.Module", method)
    teachers = {name.partition(".")[0] for name in twins(module)}
    for name in sorted(teachers):
        teacher = module.get_submodule(name)
        with _marked([teacher, *teacher.children()]) as seen:
            gradients(method, method.training_loss(rows, 0.5))
        flowing = [tensor for tensor in seen if tensor.grad is not None and bool(tensor.grad.abs().sum() > 0)]
        subject.expect(
            not flowing,
            f"lets the gradient flow into what {name} gives, which is a copy that only follows: its targets are not "
            "detached; compute them under torch.no_grad()",
        )


@contextmanager
def _marked(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """What modules give while this is open, as tensors that keep the gradient that arrives at them."""
    seen: list[Tensor] = []

    def mark(_: nn.Module, __: Any, output: Any) -> Any:
        if isinstance(output, Tensor):
            if not torch.is_grad_enabled():
                return output  # computed under torch.no_grad(): a constant, as it should be
            if not output.requires_grad:
                output = output.detach().requires_grad_(True)
            output.retain_grad()
            seen.append(output)
            return output
        if isinstance(output, tuple):
            parts = [mark(_, __, part) for part in output]
            return type(output)(*parts) if hasattr(output, "_fields") else tuple(parts)
        return output

    handles = [module.register_forward_hook(mark) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _off_derivative(method: Method, rows: Batch) -> list[str]:
    """Parts of the method whose gradient is not the derivative of the loss along it."""
    module = cast("nn.Module", method)
    with _still(module):
        torch.manual_seed(1)
        arrived = gradients(method, method.training_loss(rows, 0.5))
    found = {name: grad.clone() for name, grad in arrived.items() if grad is not None}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, grad in found.items():
        parts.setdefault(name.partition(".")[0], {})[name] = grad
    total = sum(float(grad.square().sum()) for grad in found.values()) ** 0.5
    away = []
    for part, own in parts.items():
        norm = sum(float(grad.square().sum()) for grad in own.values()) ** 0.5
        if norm > AGREE * total and abs(_slope(method, rows, own, norm) - norm) > AGREE * norm:
            away.append(part)
    return away


def _slope(method: Method, rows: Batch, direction: Mapping[str, Tensor], norm: float) -> float:
    """Derivative of the loss along a direction of length ``norm``, from two losses."""
    parameters = dict(cast("nn.Module", method).named_parameters())
    losses = []
    for sign in (1.0, -2.0):
        with torch.no_grad():
            for name, grad in direction.items():
                parameters[name].add_(grad, alpha=sign * STEP / norm)
        losses.append(float(_loss(method, rows)))
    with torch.no_grad():
        for name, grad in direction.items():
            parameters[name].add_(grad, alpha=STEP / norm)
    return (losses[0] - losses[1]) / (2 * STEP)


def _loss(method: Method, rows: Batch) -> Tensor:
    """The loss, and buffers as they were."""
    with _still(cast("nn.Module", method)):
        torch.manual_seed(1)
        return method.training_loss(rows, 0.5).total.detach()


@contextmanager
def _still(module: nn.Module) -> Iterator[None]:
    """Buffers are what they were, afterwards: centres and running statistics move with every loss."""
    kept = {name: value.clone() for name, value in module.named_buffers()}
    yield
    for name, value in module.named_buffers():
        value.copy_(kept[name])
