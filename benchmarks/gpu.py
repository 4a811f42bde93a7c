"""Everything that is to be known of one GPU, by one command: ``python benchmarks/gpu.py [--out gpu.json]``.

Prints and saves: step time and images/s of every method with ViT-Tiny and ViT-Small, with the operations counted and
their share of the card's measured bf16 matrix rate, eager and (as far as the time reaches, the paper's method first)
compiled; the step of the standard recipe beside ours; batches, and whole training steps, from the device, from memory
and from the disk; probe and intervals. A measurement that fails, or that the time does not reach, is a line that says
so. ``--device cpu --quick`` runs all of it at a tiny size, to see that it runs; those numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

sys.path.append(str(Path(__file__).parents[1]))

from benchmarks.baseline import Recipe, rgb_views
from benchmarks.interleave import interleave, ratio
from benchmarks.steps import LABELS, SCHEMA, OneBatch, build, random_batch, step_flops, trained, trainer
from ssl_bench.data.prefetch import prefetching
from ssl_bench.data.source import BatchStream, ImageSource, PixelStatistics
from ssl_bench.evaluate.probe import fit_logistic
from ssl_bench.plugin.contracts import ViewGroup
from ssl_bench.plugin.registry import discover
from ssl_bench.pretrain.compiled import compiled
from ssl_bench.pretrain.loop import Trainer
from ssl_bench.results.environment import environment
from ssl_bench.stats.bootstrap import bootstrap


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    backbones: tuple[str, ...]
    preset: str
    batch: int
    steps: int
    matrix: int
    images: int
    recipe_batch: int


FULL = Size(("vit-tiny", "vit-small"), "paper", 256, 10, 8192, 20_000, 64)
QUICK = Size(("vit-micro",), "smoke", 4, 1, 128, 200, 2)

FIRST = "msn-ehr"
"""Whose compiled step is measured before the others'."""

COMPILING = 0.65
"""Share of the time after which no compilation begins: the first step of one takes minutes."""

PLACES = {"device": False, "ram": False, "disk": False, "disk, read ahead": True}
"""Where the images of a training live, and whether the next step's are read ahead."""


class OutOfTime(BaseException):
    """The time is over; no ``Exception``, for a measurement that fails does not end the others."""


@dataclass(frozen=True)
class Row:
    """One measurement: seconds of a call, and what goes with it."""

    part: str
    case: str
    seconds: float | None = None
    images_per_second: float | None = None
    gflop_per_image: float | None = None
    tflops: float | None = None
    share: float | None = None
    peak_gib: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Job:
    """A measurement to be made.

    Args:
        part: of the table.
        case: what is measured, where the measurement fails and cannot say so itself.
        rows: makes it.
        compiles: it takes a compilation.
    """

    part: str
    case: str
    rows: Callable[[], Iterable[Row]]
    compiles: bool = False


class Card:
    """A device with its clock.

    Args:
        name: ``cuda`` or ``cpu``.
        size: how much is measured.
        seconds: after which nothing is measured any more.
        methods: whose steps are timed; none: all that train.
    """

    def __init__(self, name: str, size: Size, seconds: float, methods: Sequence[str] = ()) -> None:
        self.name, self.size, self.device, self.methods = name, size, torch.device(name), methods
        self.seconds, self.begin = seconds, time.monotonic()
        self.rate: float | None = None
        self.registry = discover()
        self.precision = "bf16-mixed" if name == "cuda" else "32-true"

    def late(self, share: float = 1.0) -> bool:
        """Whether that share of the time is over."""
        return time.monotonic() > self.begin + share * self.seconds

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.name == "cuda":
            torch.cuda.synchronize()

    def timed(self, call: Callable[[], object], times: int) -> float:
        """Median seconds of a call, after one that does not count."""
        found = []
        for _ in range(times + 1):
            self.wait()
            begin = time.perf_counter()
            call()
            self.wait()
            found.append(time.perf_counter() - begin)
        return statistics.median(found[1:])

    def forget(self) -> None:
        """Free what is cached, and begin the peak anew."""
        if self.name == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> float | None:
        """GiB at the most since :meth:`forget`."""
        return torch.cuda.max_memory_allocated() / 2**30 if self.name == "cuda" else None


def matrix_rate(card: Card) -> Iterator[Row]:
    """What the device reaches in products of two large matrices, in bf16 (float32 on a CPU); the card keeps it."""
    kind = torch.bfloat16 if card.name == "cuda" else torch.float32
    side = card.size.matrix
    one, other = (torch.randn(side, side, device=card.device, dtype=kind) for _ in range(2))
    seconds = card.timed(lambda: one @ other, 20)
    card.rate = 2 * side**3 / seconds / 1e12
    yield Row("matrix", f"{side} x {side}, {kind}", seconds, tflops=card.rate, share=1.0)


