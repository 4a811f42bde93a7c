"""``linear``, 14 labels x 10 strengths, against one epoch of ``linear-paper``, both from the same prepared images.

A side's time holds everything from the files on: ``linear`` embeds training and validation images once, fits all heads
and chooses one; the epoch augments the training images, encodes them, trains one head and looks at the validation
split. Both use the same frozen ViT-Tiny/16 at 112 px. Predicting the test split costs both the same and is left out.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.interleave import interleave
from ssl_bench.build.backbones import build
from ssl_bench.data.source import ImageSource, PixelStatistics
from ssl_bench.data.views import whole_view
from ssl_bench.evaluate.embed import embed
from ssl_bench.plugin.contracts import EvalContext, Predictions, Split
from ssl_bench.stats.metrics import macro_auroc
from sslbench_evaluators.heads import Classifier, Training
from sslbench_evaluators.linear import Linear
from sslbench_evaluators.linear_paper import LinearPaper
from sslbench_evaluators.options import HeadOptions, LinearOptions

SIDE, LABELS, ROUNDS, EPOCHS = 112, 14, 3, 3
SIZES = {"train": 1500, "validate": 300, "test": 192}
GREY = PixelStatistics(0.5, 0.25)


def files(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """A store of noise on the disk (N, 112, 112), and labels (N, L); each label brightens a field of its own."""
    rng = np.random.default_rng(0)
    labels = (rng.random((sum(SIZES.values()), LABELS)) < np.geomspace(0.1, 0.4, LABELS)).astype(np.float32)
    images = rng.normal(110, 30, (len(labels), SIDE, SIDE))
    for label in range(LABELS):
        row, column = SIDE // 4 * (label // 4), SIDE // 4 * (label % 4)
        images[:, row : row + SIDE // 4, column : column + SIDE // 4] += 25 * labels[:, label, None, None]
    np.save(folder / "images.npy", images.clip(0, 255).astype(np.uint8))
    return np.load(folder / "images.npy", mmap_mode="r"), labels


def test_linear_costs_no_more_than_an_epoch_of_linear_paper(report, tmp_path: Path) -> None:
    images, labels = files(tmp_path)
    source, (train, validate, test) = ImageSource(images, torch.device("cpu"), "disk"), SIZES.values()
    rows = np.split(np.arange(len(labels)), [train, train + validate])
    torch.manual_seed(0)
    network = build(SIDE, "vit_tiny_patch16_224", in_chans=1, dynamic_img_size=True).eval()
    features = partial(embed, network, source, grey=GREY)
    names = [np.array([f"i{row}" for row in part]) for part in rows]
    held = np.zeros((test, network.dim), np.float32)
    splits = {
        name: Split(name, ids, ids, held, labels[part], part)
        for name, ids, part in zip(SIZES, names, rows, strict=True)
    }
    look = lambda part: whole_view(source.read(part), SIDE, mean=GREY.mean, std=GREY.std)  # noqa: E731
    context = EvalContext(splits, [f"L{k}" for k in range(LABELS)], network, "cpu", 0, look, -2.0)

    def with_features(*names: str) -> EvalContext:
        made = {name: replace(splits[name], embeddings=features(splits[name].rows)) for name in names}
        return replace(context, splits={**splits, **made})

    def linear() -> None:
        list(Linear(LinearOptions()).evaluate(with_features("train", "validate")))

    head = Classifier(network, LABELS, frozen=True, seed=0)
    optimizer = torch.optim.Adam(head.head.parameters(), lr=5e-4)
    training = Training("linear-paper", context, HeadOptions(), head, optimizer)

    def epoch() -> None:
        training.epoch(1)
        training.validation(1)

    times = interleave({"sslbench": linear, "an epoch of `linear-paper`": epoch}, ROUNDS)
    report.ratio(
        "`linear` with the embedding of its images", times, "sslbench", "an epoch of `linear-paper`", at_least=1
    )
    paper = HeadOptions(epochs=EPOCHS, lr=1e-2)
    found = [Linear(LinearOptions()).evaluate(with_features(*SIZES)), LinearPaper(paper).evaluate(context)]
    values = [macro_auroc(splits["test"].labels, scores) for scores in map(on_test, found)]
    report.note(f"macro AUROC on {test} synthetic images, ViT-Tiny/16 with random weights: `linear` {values[0]:.3f}, "
                f"`linear-paper` after {EPOCHS} epochs {values[1]:.3f}.")  # fmt: skip
    assert min(values) > 0.5


def on_test(found: list[Predictions]) -> np.ndarray:
    """Scores of the test split."""
    return next(item.scores for item in found if item.split == "test")
