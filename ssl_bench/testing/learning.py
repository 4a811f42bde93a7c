"""Checks of methods: gradients, moving averages, and a training in little on one batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from statistics import fmean
from typing import cast

import torch
from torch import Tensor, nn

from ssl_bench.config.config import PretrainConfig
from ssl_bench.plugin.components import MethodSpec
from ssl_bench.plugin.contracts import Batch, Loss, Method, ParameterGroup
from ssl_bench.pretrain.optimizer import build_optimizer, clip_gradients
from ssl_bench.testing.checks import Subject
from ssl_bench.testing.tiny import WIDTH, Kind, Recipe, TinyFusion, batch

RATE = 2e-3
"""Learning rate of the trainings in little."""

STEPS = 30
"""Steps in which one batch must be learnt by heart."""

OTHER_WIDTH = WIDTH + 4
"""Width of fused features where a method promises to take any."""

LIFE = 4
"""Steps of a training as it is, after which the state and the evaluated network are looked at."""

NOISE = 1e-6
"""A gradient below this share of the norm over all parameters is rounding noise (float64)."""

MOMENTS = (0.0, 0.5, 0.99)
"""Shares of the training at which gradients are looked at: what is frozen first may learn later."""


@dataclass(frozen=True)
class Training:
    """A method after a few steps, with the weights that its evaluated network began with."""

    method: Method
    initial: Mapping[str, Tensor]
    rows: Batch


class MethodSubject(Subject[MethodSpec]):
    """A method under test."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The backbones that it can be built on."""
        return ("vit",) if self.component.masks else ("vit", "cnn")

    @property
    def builds(self) -> list[tuple[Kind, bool]]:
        """Backbones, and a ViT with a fusion."""
        return [*((kind, False) for kind in self.kinds), ("vit", True)]

    @property
    def recipe(self) -> Recipe:
        """How it is built; fused features keep their width only where the descriptor asks for that."""
        width = WIDTH if self.component.same_width else OTHER_WIDTH
        return Recipe(self.component.target, self.options, self.component.uses_labels, width)

    def build(self, kind: Kind = "vit", *, fused: bool = False, seed: int = 0) -> Method:
        """The method in float32, in training mode."""
        return self.recipe.build(kind, fused=fused, seed=seed)

    def double(self, kind: Kind = "vit", *, fused: bool = False, seed: int = 0) -> Method:
        """The method in float64, where rounding noise is far below a gradient."""
        return cast("Method", cast("nn.Module", self.build(kind, fused=fused, seed=seed)).double())

    @cached_property
    def trainings(self) -> dict[Kind, Training]:
        """Trained for a few steps, on each backbone."""
        return {kind: self._trained(kind) for kind in self.kinds}

    def _trained(self, kind: Kind) -> Training:
        method = self.build(kind)
        initial = {name: value.clone() for name, value in cast("nn.Module", method.encoder).state_dict().items()}
        rows = batch(method.views, dtype=torch.float32)
        train(method, rows, LIFE)
        return Training(method, initial, rows)


def loss_of(method: Method, rows: Batch, progress: float = 0.5) -> Loss:
    """The loss as the training loop asks for it, with the same random numbers every time."""
    torch.manual_seed(1)
    method.before_step(progress)
    return method.training_loss(rows, progress)


def gradients(method: Method, loss: Loss) -> dict[str, Tensor | None]:
    """Gradients of the trainable parameters by name, None where none arrives."""
    module = cast("nn.Module", method)
    module.zero_grad()
    torch.autograd.backward(loss.total)
    return {name: value.grad for name, value in module.named_parameters() if value.requires_grad}


def train(method: Method, rows: Batch, steps: int) -> None:
    """Train on one batch as the training loop does."""
    groups = method.parameter_groups()
    optimizer = build_optimizer(groups, PretrainConfig(lr=RATE, weight_decay=0.0))
    for step in range(steps):
        _step(method, rows, step / steps, groups, optimizer)
        method.after_step(step / steps)


def learn_by_heart(method: Method, rows: Batch, steps: int) -> list[float]:
    """Train on one batch while everything but the trained parameters stands still; returns the losses.

    Moving averages and centres stay as they are, so that the loss has one meaning from the first step to the last.
    """
    groups = method.parameter_groups()
    optimizer = build_optimizer(groups, PretrainConfig(lr=RATE, weight_decay=0.0))
    module = cast("nn.Module", method)
    still = {name: value.clone() for name, value in module.named_buffers()}
    losses = []
    for _ in range(steps):
        losses.append(_step(method, rows, 0.5, groups, optimizer))
        for name, value in module.named_buffers():
            value.copy_(still[name])
    return losses


