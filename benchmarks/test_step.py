"""A training step of MSN-EHR, and training end to end from the disk, against the standard recipe of ``baseline.py``.

Same shapes: ViT-Tiny/16, 12 views of an image (target and anchor of 224 px, ten focal views of 96 px), 1,024
prototypes, masks on the anchor alone. sslbench also joins EHR features, which the recipe lacks. Each step is whole:
forward, backward, clipping, AdamW, moving average. Before anything is timed, both must give the same loss.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightly.loss import MSNLoss
from PIL import Image

from benchmarks.baseline import FOCAL_VIEWS, PROTOTYPES, Recipe, loader, rgb_views, train
from benchmarks.interleave import interleave
from benchmarks.report import amx
from benchmarks.steps import SCHEMA, OneBatch, concat, step_flops
from benchmarks.test_views import radiograph_like
from ssl_bench.build.backbones import build
from ssl_bench.config.config import PretrainConfig
from ssl_bench.data.decode import DecodeOptions
from ssl_bench.data.source import BatchStream, ImageSource, PixelStatistics
from ssl_bench.data.store import prepare
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.contracts import Batch
from ssl_bench.plugin.methods import random_keep
from ssl_bench.plugin.registry import discover
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.pretrain.loop import Trainer
from ssl_bench.seeds import generator
from sslbench_methods.msn import MSN, msn_loss
from sslbench_methods.options import MSNOptions

BATCH, ROUNDS, EPOCH = 8, 5, 4
"""Images of a step, timed rounds, and steps of an epoch end to end."""

AS_MSN_TRANSFORM = MSNOptions(brightness=0.8, contrast=0.8, flip=0.5)


def msn(*, ehr: bool, **options: float) -> MSN:
    """ViT-Tiny/16 with the options' defaults, which are the official ones."""
    torch.manual_seed(0)
    backbone = build(224, "vit_tiny_patch16_224")
    fusion = concat(backbone.dim) if ehr else None
    return MSN(AS_MSN_TRANSFORM.model_copy(update=options), backbone, fusion)


def random_batch(images: int, focal: int = FOCAL_VIEWS) -> Batch:
    """Noise for every view, and EHR rows."""
    drawn = torch.Generator().manual_seed(0)
    shapes = {"target": (images, 224), "anchor": (images, 224), "focal": (focal * images, 96)}
    views = {name: torch.randn(n, 1, side, side, generator=drawn) for name, (n, side) in shapes.items()}
    ehr = torch.rand(images, len(SCHEMA), generator=drawn)
    return Batch(views, ehr, torch.ones_like(ehr), torch.zeros(images, 1), torch.arange(images))


def trainer(stream: object, precision: str, folder: Path, **options: float) -> Trainer:
    """sslbench's own loop around MSN-EHR; ``_step`` is the step of every run."""
    settings = {"precision": precision, "accelerator": "cpu", "lr": 1e-4, "weight_decay": 1e-3}
    config = PretrainConfig(epochs=1, batch_size=BATCH, **settings)
    fabric = build_fabric(config)
    return Trainer(msn(ehr=True, **options), stream, config, fabric, folder, None, seed=0, identity={})


@pytest.mark.parametrize("views", [1, 11])
def test_both_losses_are_the_same_on_the_same_tensors(views: int) -> None:
    drawn = torch.Generator().manual_seed(1)
    anchors = torch.randn(views * 32, 256, generator=drawn, requires_grad=True)
    targets = torch.randn(32, 256, generator=drawn)
    prototypes = torch.randn(PROTOTYPES, 256, generator=drawn, requires_grad=True)
    ours, theirs = sum(msn_loss(anchors, targets, prototypes)), MSNLoss()(anchors, targets, prototypes)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
    for variable in (anchors, prototypes):
        pair = [torch.autograd.grad(loss, variable, retain_graph=True)[0] for loss in (ours, theirs)]
        torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-8)


def test_both_networks_give_the_same_loss_on_the_same_views() -> None:
    batch, method, recipe = random_batch(4), msn(ehr=False), Recipe()
    recipe.load(method)

    def same_masks(images: torch.Tensor) -> torch.Tensor:
        keep = random_keep(len(images), 196, method.options.mask_ratio, images.device)
        return torch.cat([keep.new_zeros(len(images), 1), keep + 1], dim=1)

    recipe.kept_tokens = same_masks
    torch.manual_seed(2)
    ours = method.training_loss(batch, 0.0).total
    torch.manual_seed(2)
    torch.testing.assert_close(ours, recipe(list(rgb_views(batch.views))), rtol=1e-5, atol=0)


