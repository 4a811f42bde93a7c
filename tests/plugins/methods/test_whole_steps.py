"""Whole steps of every method against its authors' modules: loss, gradients, optimiser, moving averages, buffers.

``tests/golden/steps/*.npz`` hold what the official code gave in float64 for three steps; docs/fidelity.md names the
commits. Per file: ``weights/*`` and ``after/*`` by our names, ``view/*`` in 1/32, ``keep`` or blocks, ``lr``,
``decay``, ``loss``, ``grad/*`` of the first step, and of all gradients ``size/*``, their norm, and ``dot/*``, their
product with cos 0, cos 1, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ssl_bench.build.backbones import TimmViT, build, sincos_positions
from ssl_bench.config.config import PretrainConfig
from ssl_bench.plugin.contracts import Batch, Encoding
from ssl_bench.pretrain.optimizer import Rates, build_optimizer, clip_gradients, set_rates
from sslbench_fusions.concat import Concat
from sslbench_fusions.options import ConcatOptions
from sslbench_methods import mae
from sslbench_methods.byol import BYOL
from sslbench_methods.dino import DINO
from sslbench_methods.dinov2 import DINOv2
from sslbench_methods.ijepa import IJEPA
from sslbench_methods.mae import MAE
from sslbench_methods.moco_v3 import MoCoV3
from sslbench_methods.msn import MSN
from sslbench_methods.options import (
    BYOLOptions,
    DINOOptions,
    DINOv2Options,
    IJEPAOptions,
    MAEOptions,
    MoCoV3Options,
    MSNOptions,
    SimCLROptions,
    SimSiamOptions,
    VICRegOptions,
)
from sslbench_methods.simclr import SimCLR
from sslbench_methods.simsiam import SimSiam
from sslbench_methods.vicreg import VICReg

STEPS = Path(__file__).parents[2] / "golden" / "steps"
ROWS = 8
CONFIG = PretrainConfig(lr=0.05, weight_decay=0.1)  # each step has its own in the file


class Perceptron(nn.Module):
    """An encoder for methods that take any: linear, BatchNorm, ReLU on 8 px."""

    dim, image_size, patch_size, masks = 10, 8, 0, False

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"layer": nn.Linear(64, self.dim), "norm": nn.BatchNorm1d(self.dim)})

    def forward(self, images: Tensor, keep: Tensor | None = None, *, tokens: bool = True) -> Encoding:
        features = torch.relu(self.model["norm"](self.model["layer"](images.flatten(1))))
        return Encoding(features, features.unsqueeze(1))


def vit() -> TimmViT:
    made = build(32, "vit_tiny_patch16_224", patch_size=8, embed_dim=8, depth=2, num_heads=2)
    assert isinstance(made, TimmViT)
    return made


def fixed() -> TimmViT:
    made = vit()
    made.fix_positions()
    return made


def sgd(groups: Any) -> torch.optim.Optimizer:
    """The optimiser of SimSiam, which sslbench does not offer: every parameter decays."""
    return torch.optim.SGD(
        [{"params": list(group.parameters), "peak": 0.05} for group in groups if group.parameters],
        lr=0.05, momentum=0.9, weight_decay=1e-4,
    )  # fmt: skip


def msn_ehr() -> MSN:
    """As released: joined head, focal crops masked too, prototypes untrained, momentum fixed, everything decays."""
    options = MSNOptions(prototypes=10, hidden_dim=0, output_dim=0, mask_shared=False, mask_last_patch=False,
                         mask_focal=True, mask_ratio=0.25, joined_head=True, train_prototypes=False, decay_all=True,
                         clip=None, momentum_end=0.996, schedule_stretch=1.0)  # fmt: skip
    return MSN(options, vit(), Concat(ConcatOptions(ehr_dim=4), 8, range(3)))


@dataclass(frozen=True)
class Case:
    """One method at the size of its file.

    Args:
        make: the method.
        kind: of the optimiser, empty for SGD.
        unlike: names that the official modules lack, or whose numbers mean something else there.
    """

    make: Callable[[], Any]
    kind: Any = "adamw"
    unlike: tuple[str, ...] = ()


HEADS = {"hidden_dim": 12, "output_dim": 8}
CASES = {
    "msn": Case(lambda: MSN(MSNOptions(prototypes=10, hidden_dim=12, output_dim=6, focal_views=2, focal_size=16,
                                       clip=0.3), vit(), None)),
    "msn-ehr-released": Case(msn_ehr, unlike=("fusion.absence", "head.0.bias", "head.3.bias")),
    "dino": Case(lambda: DINO(DINOOptions(output_dim=16, hidden_dim=12, bottleneck_dim=6, norm_last_layer=False,
                                          drop_path=0.0, momentum=0.9, clip=0.05, freeze_last_layer=0.3,
                                          local_views=2, local_size=16), vit(), None)),
    "dinov2": Case(lambda: DINOv2(DINOv2Options(output_dim=16, patch_output_dim=14, hidden_dim=12, bottleneck_dim=6,
                                                patch_bottleneck_dim=5, teacher_temperature=0.04, drop_path=0.0,
                                                momentum=0.9, clip=0.05, freeze_last_layer=0.3, local_views=2,
                                                local_size=16), vit(), None)),
    "mae": Case(lambda: MAE(MAEOptions(decoder_dim=32, decoder_depth=1), fixed(), None)),
    "ijepa": Case(lambda: IJEPA(IJEPAOptions(predictor_dim=12, predictor_depth=2, min_keep=0, momentum=0.9), fixed(),
                                None)),
    "moco-v3": Case(lambda: MoCoV3(MoCoV3Options(hidden_dim=12, output_dim=6), fixed(), None)),
    "vicreg": Case(lambda: VICReg(VICRegOptions(**HEADS), Perceptron(), None), "lars"),
    "simsiam": Case(lambda: SimSiam(SimSiamOptions(output_dim=8, predictor_dim=6), Perceptron(), None), ""),
    "byol": Case(lambda: BYOL(BYOLOptions(**HEADS, momentum=0.9), Perceptron(), None), "lars", unlike=("running",)),
    "simclr": Case(lambda: SimCLR(SimCLROptions(output_dim=8), Perceptron(), None), "lars", unlike=("running",)),
}  # fmt: skip


class Golden:
    """The numbers of one file, and how far ours are from them."""

    def __init__(self, name: str) -> None:
        with np.load(STEPS / f"{name}.npz") as file:
            self.arrays = {key: file[key] for key in file.files}
        self.worst: dict[str, float] = {}

    def below(self, prefix: str) -> dict[str, Tensor]:
        return {key.removeprefix(prefix): torch.from_numpy(value) for key, value in self.arrays.items()
                if key.startswith(prefix)}  # fmt: skip

    def batch(self, step: int) -> Batch:
        views = {name: value[step].double() / 32 for name, value in self.below("view/").items()}
        ehr = torch.from_numpy(self.arrays["ehr"][step]) if "ehr" in self.arrays else torch.zeros(ROWS, 0)
        return Batch(views, ehr.double(), torch.ones_like(ehr).double(), torch.zeros(ROWS, 1), torch.arange(ROWS))

    def compare(self, name: str, found: Any, wanted: Any, scale: float | None = None) -> None:
        """The error relative to the wanted norm, or to ``scale`` where that is larger."""
        found, wanted = (torch.as_tensor(value, dtype=torch.float64).detach() for value in (found, wanted))
        floor = max(float(wanted.norm()), 1e-6 * (scale or 0.0), 1e-300)
        self.worst[name] = max(self.worst.get(name, 0.0), float((found.reshape(wanted.shape) - wanted).norm()) / floor)

    def gradients(self, step: int, method: Any, unlike: tuple[str, ...]) -> None:
        """Every parameter's gradient, whole in the first step, by norm and projection in all of them."""
        sizes, dots, whole = self.below("size/"), self.below("dot/"), self.below("grad/")
        total = float(torch.stack([value[step] for value in sizes.values()]).norm())
        given = {name: value.grad for name, value in method.named_parameters() if value.grad is not None}
        for name, gradient in given.items():
            flat = gradient.flatten()
            if name in method.null_parameters:  # noise on both sides
                assert float(flat.norm()) < 1e-12 * total
                assert name not in sizes or sizes[name][step] < 1e-12 * total
                continue
            if name not in sizes:
                assert name in unlike, f"{name} has no gradient in the official code"
                continue
            self.compare(f"size {name}", flat.norm(), sizes[name][step], total)
            pattern = torch.arange(len(flat), dtype=torch.float64).cos()
            self.compare(f"dot {name}", torch.stack([(flat * pattern).sum(), flat.norm()]),
                         torch.stack([dots[name][step], sizes[name][step]]), total)  # fmt: skip
            if step == 0:
                self.compare(f"grad {name}", gradient, whole[name], total)
        assert sizes.keys() <= given.keys()


