"""Checks of fusions."""

from __future__ import annotations

import math
from io import BytesIO
from typing import Any, cast

import torch
from torch import Tensor, nn

from ssl_bench.plugin.components import FusionSpec
from ssl_bench.plugin.contracts import Encoding, Fused, Fusion
from ssl_bench.seeds import generator, seed_torch
from ssl_bench.testing.checks import (
    Check,
    Subject,
    check_descriptor,
    check_options,
    check_source,
    listed,
    run_all,
)
from ssl_bench.testing.learning import NOISE
from ssl_bench.testing.tiny import ROWS, WIDTH, schema

TOKENS, FEWER = 16, 4
"""Tokens of a whole view, and of a small or masked one."""

STEPS = 5
"""Optimiser steps after which gates that start closed have opened."""


class FusionSubject(Subject[FusionSpec]):
    """A fusion under test."""

    def build(self, seed: int = 0, width: int = WIDTH) -> Fusion:
        """The fusion in float64, in training mode."""
        seed_torch(seed, "fusion")
        fusion = self.component.load()(self.options, width, schema())
        return cast("Fusion", cast("nn.Module", fusion).double().train())

    def opened(self) -> Fusion:
        """The fusion after a few steps of training, in evaluation mode."""
        fusion = self.build()
        module = cast("nn.Module", fusion)
        trainable = [value for value in module.parameters() if value.requires_grad]
        optimizer = torch.optim.AdamW(trainable or [torch.zeros(1)], lr=1e-2)  # it refuses an empty list
        for _ in range(STEPS if trainable else 0):
            _learning(fusion)
            optimizer.step()
        return cast("Fusion", module.eval())


def check_fusion(component: FusionSpec | str, **options: Any) -> None:
    """Check a fusion.

    Args:
        component: its descriptor, or the name of an installed fusion.
        **options: of the fusion; they win over its values for the preset ``smoke``.

    Raises:
        AssertionError: one sentence on what is wrong.
        UsageError: no installed plugin offers the name, or an option is wrong.
    """
    run_all(fusion_checks(component, **options))


def fusion_checks(component: FusionSpec | str, **options: Any) -> list[Check]:
    """The checks of :func:`check_fusion` by name; nothing is built before one is called."""
    checks = [
        check_descriptor,
        check_options,
        check_source,
        check_width,
        check_losses,
        check_missing_values,
        check_ehr_joins,
        check_views,
        check_tokens,
        check_shapes_alone,
        check_autocast,
        check_determinism,
        check_gradients,
        check_state_is_whole,
    ]
    return listed(FusionSubject(component, FusionSpec, options), checks)


def inputs(
    rows: int = ROWS, *, tokens: int = TOKENS, width: int = WIDTH, seed: int = 0
) -> tuple[Encoding, Tensor, Tensor]:
    """An encoding of some rows, their EHR values (0 where missing), and which are present; all in float64."""
    random = generator(seed, "fusion inputs")

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    present = (noise(rows, len(schema())) > -0.5).double()
    return Encoding(noise(rows, width), noise(rows, tokens, width)), noise(rows, len(schema())) * present, present


def check_width(subject: FusionSubject) -> None:
    """Features are (B, out_dim), as wide as the encoder's where the descriptor says so."""
    for width in (WIDTH, 2 * WIDTH):
        fusion = subject.build(width=width)
        found = fusion.fuse(*inputs(width=width))
        subject.expect(
            isinstance(found, Fused), f"must return a ssl_bench.plugin.contracts.Fused, found {type(found).__name__}"
        )
        shape = tuple(found.features.shape)
        subject.expect(
            shape == (ROWS, fusion.out_dim),
            f"states out_dim {fusion.out_dim} and gives features of {ROWS} rows as {shape}",
        )
        subject.expect(found.features.isfinite().all(), "gives features that are not finite")
        subject.expect(
            fusion.out_dim == width or not subject.component.keeps_width,
            f"promises to keep the width and makes {fusion.out_dim} of {width}; declare keeps_width=False",
        )


