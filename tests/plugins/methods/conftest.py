"""What the tests of the methods share: tiny backbones and batches, and the checks that every method must pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ssl_bench.build.backbones import TimmCNN, TimmViT, build
from ssl_bench.plugin.contracts import Batch
from ssl_bench.plugin.registry import Registry
from sslbench_fusions.concat import Concat
from sslbench_fusions.options import ConcatOptions

GOLDEN = Path(__file__).parents[2] / "golden"
COLUMNS, LABELS, ROWS = 3, 4, 8


def backbone(kind: str) -> TimmViT | TimmCNN:
    """A ViT or CNN of 32 px that trains in milliseconds."""
    if kind == "cnn":
        # timm starts residual branches at zero, so that they learn from the second step on; here they learn at once
        return build(32, "test_resnet", zero_init_last=False)
    return build(32, "vit_tiny_patch16_224", patch_size=8, embed_dim=32, depth=2, num_heads=2)


def make_batch(method: Any, *, rows: int = ROWS, seed: int = 0, dtype: torch.dtype = torch.float64) -> Batch:
    """Random smooth images with crops of the method's shapes, EHR rows and labels, some of both missing."""
    random = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=dtype)

    views = {}
    for group in method.views:
        images = nn.functional.interpolate(noise(rows, 1, 4, 4), size=group.size, mode="bilinear")
        views[group.name] = images.repeat(group.count, 1, 1, 1)
        views[group.name] += 0.3 * noise(*views[group.name].shape)
    present = (noise(rows, COLUMNS) > -0.5).to(dtype)
    labels = torch.where(noise(rows, LABELS) > 1, torch.nan, (noise(rows, LABELS) > 0).to(dtype))
    return Batch(views, noise(rows, COLUMNS) * present, present, labels, torch.arange(rows))