def steps(card: Card, folder: Path) -> Iterator[Job]:
    """Every method with every backbone, eager; on a GPU compiled, too."""
    names = sorted(card.methods or trained(card.registry), key=lambda name: name != FIRST)
    pairs = [(name, backbone) for backbone in card.size.backbones for name in names]
    compiled_pairs = [(name, backbone) for name in names for backbone in card.size.backbones]
    for within, chosen in ((False, pairs), (True, compiled_pairs if card.name == "cuda" else [])):
        for name, backbone in chosen:
            case = f"{name}, {backbone}, {'compiled' if within else 'eager'}"
            rows = partial(step, card, folder, case, name, backbone, within=within)
            yield Job("step", case, rows, compiles=within)


def step(card: Card, folder: Path, case: str, name: str, backbone: str, *, within: bool) -> Iterator[Row]:
    """One method's step on synthetic views; ``within`` torch.compile, whose warm-up is noted."""
    card.forget()
    size = card.size
    method = build(card.registry, name, backbone, preset=size.preset)
    stream = OneBatch(random_batch(method, size.batch, card.device))
    made = trainer(method, stream, folder, batch_size=size.batch, accelerator=card.name, precision=card.precision)
    with compiled(cast("nn.Module", method)) if within else nullcontext():
        begin = time.perf_counter()
        made._step(0)
        card.wait()
        first = time.perf_counter() - begin
        seconds = card.timed(lambda: made._step(0), size.steps)
    flops = step_flops(card.registry, name, size.batch, backbone, size.preset)
    tflops = flops / seconds / 1e12
    share, note = tflops / card.rate if card.rate else None, f"first step {first:.1f} s" if within else ""
    yield Row("step", case, seconds, size.batch / seconds, flops / size.batch / 1e9, tflops, share, card.peak(), note)


def recipe(card: Card, folder: Path) -> Iterator[Row]:
    """The standard recipe's step beside ours, ViT-Tiny, interleaved: its seconds, and how many times ours they are."""
    card.forget()
    images = card.size.recipe_batch
    method = build(card.registry, FIRST, "vit-tiny")
    batch = random_batch(method, images, card.device)
    made = trainer(method, OneBatch(batch), folder, batch_size=images, accelerator=card.name, precision=card.precision)
    views = list(rgb_views(batch.views))
    sides: dict[str, Callable[[], object]] = {"ours": lambda: made._step(0)}
    for kind in ("float32", "bf16") if card.name == "cuda" else ("float32",):
        other = Recipe(bf16=kind == "bf16").to(card.device)
        sides[kind] = lambda other=other: other.step(views)
    waiting = {name: lambda call=call: (call(), card.wait()) for name, call in sides.items()}
    times = interleave(waiting, card.size.steps)
    for name in sides:
        seconds = statistics.median(times[name])
        note = f"{ratio(times, name, 'ours')} of ours" if name != "ours" else card.precision
        yield Row("recipe", f"step, {name}", seconds, images / seconds, note=note)


def stored(card: Card, folder: Path) -> np.ndarray:
    """A memory-mapped store of 256 px images; just written, it lies in the page cache."""
    path = folder / "images.npy"
    if not path.exists():
        drawn = np.random.default_rng(0).integers(0, 256, (card.size.images, 256, 256), dtype=np.uint8)
        np.save(path, drawn)
    return np.load(path, mmap_mode="r")


def stream_from(card: Card, folder: Path, place: str, views: Sequence[ViewGroup]) -> BatchStream:
    """Training batches from images on the device, in memory or on the disk."""
    card.forget()
    images = stored(card, folder)
    tables = tuple(np.zeros((len(images), columns)) for columns in (len(SCHEMA), len(SCHEMA), LABELS))
    source = ImageSource(images, card.device, cast("Any", place))
    return BatchStream(
        source, np.arange(len(images)), tables, views, PixelStatistics(0.5, 0.25), batch_size=card.size.batch, seed=0
    )


def batches(card: Card, folder: Path) -> Iterator[Row]:
    """A batch with its views, from each place."""
    size = card.size
    views = build(card.registry, FIRST, size.backbones[0], preset=size.preset, device="meta").views
    for place in ("device", "ram", "disk"):
        stream, numbers = stream_from(card, folder, place, views), count()
        seconds = card.timed(lambda stream=stream, numbers=numbers: stream.batch(next(numbers)), 5 * size.steps)
        yield Row("batch with views", place, seconds, size.batch / seconds, peak_gib=card.peak())


def training(card: Card, folder: Path) -> Iterator[Row]:
    """Whole training steps, images and views included, from each place; the device is waited for at the end alone."""
    size, resident = card.size, 0.0
    for case, ahead in PLACES.items():
        method = build(card.registry, FIRST, size.backbones[0], preset=size.preset)
        stream, numbers = stream_from(card, folder, case.split(",")[0], method.views), count()
        made = trainer(method, stream, folder, batch_size=size.batch, accelerator=card.name, precision=card.precision)

        def train(made: Trainer = made, numbers: Iterator[int] = numbers) -> None:
            for _ in range(size.steps):
                made._step(next(numbers))

        with prefetching(stream, 10_000) if ahead else nullcontext(stream) as made.batches:
            seconds = card.timed(train, 3) / size.steps
        resident = resident or seconds
        note = f"{seconds / resident:.3g} of the first"
        yield Row("training", f"images: {case}", seconds, size.batch / seconds, peak_gib=card.peak(), note=note)


