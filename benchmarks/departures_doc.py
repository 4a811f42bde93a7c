"""The table "Size of the departures" of docs/fidelity.md: ``python -m benchmarks.departures_doc``, in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from benchmarks.real_study import ROOT, filled
from ssl_bench.build.backbones import build
from ssl_bench.data.resize import as_table, resized_crops
from ssl_bench.data.views import draw_boxes
from ssl_bench.files import write_text
from ssl_bench.pretrain.schedules import cosine, ramp, warmup_cosine
from ssl_bench.report.render import markdown
from ssl_bench.report.table import Table
from sslbench_synthetic.cohort.population import draw_population
from sslbench_synthetic.cohort.radiograph import draw_radiograph

PAGE, NAME = ROOT / "docs" / "fidelity.md", "departures"
EPOCHS, WARMUP, TEMPERATURE_EPOCHS = 100, 15, 30
"""A training of the paper's length, its warm-up of the rate, and DINO's of the teacher's temperature."""

STEPS = 1000
"""Of an epoch."""

IMAGES, SIDE, CROP, BORDER = 32, 256, 224, 2


class Size(NamedTuple):
    """How large a departure is.

    Args:
        departure: here and there.
        quantity: what is measured.
        size: of it.
    """

    departure: str
    quantity: str
    size: str


def rate(step: float, start: float = 0.0) -> float:
    """Share of the peak rate at a step."""
    return warmup_cosine(step / (EPOCHS * STEPS), 1.0, 0.0, warmup=WARMUP / EPOCHS, start=start)


def schedules() -> Iterator[Size]:
    """What depends on the progress alone."""
    steps = range(EPOCHS * STEPS)
    later = max(abs(rate(step + 1) - rate(step)) for step in steps)
    yield Size("rate of this step; there of the next one", "largest difference, share of the peak", f"{later:.1e}")
    here, there = (sum(rate(step, start) for step in steps) for start in (0.0, 0.2))
    yield Size(
        "warm-up from a rate of 0; in MSN and I-JEPA from a fifth of the peak",
        "sum of all rates",
        f"{here / there - 1:+.1%}",
    )
    by_epoch = max(abs(cosine(step / len(steps), 1, 0) - cosine(step // STEPS / EPOCHS, 1, 0)) for step in steps)
    yield Size("rate falls with every step; in the released MSN-EHR with every epoch",
               "largest difference, share of the peak", f"{by_epoch:.1%}")  # fmt: skip
    yield temperature()
    age = 1 / (1 - 0.996)
    yield Size("target moves after the step; in the released MSN-EHR before it",
               "mean age of the weights in it (momentum .996), steps", f"{age:.0f}; {age + 1:.0f}")  # fmt: skip


def temperature() -> Size:
    """Of DINO's teacher, whose warm-up is an option."""
    share = TEMPERATURE_EPOCHS / EPOCHS
    there = np.concatenate([np.linspace(0.04, 0.07, TEMPERATURE_EPOCHS), np.full(EPOCHS - TEMPERATURE_EPOCHS, 0.07)])
    steps = range(EPOCHS * STEPS)
    largest = max(abs(ramp(step / len(steps), 0.04, 0.07, share) - there[step // STEPS]) for step in steps)
    return Size("DINO's teacher temperature, where it is warmed up, rises with every step; there with every epoch",
                "largest difference, of .04 to .07", f"{largest:.4f}")  # fmt: skip


def pictures() -> Tensor:
    """Radiographs of the synthetic cohort: ``(IMAGES, 1, SIDE, SIDE)`` uint8."""
    rows = draw_population(IMAGES, 0).to_dict("records")
    return torch.stack([torch.from_numpy(draw_radiograph(row, 0, SIDE)) for row in rows])[:, None]


def crops() -> Iterator[Size]:
    """The border of a crop, in grey levels of 255."""
    images, generator = pictures(), torch.Generator().manual_seed(0)
    boxes = draw_boxes((0.3, 1.0), (3 / 4, 4 / 3), IMAGES, SIDE, generator).round()
    ours = resized_crops(as_table(images), torch.arange(IMAGES), boxes, CROP)
    theirs = torch.stack([cut(image, box) for image, box in zip(images, boxes, strict=True)])
    difference = (ours - theirs).abs()
    inside = torch.zeros(CROP, CROP, dtype=torch.bool)
    inside[BORDER:-BORDER, BORDER:-BORDER] = True
    for where, pixels in ((f"within {BORDER} px of the border", ~inside), ("elsewhere (rounding)", inside)):
        found = difference[:, pixels]
        yield Size("crops look beyond their border, as Pillow's; torchvision's stop there",
                   f"grey levels of 255, {where}: mean, largest", f"{found.mean():.2f}, {found.max():.1f}")  # fmt: skip


def cut(image: Tensor, box: Tensor) -> Tensor:
    """A crop of torchvision: ``(CROP, CROP)`` float32."""
    left, top, width, height = (int(number) for number in box)
    return functional.resized_crop(image, top, left, height, width, [CROP, CROP], antialias=True)[0].float()


def weights() -> Iterator[Size]:
    """The first weights of a ViT-Tiny."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(224, "vit_tiny_patch16_224")
    for name in ("attn.qkv", "mlp.fc1"):
        drawn = network.model.get_parameter(f"blocks.0.{name}.weight")
        xavier = (2 / sum(drawn.shape)) ** 0.5
        yield Size(f"first weights of the encoder by timm's rule; in MAE and MoCo v3 by Xavier's: {name} of ViT-Tiny",
                   "standard deviation", f"{drawn.std():.3f}; {xavier:.3f}")  # fmt: skip


def table() -> str:
    """All of them, in Markdown."""
    found = [*schedules(), *crops(), *weights()]
    return markdown(Table(("here; there", "measured", "size"), tuple(tuple(one) for one in found))).strip()


def main() -> None:
    """Measure, and replace the table of the page."""
    write_text(PAGE, filled(PAGE.read_text(encoding="utf-8"), {NAME: table()}))


if __name__ == "__main__":
    main()
