"""Checks of methods: what they state, their loss, and how they sit in the harness.

:mod:`ssl_bench.testing.learning` has the checks of gradients and training, :mod:`ssl_bench.testing.sparing` the one of
less memory, :mod:`ssl_bench.testing.ranks` the one of two processes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from ssl_bench.build.estimate import meta_batch
from ssl_bench.plugin.components import MethodSpec
from ssl_bench.plugin.contracts import Backbone, Loss, ViewGroup
from ssl_bench.testing.checks import (
    Check,
    check_descriptor,
    check_options,
    check_source,
    listed,
    run_all,
)
from ssl_bench.testing.learning import (
    OTHER_WIDTH,
    MethodSubject,
    check_encoder_is_trained,
    check_gradients,
    check_loss_falls,
    check_moving_average,
    check_parameter_groups,
    check_state_is_whole,
    gradients,
    loss_of,
)
from ssl_bench.testing.ranks import check_two_processes
from ssl_bench.testing.sparing import check_less_memory
from ssl_bench.testing.targets import check_targets, check_unknown_labels, check_views_matter
from ssl_bench.testing.tiny import IMAGE, LABELS, WIDTH, TinyFusion, batch, schema


def check_method(component: MethodSpec | str, **options: Any) -> None:
    """Check a pretraining method.

    Args:
        component: its descriptor, or the name of an installed method.
        **options: of the method; they win over its values for the preset ``smoke``.

    Raises:
        AssertionError: one sentence on what is wrong.
        UsageError: no installed plugin offers the name, or an option is wrong.
    """
    run_all(method_checks(component, **options))


def method_checks(component: MethodSpec | str, **options: Any) -> list[Check]:
    """The checks of :func:`check_method` by name; nothing is built before one is called."""
    subject = MethodSubject(component, MethodSpec, options)
    checks = [check_descriptor, check_options, check_source, check_encoder]
    if subject.component.trains:
        checks += [
            check_views,
            check_parameter_groups,
            check_fused_width,
            check_loss,
            check_autocast,
            check_shapes_alone,
            check_determinism,
            check_gradients,
            check_fusion_joins,
            check_views_matter,
            check_targets,
            check_unknown_labels,
            check_moving_average,
            check_loss_falls,
            check_encoder_is_trained,
            check_state_is_whole,
            check_less_memory,
            check_two_processes,
        ]
    return listed(subject, checks)


def check_encoder(subject: MethodSubject) -> None:
    """The evaluated network is a Backbone, a module of the method's own, and encodes images."""
    for kind in subject.kinds:
        method = subject.build(kind)
        encoder = method.encoder
        subject.expect(
            isinstance(encoder, Backbone) and isinstance(encoder, nn.Module),
            f"must evaluate a Backbone (an nn.Module with model, dim, image_size, patch_size, masks, patches, export), "
            f"found {type(encoder).__name__}",
        )
        own = id(encoder) in map(id, cast("nn.Module", method).modules())
        subject.expect(own, "evaluates a network that is no module of its own, so no checkpoint holds it")
        with torch.no_grad():
            cast("nn.Module", encoder).eval()
            encoding = encoder(torch.zeros(2, 1, encoder.image_size, encoder.image_size))
        found = (tuple(encoding.pooled.shape), encoding.tokens.ndim, encoding.tokens.shape[-1])
        subject.expect(
            found == ((2, encoder.dim), 3, encoder.dim),
            f"evaluates a network whose features of 2 images are {found[0]} and tokens {tuple(encoding.tokens.shape)}; "
            f"expected (2, {encoder.dim}) and (2, N, {encoder.dim})",
        )


def check_views(subject: MethodSubject) -> None:
    """Views are ViewGroups with names of their own, and sizes and ranges that can be cropped."""
    for kind in subject.kinds:
        method = subject.build(kind)
        subject.expect(len(method.views), "states no views; give a ViewGroup for each kind of crop")
        for group in method.views:
            subject.expect(isinstance(group, ViewGroup), f"must state its views as ViewGroups, found {group!r}")
            _check_group(subject, group, method.encoder.patch_size)
        names = [group.name for group in method.views]
        subject.expect(len(set(names)) == len(names), f"has two groups of views of one name: {', '.join(names)}")


def _check_group(subject: MethodSubject, group: ViewGroup, patch: int) -> None:
    def expect(truth: object, wanted: str, found: object) -> None:
        subject.expect(truth, f"has {group.name} views with {wanted}, found {found}")

    expect(group.count >= 1, "a count below 1; leave the group out instead", group.count)
    expect(group.size >= 1 and not (patch and group.size % patch), f"a size that is no multiple of {patch} px, the "
           f"patch size (image: {IMAGE} px, preset: smoke)", group.size)  # fmt: skip
    for name, (low, high) in {"scale": group.scale, "ratio": group.ratio}.items():
        expect(0 < low <= high, f"a {name} that is no range from a positive number up", (low, high))
    expect(group.scale[1] <= 1, "a scale beyond the whole image (1.0)", group.scale)
    expect(0 <= group.flip <= 1, "a flip that is no probability", group.flip)


def check_fused_width(subject: MethodSubject) -> None:
    """Fused features may have any width, unless the descriptor asks for the encoder's."""
    if subject.component.same_width:
        return
    method = subject.build(fused=True)
    try:
        loss_of(method, batch(method.views, fused=True, dtype=torch.float32))
    except RuntimeError as error:
        subject.fail(
            f"cannot take fused features of another width ({OTHER_WIDTH} instead of {WIDTH}): {error}; build the head "
            "from fusion.out_dim, or declare same_width=True"
        )