def check_losses(subject: FusionSubject) -> None:
    """Its own losses are finite scalars by name."""
    for name, loss in subject.build().fuse(*inputs()).losses.items():
        subject.expect(isinstance(name, str), f"must name its losses by text, found {name!r}")
        subject.expect(loss.ndim == 0 and loss.isfinite(), f"has a loss '{name}' that is no finite scalar")


def check_missing_values(subject: FusionSubject) -> None:
    """What stands in place of a missing value changes nothing."""
    fusion = subject.opened()
    encoding, ehr, present = inputs()
    wanted = fusion.fuse(encoding, ehr, present)
    for value in (1.0, -1e3):
        found = fusion.fuse(encoding, torch.where(present == 0, value, ehr), present)
        same = torch.equal(found.features, wanted.features)
        same &= all(torch.equal(loss, wanted.losses[name]) for name, loss in found.losses.items())
        subject.expect(
            same, f"reads values that are missing: with {value:g} where present is 0, its output changes; mask them"
        )


def check_ehr_joins(subject: FusionSubject) -> None:
    """Image features and present EHR values reach the output, at the latest after a few steps."""
    fusion = subject.opened()
    encoding, ehr, present = inputs()
    found, changed = fusion.fuse(encoding, ehr, present), fusion.fuse(encoding, ehr + present, present)
    if not subject.component.fuses:
        _check_losses_alone(subject, encoding, found, changed)
        return
    wanted, other = found.features, changed.features
    subject.expect(not torch.allclose(wanted, other), "ignores the EHR values")
    pictures = Encoding(encoding.pooled + 1, encoding.tokens.flip(0) + 1)
    other = fusion.fuse(pictures, ehr, present).features
    subject.expect(not torch.allclose(wanted, other), "ignores the image features")


def _check_losses_alone(subject: FusionSubject, encoding: Encoding, found: Fused, changed: Fused) -> None:
    """A fusion that says it fuses nothing leaves the features as they are; each of its losses reads the EHR."""
    subject.expect(
        torch.equal(found.features, encoding.pooled),
        "says fuses=False and changes the image features; return encoding.pooled, or say fuses=True",
    )
    for name, loss in found.losses.items():
        subject.expect(not torch.equal(loss, changed.losses[name]), f"ignores the EHR values in its loss '{name}'")


def check_views(subject: FusionSubject) -> None:
    """Rows of several views, view-major, give what each view gives, whatever the number of tokens."""
    fusion = subject.opened()
    for tokens in (TOKENS, FEWER):
        encoding, ehr, present = inputs(2 * ROWS, tokens=tokens)
        together = fusion.fuse(encoding, ehr, present).features
        parts = [
            fusion.fuse(
                Encoding(*(part.chunk(2)[half] for part in encoding)), ehr.chunk(2)[half], present.chunk(2)[half]
            )
            for half in (0, 1)
        ]
        alone = torch.cat([part.features for part in parts])
        subject.expect(
            together.shape == alone.shape and torch.allclose(together, alone),
            "gives a row other features when other rows stand beside it (in evaluation mode); views of an image are "
            "rows of one call",
        )


def check_tokens(subject: FusionSubject) -> None:
    """It reads the token sequence where the descriptor says so, and only there."""
    fusion = subject.opened()
    encoding, ehr, present = inputs()
    wanted = fusion.fuse(encoding, ehr, present).features
    found = fusion.fuse(Encoding(encoding.pooled, encoding.tokens.flip(0) * 2), ehr, present).features
    reads = not torch.allclose(wanted, found)
    says = subject.component.needs_tokens
    subject.expect(says or not reads, "reads the tokens; say needs_tokens=True in the descriptor")
    subject.expect(reads or not says, "says needs_tokens=True and reads no tokens")