def _step(
    method: Method, rows: Batch, progress: float, groups: Sequence[ParameterGroup], optimizer: torch.optim.Optimizer
) -> float:
    loss = loss_of(method, rows, progress)
    gradients(method, loss)
    for parameter in method.frozen:
        parameter.grad = None
    clip_gradients(groups)
    optimizer.step()
    return float(loss.total.detach())


def check_parameter_groups(subject: MethodSubject) -> None:
    """Every trainable parameter is in one parameter group."""
    for kind, fused in subject.builds:
        method = subject.build(kind, fused=fused)
        grouped = [id(parameter) for group in method.parameter_groups() for parameter in group.parameters]
        for name, value in cast("nn.Module", method).named_parameters():
            count = grouped.count(id(value))
            if value.requires_grad:
                subject.expect(count == 1, f"has {name} in {count} parameter groups instead of one")
            else:
                subject.expect(count == 0, f"has {name} in a parameter group, although it takes no gradient")


def check_gradients(subject: MethodSubject) -> None:
    """Every trainable parameter learns once it is unfrozen, but for those declared in null_parameters."""
    for kind, fused in subject.builds:
        method = subject.double(kind, fused=fused)
        rows = batch(method.views, fused=fused, dtype=torch.float64)
        learning = _learning(subject, method, rows)
        # Again after some steps: a weight that starts at zero stops the gradients of all that is in front of it.
        train(method, rows, 3)
        learning |= _learning(subject, method, rows)
        _compare(subject, method, learning, f"{kind} with a fusion" if fused else kind)


def _learning(subject: MethodSubject, method: Method, rows: Batch) -> set[str]:
    """Parameters that get a gradient above rounding noise at some moment at which they are not frozen."""
    found: set[str] = set()
    for progress in MOMENTS:
        arrived = gradients(method, loss_of(method, rows, progress))
        lacking = [name for name, gradient in arrived.items() if gradient is None]
        subject.expect(
            not lacking,
            f"never uses {_some(lacking)} in its loss (no gradient arrives, which stalls other ranks); use them, or "
            "switch requires_grad off where they are made",
        )
        norms = {name: float(gradient.norm()) for name, gradient in arrived.items() if gradient is not None}
        wild = [name for name, norm in norms.items() if not math.isfinite(norm)]
        subject.expect(not wild, f"gives gradients that are not finite, for {_some(wild)}")
        frozen = {id(parameter) for parameter in method.frozen}
        resting = {name for name, value in cast("nn.Module", method).named_parameters() if id(value) in frozen}
        # The tiny fusion's own loss is no part of the method, and larger than the whole of some.
        total = math.hypot(*(norm for name, norm in norms.items() if name not in _own_losses(method)))
        found |= {name for name, norm in norms.items() if norm > NOISE * total and name not in resting}
    return found


def _own_losses(method: Method) -> set[str]:
    """Names of the parameters that a :class:`TinyFusion` draws its own loss from."""
    parts = cast("nn.Module", method).named_modules()
    return {f"{name}.own" for name, part in parts if isinstance(part, TinyFusion)}


def _compare(subject: MethodSubject, method: Method, learning: set[str], where: str) -> None:
    """What learns, against what is declared."""
    trainable = {name for name, value in cast("nn.Module", method).named_parameters() if value.requires_grad}
    declared = set(method.null_parameters)
    unknown = declared - trainable
    subject.expect(not unknown, f"declares null_parameters that are none of its trainable ones: {_some(unknown)}")
    dead = trainable - learning - declared
    subject.expect(
        not dead,
        f"trains parameters that do not learn ({where}; their gradient is rounding noise, or they are frozen "
        f"throughout): {_some(dead)}; fix the loss, or name them in null_parameters where they cancel by construction",
    )
    alive = declared & learning
    subject.expect(not alive, f"declares null_parameters that do learn ({where}): {_some(alive)}")