def check_loss(subject: MethodSubject) -> None:
    """The loss is a finite scalar with gradients; parts are finite scalars; what monitors see is detached."""
    for kind, fused in subject.builds:
        method = subject.double(kind, fused=fused)
        loss = loss_of(method, batch(method.views, fused=fused, dtype=torch.float64))
        subject.expect(
            isinstance(loss, Loss), f"must return a ssl_bench.plugin.contracts.Loss, found {type(loss).__name__}"
        )
        total = loss.total.detach()
        subject.expect(total.ndim == 0, f"must give a scalar loss, found shape {tuple(total.shape)}")
        subject.expect(total.isfinite(), f"gives a loss of {float(total)} on the {kind}")
        subject.expect(
            loss.total.requires_grad, "gives a loss without gradient; something on the way to it is detached"
        )
        for name, part in loss.parts.items():
            value = torch.as_tensor(part)
            subject.expect(value.ndim == 0 and value.isfinite(), f"has a part '{name}' that is no finite scalar")
        _check_monitored(subject, loss)


def _check_monitored(subject: MethodSubject, loss: Loss) -> None:
    features, probabilities = loss.features, loss.probabilities
    if features is None:
        subject.fail("gives no features to its Loss, so that no collapse would be seen; pass them detached")
    for name, tensor in {"features": features, "probabilities": probabilities}.items():
        if tensor is None:
            continue
        subject.expect(tensor.ndim == 2, f"must give {name} as (B', D), found {tuple(tensor.shape)}")
        subject.expect(not tensor.requires_grad, f"must detach the {name} that it gives to its Loss")
        subject.expect(tensor.isfinite().all(), f"gives {name} that are not finite")
    if probabilities is not None:
        sums = probabilities.double().sum(-1)
        subject.expect(((sums - 1).abs() < 1e-3).all(), "gives probabilities whose rows do not sum to 1")


def check_autocast(subject: MethodSubject) -> None:
    """Under bf16 autocast, as on a GPU, the loss stays finite and is computed in float32."""
    for kind, fused in subject.builds:
        method = subject.build(kind, fused=fused)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_of(method, batch(method.views, fused=fused, dtype=torch.float32))
        subject.expect(
            loss.total.dtype == torch.float32,
            f"computes its loss in {loss.total.dtype} under bf16 autocast; wrap it in "
            "ssl_bench.plugin.methods.full_precision",
        )
        subject.expect(loss.total.isfinite(), f"gives a loss of {float(loss.total.detach())} under bf16 autocast")


def check_shapes_alone(subject: MethodSubject) -> None:
    """It can be built and run on the meta device, where the plan of a run counts operations and memory."""
    for fused in (False, True):
        try:
            with torch.device("meta"):
                method = subject.build(fused=fused)
            columns = len(schema()) if fused else 0
            loss = loss_of(method, meta_batch(method, 4, columns, LABELS))
            torch.autograd.backward(loss.total)
        except (NotImplementedError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            subject.fail(
                f"cannot run on shapes alone (meta device), as sslbench run --dry-run does; avoid .item(), boolean "
                f"masks and other values that decide shapes: {reason}"
            )


def check_determinism(subject: MethodSubject) -> None:
    """The same seed gives the same weights, loss and gradients, bit by bit."""
    for kind, fused in subject.builds:
        first, second = (subject.double(kind, fused=fused, seed=3) for _ in range(2))
        results = []
        for method in (first, second):
            loss = loss_of(method, batch(method.views, fused=fused, dtype=torch.float64))
            results.append((loss.total, gradients(method, loss)))
        (loss_1, gradients_1), (loss_2, gradients_2) = results
        advice = "take random numbers from torch's global generator only"
        subject.expect(torch.equal(loss_1, loss_2), f"gives another loss with the same seed; {advice}")
        other = [name for name, gradient in gradients_1.items() if not _same(gradient, gradients_2[name])]
        subject.expect(not other, f"gives other gradients with the same seed ({', '.join(other[:3])}); {advice}")


def _same(first: Tensor | None, second: Tensor | None) -> bool:
    return first is second if first is None or second is None else torch.equal(first, second)


def check_fusion_joins(subject: MethodSubject) -> None:
    """With a fusion, EHR values reach the loss, and the fusion's own losses are part of it."""
    method = subject.double(fused=True)
    rows = batch(method.views, fused=True, dtype=torch.float64)
    losses = [loss_of(subject.double(fused=True), replace(rows, ehr=ehr)).total for ehr in (rows.ehr, rows.ehr + 1)]
    subject.expect(
        not torch.equal(*losses),
        "ignores its fusion: other EHR values give the same loss; use ssl_bench.plugin.methods.apply_fusion",
    )
    gradients(method, loss_of(method, rows))  # no second loss of this one: before_step may change its parameters
    fusion = next((part for part in cast("nn.Module", method).modules() if isinstance(part, TinyFusion)), None)
    if fusion is None:
        subject.fail("keeps its fusion as no module of its own, so it is not trained; set self.fusion = fusion")
    subject.expect(
        fusion.own.grad is not None and bool(fusion.own.grad),
        "leaves the fusion's own losses out of its total; add Fused.losses with ssl_bench.plugin.methods.joined_losses",
    )