@pytest.mark.parametrize(("images", "rounds"), [(BATCH, ROUNDS), (32, 3), (64, 3)])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_step(report, tmp_path: Path, precision: str, images: int, rounds: int) -> None:
    batch, dtype = random_batch(images), getattr(torch, {"bf16": "bfloat16"}.get(precision, precision))
    views, built = list(rgb_views(batch.views)), trainer(OneBatch(batch), FABRIC[precision], tmp_path)
    assert dtypes(built) == {dtype}
    recipes = {name: Recipe(bf16=name == "bf16") for name in dict.fromkeys(("float32", precision))}
    cases = {f"recipe, {name}": lambda recipe=recipe: recipe.step(views) for name, recipe in recipes.items()}
    product = large_product(dtype)
    times = interleave({"sslbench": lambda: built._step(0), "product": product, **cases}, rounds)
    for name in recipes:
        aim = 1.5 if name == precision else best_target(images)
        case = f"step, batch {images}, {precision}, per image"
        report.ratio(case, times, "sslbench", f"recipe, {name}", at_least=aim, per=images)
    rate, flops = PRODUCT_FLOPS / statistics.median(times["product"]), images * step_flops(discover(), "msn-ehr", 4) / 4
    report.rate(f"batch {images}", precision, flops, times["sslbench"], rate, share_target(precision, images))


FABRIC = {"float32": "32-true", "bf16": "bf16-mixed"}
SIDE, TIMES = 2048, 4
PRODUCT_FLOPS = 2 * SIDE**3 * TIMES


def large_product(dtype: torch.dtype) -> Callable[[], None]:
    """Products of large matrices: the rate that the processor reaches where nothing else is in the way."""
    matrix = torch.randn(SIDE, SIDE).to(dtype)

    def call() -> None:
        for _ in range(TIMES):
            matrix @ matrix

    return call


def best_target(images: int) -> float:
    """Of the better precision against the recipe in float32."""
    return 4.0 if images > BATCH and amx() else 2.5


def share_target(precision: str, images: int) -> float | None:
    """Of the processor's rate."""
    return {"float32": 0.7, "bf16": 0.3}[precision] if images > BATCH and amx() else None


def dtypes(built: Trainer) -> set[torch.dtype]:
    """What a step's matrix products give: a run must compute in the precision that it is said to be measured in."""
    seen: list[torch.dtype] = []
    layer = built.method.backbone.model.blocks[0].mlp.fc1
    hook = layer.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    built._step(0)
    hook.remove()
    return set(seen)


def test_step_grows_in_proportion(report, tmp_path: Path) -> None:
    sizes = (4, 8, 16)
    # Tokens that an image costs: the target is one third of a training step, the anchor is masked, 37 a focal view.
    tokens = {197 // 3 + 168 + 37 * focal: focal for focal in (2, 10, 26)}
    by_batch = {n: trainer(OneBatch(random_batch(n)), "auto", tmp_path / f"b{n}")._step for n in sizes}
    by_views = {
        n: trainer(OneBatch(random_batch(4, focal)), "auto", tmp_path / f"v{n}", focal_views=focal)._step
        for n, focal in tokens.items()
    }
    report.growth("step, by batch size", interleave({n: lambda n=n: by_batch[n](0) for n in sizes}, 3))
    report.growth(
        "step, by tokens of an image (2, 10, 26 focal views)",
        interleave({n: lambda n=n: by_views[n](0) for n in tokens}, 3),
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """JPEGs whose short side is 256 px already: the recipe's best case, for larger ones take longer to decode."""
    folder = tmp_path_factory.mktemp("jpeg")
    paths = [folder / f"{number:03d}.jpg" for number in range(EPOCH * BATCH)]
    for seed, path in enumerate(paths):
        Image.fromarray(radiograph_like(256, seed)).save(path, quality=95)
    return paths


def stream(paths: list[Path], cache: Path, options: MSNOptions) -> BatchStream:
    """Batches from a prepared store that stays on the disk."""
    frame = pd.DataFrame({"image_id": [path.stem for path in paths], "image_path": [path.name for path in paths]})
    store = prepare(Cohort("jpeg", paths[0].parent, frame, (), ()), cache, DecodeOptions(256))
    source = ImageSource(store.images, torch.device("cpu"), "disk")
    tables = tuple(generated((len(paths), columns)) for columns in (len(SCHEMA), len(SCHEMA), 1))
    groups = msn(ehr=False).views
    return BatchStream(
        source, np.arange(len(paths)), tables, groups, PixelStatistics(0.5, 0.25), batch_size=BATCH, seed=0
    )


def generated(shape: tuple[int, int]) -> np.ndarray:
    return torch.rand(shape, generator=generator(0, "tables")).numpy()


def test_end_to_end_from_the_disk(benchmark, report, files: list[Path], tmp_path: Path) -> None:
    trained, recipe = trainer(stream(files, tmp_path, AS_MSN_TRANSFORM), "auto", tmp_path / "run"), Recipe()
    loaders = {workers: loader(files, BATCH, workers) for workers in range((os.cpu_count() or 1) + 1)}
    every = {f"recipe, {n} workers": lambda n=n: train(recipe, loaders[n]) for n in loaders}
    trial = interleave(every, 1)
    best = min(every, key=lambda name: trial[name])
    times = interleave({"sslbench": lambda: [trained._step(step) for step in range(EPOCH)], best: every[best]}, ROUNDS)
    report.ratio("end to end from disk, per image", times, "sslbench", best, at_least=2.2, per=EPOCH * BATCH)
    benchmark.pedantic(lambda: trained._step(0), rounds=2)