@pytest.fixture
def masks(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, Mapping[str, np.ndarray], int], None]:
    """Patches that the official code kept, in the place of those that ours would draw."""

    def use(method: Any, arrays: Mapping[str, np.ndarray], step: int) -> None:
        if "keep_anchor" in arrays:
            kept = {16: arrays["keep_anchor"][step], 4: arrays["keep_focal"][step]}
            method._keep = lambda crops, views: torch.from_numpy(kept[method.backbone.patches(crops.shape[-1])]).long()
        elif "keep" in arrays:
            keep = torch.from_numpy(arrays["keep"][step]).long()
            monkeypatch.setattr(mae, "random_keep", lambda *given: keep)
            method._keep = lambda crops, views: keep.expand(len(crops), -1)
        elif "hidden" in arrays:
            method._masks = lambda rows: torch.from_numpy(arrays["hidden"][step])
        elif "context/0" in arrays:
            blocks = [torch.from_numpy(arrays[f"{name}/{step}"]).long() for name in ("context", "targets")]
            method._blocks = lambda rows, device: blocks

    return use


def named_state(method: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in method.state_dict().items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize("name", CASES)
def test_three_steps_equal_the_official_ones(name: str, masks: Callable[..., None]) -> None:
    golden, case = Golden(name), CASES[name]
    method = case.make().double().train()
    missing, extra = method.load_state_dict(golden.below("weights/"), strict=False)
    assert not extra
    assert all(any(part in key for part in (*case.unlike, "num_batches")) for key in missing), missing
    groups = method.parameter_groups()
    optimizer = build_optimizer(groups, CONFIG, case.kind) if case.kind else sgd(groups)
    for step in range(3):
        masks(method, golden.arrays, step)
        rates = Rates(float(golden.arrays["lr"][step]), float(golden.arrays["decay"][step]), step / 3)
        train(method, golden, step, groups, optimizer, rates, case.unlike)
    wanted = {key: value for key, value in golden.below("after/").items() if "num_batches" not in key}
    state = named_state(method)
    for key, value in wanted.items():
        if key in method.null_parameters:  # moved by noise on both sides
            continue
        golden.compare(f"after {key}", state[key], value, 1.0)
    assert all(any(part in key for part in case.unlike) for key in state.keys() - wanted.keys())
    worst = max(golden.worst, key=golden.worst.__getitem__)
    assert golden.worst[worst] < 1e-8, f"{worst} is {golden.worst[worst]:.1e} off"


def train(
    method: Any, golden: Golden, step: int, groups: Any, optimizer: Any, rates: Rates, unlike: tuple[str, ...]
) -> None:
    """One step, as the loop of a run takes it."""
    set_rates(optimizer, groups, rates)
    if isinstance(optimizer, torch.optim.SGD):
        for table in optimizer.param_groups:
            table["weight_decay"] = rates.weight_decay
    method.before_step(step / 3)
    loss = method.training_loss(golden.batch(step), step / 3).total
    golden.compare(f"loss {step}", loss, golden.arrays["loss"][step])
    optimizer.zero_grad()
    loss.backward()
    golden.gradients(step, method, unlike)
    for parameter in method.frozen:
        parameter.grad = None
    clip_gradients(groups)
    optimizer.step()
    method.after_step(step / 3)


def test_fixed_positions_are_the_official_ones_but_for_the_order_of_row_and_column() -> None:
    tables = [(8, "mae", "positions"), (32, "mae", "decoder_positions"), (8, "moco-v3", "positions"),
              (8, "ijepa", "positions"), (12, "ijepa", "predictor_positions")]  # fmt: skip
    for found, name, key in tables:
        wanted = torch.from_numpy(Golden(name).arrays[key])[-16:].double()
        if name == "moco-v3":  # whose first half is the row's
            wanted = wanted.roll(4, dims=1)
        torch.testing.assert_close(sincos_positions(4, 4, found), wanted, rtol=1e-6, atol=1e-6)
