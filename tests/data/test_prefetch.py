"""Reading ahead changes no batch; it happens while a step computes, and it ends with the training."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ssl_bench.data.exposure import Exposure
from ssl_bench.data.prefetch import Prefetch, SideStream, prefetching
from ssl_bench.data.source import BatchStream, ImageSource, JoinedSource, PixelStatistics, Source
from ssl_bench.errors import DataError
from ssl_bench.plugin.contracts import ViewGroup
from ssl_bench.plugin.features import FeatureSchema

CPU, SIDE, STORED, BATCH = torch.device("cpu"), 12, 40, 5
LONG = 60
"""Seconds after which a thread that waits for another one gives up: never reached where the code is right."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of noise."""
    images = np.random.default_rng(0).integers(0, 256, (STORED, SIDE, SIDE), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    return tmp_path / "images.npy"


def on_disk(path: Path) -> ImageSource:
    return ImageSource(np.load(path, mmap_mode="r"), CPU, "disk")


def stream(source: Source, **options: Any) -> BatchStream:
    tables = tuple(np.random.default_rng(1).random((STORED, columns)) for columns in (3, 3, 2))
    groups = [ViewGroup("a", 2, 8, (0.3, 1.0)), ViewGroup("b", 1, 4, (0.1, 0.3))]
    rows = np.random.default_rng(2).permutation(STORED)
    return BatchStream(source, rows, tables, groups, PixelStatistics(0.5, 0.25), batch_size=BATCH, seed=0, **options)


def assert_same_bits(one: Any, other: Any) -> None:
    assert one.views.keys() == other.views.keys()
    assert all(torch.equal(one.views[name], other.views[name]) for name in one.views)
    assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("ehr", "present", "labels", "index"))


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@dataclass
class Watched:
    """A source that tells when a read begins, and that waits where it is told to."""

    inner: ImageSource
    device: torch.device = CPU
    on_disk: bool = True
    wait: dict[int, threading.Event] = field(default_factory=dict)
    begun: dict[int, threading.Event] = field(default_factory=lambda: {n: threading.Event() for n in range(9)})
    threads: list[threading.Thread] = field(default_factory=list)

    def read(self, rows: Any) -> Tensor:
        number = len(self.threads)
        self.threads.append(threading.current_thread())
        self.begun[number].set()
        assert self.wait.get(number, self.begun[number]).wait(LONG)
        return self.inner.read(rows)


def test_batches_are_those_of_the_plain_stream_to_the_bit(path: Path) -> None:
    exposure = Exposure(FeatureSchema(("age", "sex"), ("age", "sex=M", "sex=F"), {}), 0, 20, dropout=0.5)
    plain = stream(ImageSource(np.load(path), CPU, "ram"), exposure=exposure)
    with prefetching(stream(on_disk(path), exposure=exposure), 20) as batches:  # two and a half epochs
        assert isinstance(batches, Prefetch)
        for step in range(20):
            assert_same_bits(batches.batch(step), plain.batch(step))


def test_any_step_may_be_asked_for(path: Path) -> None:
    plain, batches = stream(on_disk(path)), Prefetch(stream(on_disk(path)), 40)
    for step in (13, 14, 3, 3, 39, 0, 7, 8):
        assert_same_bits(batches.batch(step), plain.batch(step))
    batches.close()


def test_several_stores_are_read_ahead_as_one(path: Path) -> None:
    images = np.load(path, mmap_mode="r")
    parts = [ImageSource(np.array(images[:15]), CPU, "ram"), ImageSource(images[15:], CPU, "disk")]
    joined = JoinedSource(parts, [15, STORED - 15])
    assert joined.on_disk
    plain = stream(on_disk(path))
    with prefetching(stream(joined), 8) as batches:
        for step in range(8):
            assert_same_bits(batches.batch(step), plain.batch(step))


def test_resident_images_are_not_read_ahead(path: Path) -> None:
    resident = stream(ImageSource(np.load(path), CPU, "ram"))
    with prefetching(resident, 8) as batches:
        assert batches is resident
        batches.batch(0)
        assert not readers()


def test_the_next_step_is_read_while_a_step_computes(path: Path) -> None:
    source = Watched(on_disk(path), wait={1: threading.Event()})
    with prefetching(stream(source), 3) as batches:
        batches.batch(0)  # is there, although the read of the next one cannot end
        assert source.begun[1].wait(LONG)
        assert source.threads[1] is not threading.current_thread()
        assert not source.begun[2].is_set()  # one step ahead, not two
        source.wait[1].set()
        batches.batch(1)
        assert source.begun[2].wait(LONG)
        batches.batch(2)
    assert len(source.threads) == 3  # every image once, and none beyond the last step


def test_no_thread_is_left_behind(path: Path) -> None:
    with prefetching(stream(on_disk(path)), 8) as batches:
        for step in range(8):
            batches.batch(step)
    assert not readers()
    with suppress(KeyboardInterrupt), prefetching(stream(on_disk(path)), 8) as batches:
        batches.batch(2)
        raise KeyboardInterrupt
    assert not readers()
    batches.batch(3)  # a training that has ended reads nothing ahead
    assert not readers()


def test_a_fault_is_raised_at_the_step_that_needs_the_images(path: Path) -> None:
    made = stream(on_disk(path))
    last = next(step for step in range(8) if STORED - 1 in made.own_rows(step))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    assert last > 0
    with prefetching(made, 8) as batches:
        for step in range(last):
            batches.batch(step)
        for _ in range(2):  # and again where it is asked for again
            with pytest.raises(DataError, match=r"images\.npy ends before image 39 does"):
                batches.batch(last)
    assert not readers()


HANGING = """
import threading
import torch
from ssl_bench.data.prefetch import Prefetch

begun = threading.Event()

class Source:
    device = torch.device("cpu")

    def read(self, step):
        if step:
            begun.set()
            threading.Event().wait()
        return torch.zeros(1)

class Stream:
    source = Source()

    def own_rows(self, step):
        return step

    def batch(self, step, images):
        return images

Prefetch(Stream(), 8).batch(0)
assert begun.wait(60)
"""


def test_a_read_that_never_ends_keeps_no_process_alive() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=2 * LONG)
    assert ended.returncode == 0, ended.stderr


# --- a GPU's streams, by a stand-in that writes down the order of calls -----------------------------------------------


@dataclass
class Stream:
    name: str
    calls: list[str]

    def wait_stream(self, other: Stream) -> None:
        self.calls.append(f"{self.name} waits for {other.name}")


@dataclass
class Images:
    calls: list[str]

    def record_stream(self, stream: Stream) -> None:
        self.calls.append(f"images are used on {stream.name}")


def test_a_gpu_copies_beside_the_step_and_the_step_waits_for_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    main, current = Stream("main", calls), threading.local()

    @contextmanager
    def within(stream: Stream) -> Any:
        current.stream = stream
        yield
        current.stream = main

    def copy() -> Any:
        calls.append(f"copy on {current.stream.name}")
        return Images(calls)

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("side", calls))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: getattr(current, "stream", main))
    monkeypatch.setattr(torch.cuda, "stream", within)
    side = SideStream(torch.device("cuda"))
    side.handed_over(side.run(copy))
    assert calls == ["side waits for main", "copy on side", "main waits for side", "images are used on main"]