@dataclass(frozen=True)
class Checks:
    """Builds a method with its ``smoke`` options and puts it to the test."""

    registry: Registry
    batch = staticmethod(make_batch)

    def build(self, name: str, kind: str = "vit", *, fused: bool = False, seed: int = 0, **options: Any) -> Any:
        """The method in float64, in training mode."""
        descriptor = self.registry.get("method", name)
        torch.manual_seed(seed)
        fusion = Concat(ConcatOptions(ehr_dim=4), backbone(kind).dim, range(COLUMNS)) if fused else None
        if fusion is not None:  # as the core does with what a descriptor states
            fusion.offset_parameters = self.registry.get("fusion", "concat").offset_parameters
        values = self.registry.options("method", name, options, "smoke")
        labels = [LABELS] if descriptor.uses_labels else []
        return descriptor.load()(values, backbone(kind), fusion, *labels).double().train()

    def gradients(self, method: Any, progress: float = 0.5) -> dict[str, float]:
        """Norm of each trainable parameter's gradient by the norm over all; none may be missing or not finite."""
        torch.manual_seed(1)
        method.before_step(progress)
        method.zero_grad()
        method.training_loss(make_batch(method), progress).total.backward()
        trainable = {name: value for name, value in method.named_parameters() if value.requires_grad}
        missing = [name for name, value in trainable.items() if value.grad is None or not value.grad.isfinite().all()]
        assert not missing, f"no finite gradient: {missing}"
        total = torch.stack([value.grad.norm() for value in trainable.values()]).norm()
        return {name: float(value.grad.norm() / total) for name, value in trainable.items()}

    def learns_everywhere(self, name: str, kind: str = "vit", *, fused: bool = False, **options: Any) -> None:
        """Every trainable parameter but the declared null ones learns."""
        method = self.build(name, kind, fused=fused, **options)
        norms = self.gradients(method)
        dead = {parameter for parameter, norm in norms.items() if norm < 1e-6}
        assert dead == set(method.null_parameters)

    def overfits(self, name: str, steps: int = 12, **options: Any) -> list[float]:
        """Train on one batch; returns the losses, the last of which must be the lower ones."""
        method = self.build(name, **options)
        batch = make_batch(method)
        optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=2e-3)
        losses = []
        for step in range(steps):
            torch.manual_seed(2)
            method.before_step(step / steps)
            loss = method.training_loss(batch, step / steps).total
            optimizer.zero_grad()
            loss.backward()
            for parameter in method.frozen:
                parameter.grad = None
            optimizer.step()
            method.after_step(step / steps)
            losses.append(loss.item())
        assert np.mean(losses[-3:]) < np.mean(losses[:3])
        return losses

    def repeats(self, name: str, **options: Any) -> None:
        """The same seed gives the same loss and gradients, bit by bit; and autocast to bf16 leaves them finite."""
        first, second = self.build(name, **options), self.build(name, **options)
        assert self.gradients(first) == self.gradients(second)
        half = first.float()
        batch = make_batch(half, dtype=torch.float32)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = half.training_loss(batch, 0.5)
        assert loss.total.dtype == torch.float32
        assert loss.total.isfinite()
        assert loss.features is not None
        assert not loss.features.requires_grad
        assert all(torch.as_tensor(part).ndim == 0 for part in loss.parts.values())

    def keeps_ehr_out(self, name: str, attribute: str) -> None:
        """Other EHR rows change the loss, and nothing that comes out of the module of that name."""
        method = self.build(name, fused=True)
        outputs: list[Tensor] = []
        getattr(method, attribute).register_forward_hook(lambda module, inputs, output: outputs.append(output))
        batch = make_batch(method)
        other = replace(batch, ehr=batch.ehr + 1)
        losses = []
        for one in (batch, other):
            torch.manual_seed(1)
            losses.append(method.training_loss(one, 0.5).total.item())
        assert losses[0] != losses[1]
        half = len(outputs) // 2
        assert half
        for before, after in zip(outputs[:half], outputs[half:], strict=True):
            torch.testing.assert_close(before, after, rtol=0, atol=0)

    def follows(self, name: str, teacher: str, student: str) -> None:
        """A teacher starts as its student, takes no gradient, and moves by its momentum, more slowly with time."""
        method = self.build(name)
        old, new = getattr(method, teacher), getattr(method, student)
        assert not any(parameter.requires_grad for parameter in old.parameters())
        pairs = list(zip(old.parameters(), new.parameters(), strict=True))
        assert all(torch.equal(before, after) for before, after in pairs)
        with torch.no_grad():
            for _, after in pairs:
                after += 1.0
        momenta = []
        for progress in (0.0, 0.5, 0.999):
            gap = [after - before.clone() for before, after in pairs]
            method.before_step(progress)  # where MoCo v3 moves its keys
            momenta.append(method.after_step(progress)["momentum"])
            for (before, after), distance in zip(pairs, gap, strict=True):
                torch.testing.assert_close(after - before, momenta[-1] * distance)
        assert momenta[0] < momenta[1] < momenta[2] < 1


@pytest.fixture(scope="session")
def checks(registry: Registry) -> Checks:
    return Checks(registry)


@pytest.fixture(params=["seed0", "seed1"])
def golden(request: pytest.FixtureRequest) -> Callable[[str], Mapping[str, Tensor]]:
    """``golden("simclr")``: inputs and the official implementation's outputs, for each of two seeds."""

    def read(name: str) -> Mapping[str, Tensor]:
        with np.load(GOLDEN / f"{name}.npz") as table:
            chosen = (key for key in table if key.startswith(f"{request.param}/"))
            return {key.split("/")[1]: torch.from_numpy(table[key]) for key in chosen}

    return read


@dataclass(frozen=True)
class Precision:
    """A floating-point type, and how near its results must be to float64 ones, relative to their norm."""

    dtype: torch.dtype
    tolerance: float

    def input(self, tensor: Tensor) -> Tensor:
        """A leaf of this type that takes a gradient."""
        return tensor.detach().to(self.dtype).requires_grad_()

    def assert_equal(self, found: Tensor | None, wanted: Tensor, *, slack: float = 1.0) -> None:
        assert found is not None
        assert found.dtype == self.dtype
        assert float((found.detach().double() - wanted).norm() / wanted.norm()) < self.tolerance * slack


@pytest.fixture(params=[Precision(torch.float64, 1e-12), Precision(torch.float32, 1e-6)], ids=["float64", "float32"])
def precision(request: pytest.FixtureRequest) -> Precision:
    chosen: Precision = request.param
    return chosen