def check_shapes_alone(subject: FusionSubject) -> None:
    """It can be built and run on the meta device, where the plan of a run counts operations and memory."""
    try:
        with torch.device("meta"):
            fusion = subject.component.load()(subject.options, WIDTH, schema())
            columns = torch.empty(ROWS, len(schema()))
            encoding = Encoding(torch.empty(ROWS, WIDTH), torch.empty(ROWS, TOKENS, WIDTH))
            fusion.fuse(encoding, columns, columns)
    except (NotImplementedError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        subject.fail(f"cannot run on shapes alone (meta device), as sslbench run --dry-run does: {reason}")


def check_autocast(subject: FusionSubject) -> None:
    """Under bf16 autocast, as on a GPU, features and losses stay finite."""
    fusion = subject.build()
    cast("nn.Module", fusion).float()
    encoding, ehr, present = inputs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = fusion.fuse(Encoding(encoding.pooled.float(), encoding.tokens.float()), ehr.float(), present.float())
    finite = all(tensor.isfinite().all() for tensor in (found.features, *found.losses.values()))
    subject.expect(finite, "gives features or losses under bf16 autocast that are not finite")


def check_determinism(subject: FusionSubject) -> None:
    """The same seed gives the same weights and output, bit by bit."""
    outputs = []
    for _ in range(2):
        fusion = subject.build(seed=3)
        torch.manual_seed(1)
        outputs.append(fusion.fuse(*inputs()).features)
    subject.expect(
        torch.equal(*outputs), "gives other features with the same seed; use torch's global random numbers only"
    )


def check_gradients(subject: FusionSubject) -> None:
    """Every trainable parameter learns, at the latest after a few steps, but for any in null_parameters."""
    fusion = subject.build()
    module = cast("nn.Module", fusion)
    trainable = {name: value for name, value in module.named_parameters() if value.requires_grad}
    optimizer = torch.optim.AdamW(trainable.values() or [torch.zeros(1)], lr=1e-2)
    alive: set[str] = set()
    for _ in range(STEPS if trainable else 0):
        norms = _learning(fusion)
        lacking = sorted(set(trainable) - set(norms))
        subject.expect(not lacking, f"never uses {', '.join(lacking)}; use them, or switch requires_grad off")
        wild = [name for name, norm in norms.items() if not math.isfinite(norm)]
        subject.expect(not wild, f"gives gradients that are not finite, for {', '.join(wild)}")
        total = math.hypot(*norms.values())
        alive |= {name for name, norm in norms.items() if norm > NOISE * total}
        optimizer.step()
    declared = set(getattr(fusion, "null_parameters", ()))
    dead = sorted(set(trainable) - alive - declared)
    subject.expect(
        not dead,
        f"trains parameters whose gradient is rounding noise: {', '.join(dead)}; fix that, or name them in an "
        "attribute null_parameters where they cancel by construction",
    )
    learning = sorted(declared & alive)
    subject.expect(not learning, f"declares null_parameters that do learn: {', '.join(learning)}")
    offset_parameters = sorted(set(subject.component.offset_parameters) - set(trainable))
    subject.expect(
        not offset_parameters,
        f"names offset_parameters that are none of its trainable parameters: {', '.join(offset_parameters)}",
    )


def _learning(fusion: Fusion) -> dict[str, float]:
    """Norms of the gradients of a regression to random values, with the fusion's own losses; absent ones left out."""
    module = cast("nn.Module", fusion)
    torch.manual_seed(1)
    found = fusion.fuse(*inputs())
    wanted = torch.randn(found.features.shape, dtype=torch.float64, generator=generator(0, "wanted"))
    module.zero_grad()
    total = (found.features - wanted).square().mean() + sum(found.losses.values())
    torch.autograd.backward(total)
    return {name: float(value.grad.norm()) for name, value in module.named_parameters() if value.grad is not None}


def check_state_is_whole(subject: FusionSubject) -> None:
    """A saved state, loaded into a new fusion, gives the same output."""
    fusion, fresh = subject.opened(), subject.build(seed=7)
    file = BytesIO()
    torch.save(cast("nn.Module", fusion).state_dict(), file)
    file.seek(0)
    cast("nn.Module", fresh).eval().load_state_dict(torch.load(file))
    same = torch.equal(fusion.fuse(*inputs()).features, fresh.fuse(*inputs()).features)
    subject.expect(same, "has state that state_dict does not hold; register it as a parameter or buffer")