def _some(names: set[str] | list[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")


def check_moving_average(subject: MethodSubject) -> None:
    """Copies of trained parameters move towards them, before or after the step, by the momentum that is reported."""
    for kind in subject.kinds:
        method = subject.double(kind)
        pairs = twins(cast("nn.Module", method))
        with torch.no_grad():
            for value in cast("nn.Module", method).parameters():
                if value.requires_grad:
                    value.add_(torch.rand_like(value))
        for progress in MOMENTS:
            before = {name: teacher.clone() for name, (teacher, _) in pairs.items()}
            method.before_step(progress)
            reported = method.after_step(progress)
            strange = [name for name, value in reported.items() if not math.isfinite(float(value))]
            subject.expect(not strange, f"reports values after a step that are not finite: {_some(strange)}")
            _check_moved(subject, pairs, before, reported)


def _check_moved(
    subject: MethodSubject,
    pairs: Mapping[str, tuple[Tensor, Tensor]],
    before: Mapping[str, Tensor],
    reported: Mapping[str, float],
) -> None:
    if "momentum" not in reported:
        subject.expect(
            not pairs,
            f"keeps copies of trained parameters ({_some(list(pairs))}) and reports no momentum; move them in "
            "after_step (ssl_bench.plugin.methods.ema_update) and return {'momentum': ...}",
        )
        return
    momentum = float(reported["momentum"])
    subject.expect(
        pairs,
        "reports a momentum, but no parameter without gradient starts as a copy of a trained one; make the teacher by "
        "ssl_bench.plugin.methods.frozen_copy",
    )
    subject.expect(0 <= momentum < 1, f"must report a momentum in [0, 1) before the training's end, found {momentum}")
    off = [
        name
        for name, (teacher, student) in pairs.items()
        if not torch.allclose(teacher, momentum * before[name] + (1 - momentum) * student, rtol=1e-6, atol=1e-9)
    ]
    subject.expect(not off, f"reports a momentum of {momentum:g}, by which these do not move: {_some(off)}")


def twins(module: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """Parameters without gradient that start as a copy of a trained one: ``{name: (teacher, student)}``.

    A pair has the same shape and values, and names that differ in their first part only (``target_head.0.weight`` and
    ``head.0.weight``).
    """
    trained = {name: value for name, value in module.named_parameters() if value.requires_grad}
    found = {}
    for name, value in module.named_parameters():
        if value.requires_grad:
            continue
        own = [
            other
            for other, student in trained.items()
            if _alike(name, other) and student.shape == value.shape and torch.equal(student, value)
        ]
        if own:
            found[name] = (value.detach(), trained[_nearest(name, own)].detach())
    return found


def _nearest(name: str, others: Sequence[str]) -> str:
    """The longest name that another one ends in (``head.0.bias`` for ``teacher_head.0.bias``), or the first."""
    return next((other for other in sorted(others, key=len, reverse=True) if name.endswith(other)), others[0])


def _alike(first: str, second: str) -> bool:
    parts = [name.split(".")[::-1] for name in (first, second)]
    same = next((place for place, pair in enumerate(zip(*parts, strict=False)) if len(set(pair)) > 1), len(parts[0]))
    return same >= max(1, min(map(len, parts)) - 1)


def check_loss_falls(subject: MethodSubject) -> None:
    """The loss falls in 30 steps on one batch, moving averages and centres held still."""
    for kind in subject.kinds:
        method = subject.build(kind)
        losses = learn_by_heart(method, batch(method.views, dtype=torch.float32), STEPS)
        first, last = losses[0], fmean(losses[-3:])
        subject.expect(
            last < first,
            f"cannot overfit a single batch: on the {kind} its loss goes from {first:.4g} to {last:.4g} in {STEPS} "
            "steps",
        )


def check_encoder_is_trained(subject: MethodSubject) -> None:
    """The evaluated network differs from the initial one after a few steps."""
    for kind, training in subject.trainings.items():
        parameters = dict(cast("nn.Module", training.method.encoder).named_parameters())
        same = all(torch.equal(value, training.initial[name]) for name, value in parameters.items())
        subject.expect(not same, f"evaluates a network that its training leaves as it was ({kind})")


def check_state_is_whole(subject: MethodSubject) -> None:
    """A saved state, loaded into a new method, gives the same loss and the same features."""
    for kind, training in subject.trainings.items():
        file = BytesIO()
        torch.save(cast("nn.Module", training.method).state_dict(), file)
        file.seek(0)
        fresh = subject.build(kind, seed=7)
        cast("nn.Module", fresh).load_state_dict(torch.load(file))
        losses = [loss_of(method, training.rows, 0.99).total.detach() for method in (training.method, fresh)]
        subject.expect(
            torch.equal(*losses),
            f"has state that state_dict does not hold: loaded again, its loss is {float(losses[1]):.6g} instead of "
            f"{float(losses[0]):.6g}; register it as a parameter or buffer",
        )
