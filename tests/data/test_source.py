"""Training batches: a function of seed and step, with rows that belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_bench.data import source as module
from ssl_bench.data.source import BatchStream, ImageSource, JoinedSource, PixelStatistics, measure_grey
from ssl_bench.errors import DataError
from ssl_bench.plugin.contracts import Batch, ViewGroup

CPU = torch.device("cpu")
SIDE = 12
STORED = 40
ROWS = np.random.default_rng(1).permutation(STORED)[:22]
"""Store rows of the training images: not all of the store, and not in its order."""

EHR = np.stack([ROWS, ROWS + 0.5], axis=1)
PRESENT = (EHR % 3 > 0).astype(np.float32)
LABELS = ROWS[:, None] * 10.0


@pytest.fixture
def images(tmp_path: Path) -> np.ndarray:
    """A memory-mapped store in which every image is flat, with its row number as grey value."""
    flat = np.broadcast_to(np.arange(STORED, dtype=np.uint8)[:, None, None], (STORED, SIDE, SIDE))
    np.save(tmp_path / "images.npy", flat)
    return np.load(tmp_path / "images.npy", mmap_mode="r")


def stream(images: np.ndarray, *, seed: int = 0, residency: str = "ram", batch_size: int = 5) -> BatchStream:
    return BatchStream(
        ImageSource(images, CPU, residency),
        ROWS,
        (EHR, PRESENT, LABELS),
        [ViewGroup("a", 2, 8, (0.3, 1.0)), ViewGroup("b", 1, 4, (0.1, 0.3))],
        PixelStatistics(0.5, 0.25),
        batch_size=batch_size,
        seed=seed,
        image_ids=[f"i{row}" for row in ROWS],
    )


def assert_same(one: Batch, other: Batch) -> None:
    for name in one.views:
        torch.testing.assert_close(one.views[name], other.views[name], rtol=0, atol=0)
    for field in ("ehr", "present", "labels", "index"):
        torch.testing.assert_close(getattr(one, field), getattr(other, field), rtol=0, atol=0)


def test_every_epoch_is_a_permutation_of_its_own(images: np.ndarray) -> None:
    made = stream(images)
    orders = [made.order(epoch).tolist() for epoch in range(3)]
    for order in orders:
        assert sorted(order) == list(range(len(ROWS)))
    assert len({tuple(order) for order in orders}) == 3
    assert made.order(0).tolist() == orders[0]


def test_no_image_comes_twice_in_an_epoch(images: np.ndarray) -> None:
    made = stream(images)
    assert made.steps_per_epoch == 4
    seen = np.concatenate([made.positions(step) for step in range(4)])
    assert len(set(seen.tolist())) == 20
    np.testing.assert_array_equal(seen, made.order(0)[:20])
    np.testing.assert_array_equal(made.positions(4), made.order(1)[:5])


def test_a_batch_is_a_function_of_seed_and_step(images: np.ndarray) -> None:
    forward, other = stream(images), stream(images)
    wanted = {step: forward.batch(step) for step in range(6)}
    for step in (5, 0, 3):
        torch.rand(7)  # the global generator does not matter
        assert_same(other.batch(step), wanted[step])


def test_another_seed_gives_another_order_and_other_crops() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (1, SIDE, SIDE), dtype=np.uint8).repeat(STORED, axis=0)
    one, other = stream(noise), stream(noise, seed=1)
    assert one.order(0).tolist() != other.order(0).tolist()
    for changed in (other.batch(0), one.batch(1)):  # all images are alike: what differs are the crops
        assert not torch.equal(one.batch(0).views["b"], changed.views["b"])


@pytest.mark.parametrize("step", [0, 3, 9])
def test_images_ehr_and_labels_of_a_batch_belong_together(images: np.ndarray, step: int) -> None:
    made = stream(images)
    batch = made.batch(step)
    rows = batch.index.numpy()
    assert set(rows) <= set(ROWS)
    np.testing.assert_array_equal(rows, made.store_rows(step))
    np.testing.assert_allclose(batch.ehr, np.stack([rows, rows + 0.5], axis=1))
    np.testing.assert_array_equal(batch.present, (batch.ehr % 3 > 0).float())
    np.testing.assert_allclose(batch.labels[:, 0], rows * 10.0)
    assert made.names(step) == [f"i{row}" for row in rows]
    grey = torch.from_numpy((rows / 255 - 0.5) / 0.25).float()
    torch.testing.assert_close(batch.views["a"].mean((1, 2, 3)), grey.repeat(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(batch.views["b"].mean((1, 2, 3)), grey, atol=1e-5, rtol=0)


def test_residency_changes_nothing(images: np.ndarray) -> None:
    for step in (0, 6):
        first = stream(images, residency="ram").batch(step)
        for residency in ("disk", "device", "auto"):
            assert_same(stream(images, residency=residency).batch(step), first)


@pytest.mark.parametrize("residency", ["ram", "disk"])
def test_reading_keeps_order_and_repetitions(images: np.ndarray, residency: str) -> None:
    read = ImageSource(images, CPU, residency).read(np.array([7, 3, 39, 3]))
    assert read.shape == (4, 1, SIDE, SIDE)
    assert read.dtype == torch.uint8
    assert read[:, 0, 0, 0].tolist() == [7, 3, 39, 3]


def test_auto_stays_on_the_disk_where_memory_is_short(images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ImageSource(images, CPU).residency == "ram"
    monkeypatch.setattr(module, "_free_memory", lambda: images.nbytes)
    assert ImageSource(images, CPU).residency == "disk"


def test_fewer_images_than_a_batch_are_refused(images: np.ndarray) -> None:
    with pytest.raises(DataError, match="a batch of 23 needs as many training images, 22 can be read"):
        stream(images, batch_size=23)


def test_grey_statistics_are_those_of_the_training_images() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    rows = np.array([4, 2, 9, 21])
    grey = measure_grey(noise, rows)
    assert grey.mean == pytest.approx(noise[rows].mean() / 255)
    assert grey.std == pytest.approx(noise[rows].std() / 255)


def test_grey_statistics_look_at_a_bounded_sample() -> None:
    class Watched:
        shape, looked_at = (39, 2, 2), 0

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            Watched.looked_at += len(rows)
            return np.full((len(rows), 2, 2), 51, np.uint8)

    grey = measure_grey(Watched(), np.arange(39), sample=20)
    assert 10 < Watched.looked_at <= 20
    assert grey == PixelStatistics(pytest.approx(0.2), 1e-3)  # flat images: the deviation is kept from 0


def test_joined_sources_are_numbered_one_after_the_other() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8)).astype(np.uint8)
    parts = [
        ImageSource(images[:4], CPU, "ram"),
        ImageSource(images[4:5], CPU, "disk"),
        ImageSource(images[5:], CPU, "disk"),
    ]
    joined = JoinedSource(parts, [4, 1, 4])
    whole = ImageSource(images, CPU, "ram")
    for rows in ([8, 0, 4, 3, 5, 0], [1, 2], [4], [0, 1, 2, 3, 4, 5, 6, 7, 8]):
        assert torch.equal(joined.read(np.array(rows)), whole.read(np.array(rows)))


def test_the_disk_is_read_in_the_order_asked_for_whatever_the_array(images: np.ndarray) -> None:
    rows = np.array([7, 3, 39, 3, 0])
    part, plain = images[2:], np.array(images)
    for array, shift in ((images, 0), (part, 2), (plain, 0), (images.transpose(0, 2, 1), 0)):
        chosen = np.minimum(rows, len(array) - 1)
        found = ImageSource(array, CPU, "disk").read(chosen)
        assert found.shape == (5, 1, SIDE, SIDE)
        assert found[:, 0, 0, 0].tolist() == (chosen + shift).tolist()
        assert torch.equal(found, ImageSource(array, CPU, "ram").read(chosen))


def test_a_store_that_was_cut_off_is_told(images: np.ndarray, tmp_path: Path) -> None:
    source = ImageSource(images, CPU, "disk")
    path = tmp_path / "images.npy"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    assert source.read(np.array([38])).unique().tolist() == [38]
    with pytest.raises(DataError, match=r"images\.npy ends before image 39 does; delete its folder and start again"):
        source.read(np.array([0, 39]))