def findings(card: Card) -> tuple[np.ndarray, np.random.Generator]:
    """Labels (N, 14) of 5 to 40 % prevalence, and the generator that goes on from there."""
    rng = np.random.default_rng(0)
    drawn = rng.random((card.size.images // 2, LABELS)) < np.geomspace(0.05, 0.4, LABELS)
    return drawn.astype(float), rng


def probe(card: Card) -> Iterator[Row]:
    """The linear probe, on the device."""
    labels, rng = findings(card)
    features = torch.from_numpy(rng.normal(size=(len(labels), 384)).astype(np.float32)).to(card.device)
    wanted = torch.from_numpy(labels).to(card.device)
    strengths = np.geomspace(1e-5, 10, 10).tolist()
    seconds = card.timed(lambda: fit_logistic(features, wanted, strengths), 1)
    yield Row("probe", f"{LABELS} labels x 10 strengths, {len(labels):,} x 384", seconds)


def intervals(card: Card) -> Iterator[Row]:
    """Resamples, which are always computed on the CPU."""
    labels, rng = findings(card)
    scores = labels + rng.normal(size=labels.shape)
    replicates = 1000 if card.name == "cuda" else 100
    seconds = card.timed(lambda: bootstrap(labels, scores, replicates=replicates), 1)
    yield Row("intervals", f"{replicates} resamples, {LABELS} labels, {len(labels):,} images", seconds)


def jobs(card: Card, folder: Path) -> Iterator[Job]:
    """Everything, the most important first."""
    yield Job("matrix", "product", lambda: matrix_rate(card))
    yield Job("recipe", "step", lambda: recipe(card, folder))
    yield Job("batch with views", "from each place", lambda: batches(card, folder))
    yield Job("training", "from each place", lambda: training(card, folder))
    yield Job("probe", "linear", lambda: probe(card))
    yield Job("intervals", "resamples", lambda: intervals(card))
    yield from steps(card, folder)


def measure(card: Card) -> Iterator[Row]:
    """All rows; a job that fails, or that begins too late, is a row that says so."""
    with tempfile.TemporaryDirectory() as place:
        for job in jobs(card, Path(place)):
            if card.late(COMPILING if job.compiles else 1.0):
                yield Row(job.part, job.case, note="not measured: out of time")
                continue
            try:
                yield from job.rows()
            except Exception as error:
                yield Row(
                    job.part, job.case, note=f"failed: {type(error).__name__}: {' '.join(str(error).split())[:90]}"
                )


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Leave a block when the time is over; without this one compilation could take all of it."""

    def leave(*signalled: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except OutOfTime:
        print(f"stopped after {seconds:.0f} s: what was being measured and what follows is missing")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def duration(seconds: float | None) -> str:
    """Milliseconds with three digits; nothing where nothing was measured."""
    return "" if seconds is None else f"{1000 * seconds:.3g} ms"


def table(rows: Sequence[Row], title: str) -> Table:
    """One line a measurement."""
    columns = ("part", "case", "time", "images/s", "GFLOP/image", "TFLOP/s", "of matrix rate", "peak", "")
    shown = Table(*columns, title=title, box=None)
    for row in rows:
        numbers = [
            "" if value is None else f"{value:.4g}"
            for value in (row.images_per_second, row.gflop_per_image, row.tflops)
        ]
        share = "" if row.share is None else f"{100 * row.share:.0f} %"
        peak = "" if row.peak_gib is None else f"{row.peak_gib:.1f} GiB"
        shown.add_row(row.part, row.case, duration(row.seconds), *numbers, share, peak, row.note)
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="a tiny size, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="where the JSON goes")
    parser.add_argument("--seconds", type=float, default=400, help="after which no measurement begins")
    parser.add_argument("--methods", default="", help="joined by commas; all that train if not given")
    given = parser.parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no GPU; --device cpu --quick shows that the script runs")
    methods = [name for name in given.methods.split(",") if name]
    card = Card(given.device, QUICK if given.quick else FULL, given.seconds, methods)
    name = torch.cuda.get_device_name() if given.device == "cuda" else environment()["processor"]
    rows: list[Row] = []
    with at_most(1.1 * given.seconds):
        for row in measure(card):
            rows.append(row)
            print(f"{row.part}: {row.case}: {duration(row.seconds) or row.note}", flush=True)
    Console(width=150).print(table(rows, f"{name}, torch {torch.__version__}, batch {card.size.batch}"))
    kept = {"card": name, "quick": given.quick, "environment": environment(), "rows": [asdict(row) for row in rows]}
    given.out.write_text(json.dumps(kept, indent=2))


if __name__ == "__main__":
    main()
