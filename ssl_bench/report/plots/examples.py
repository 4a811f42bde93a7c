"""Test images with their nearest training images, and where the encoder looks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from ssl_bench.data.store import Store, find_store
from ssl_bench.plugin.names import TRAINED
from ssl_bench.report.kept import DAMAGED, of_record, read_table
from ssl_bench.report.palette import LeftOut, readable
from ssl_bench.report.plots.canvas import PanelGrid, Picture, Sheet, grid_height, wrapped
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

IMAGES, NEAREST = 5, 5
"""Test images shown, and the training images beside each."""

SIDE = 160
"""Of an image, in px."""

BLOCK = 65_536
"""Training rows compared at a time."""


def neighbour_picture(run: RunDirectory, record: Record, cache: Path) -> Picture:
    """A row for each of some test images: it, and the training images whose embeddings are nearest by cosine.

    Args:
        run: folder of embeddings and cohort.
        record: of the run.
        cache: folder of prepared stores.

    Raises:
        LeftOut: embeddings, cohort or prepared images are missing.
    """
    encoder = record.metrics[0].encoder if record.metrics else TRAINED
    images, asked = _embeddings(run, record, encoder, "test")
    known, train = _embeddings(run, record, encoder, "train")
    chosen = _drawn(len(images), record)
    rows, cosine = nearest(asked[chosen], train, NEAREST)
    frame, store = _cohort(run, record), _store(record, cache)
    grid = PanelGrid(rows=len(chosen), columns=1 + rows.shape[1], height=1.02, left=0.05, right=0.05, bottom=0.05,
                gap_x=0.08, gap_y=0.42, top=0.4)  # fmt: skip
    title = f"Nearest training images of test images, {encoder} encoder"
    sheet = Sheet(record, title, grid_height(grid))
    panels = iter(sheet.panels(grid))
    for number, row in enumerate(chosen):
        _show(next(panels), store, images[row], f"test: {_findings(frame, images[row], record)}")
        for near, value in zip(rows[number], cosine[number], strict=True):
            _show(next(panels), store, known[near], f"{value:.2f}: {_findings(frame, known[near], record)}")
    caption = (
        f"Left: test images, drawn at random (seed {record.settings.seed}). Beside each: the {rows.shape[1]} training "
        "images with the highest cosine of embeddings, and that cosine; each with its findings."
    )
    return Picture("images-nearest", title, caption, sheet.figure)


def attention_picture(run: RunDirectory, record: Record, cache: Path) -> Picture:
    """The same test images, and over each where the encoder that the run left looks; arguments as above.

    Raises:
        LeftOut: the run left no encoder, or cohort, embeddings or prepared images are missing.
    """
    from ssl_bench.errors import HandledError
    from ssl_bench.evaluate.saliency import looks_at
    from ssl_bench.report.frozen import open_encoder

    images, _ = _embeddings(run, record, TRAINED, "test")
    shown = images[_drawn(len(images), record)]
    frame, store = _cohort(run, record), _store(record, cache)
    try:
        encoder = open_encoder(run)
    except HandledError as error:
        raise LeftOut(str(error)) from None
    grey = [_pixels(store, image, encoder.size) for image in shown]
    kind, maps = looks_at(encoder.model, encoder.preprocess(np.stack(grey)))
    grid = PanelGrid(rows=2, columns=len(shown), height=1.2, left=0.05, right=0.05, bottom=0.05, gap_x=0.08, gap_y=0.08,
                top=0.4)  # fmt: skip
    title = f"Where the trained encoder looks: {kind}"
    sheet = Sheet(record, title, grid_height(grid))
    panels = sheet.panels(grid)
    for column, image in enumerate(shown):
        _show(panels[column], store, image, _findings(frame, image, record))
        below = panels[len(shown) + column]
        _show(below, store, image, "")
        below.imshow(maps[column].numpy(), cmap="inferno", alpha=0.5, vmin=0, vmax=1, interpolation="bilinear",
                     extent=(-0.5, SIDE - 0.5, SIDE - 0.5, -0.5))  # fmt: skip
    told = {
        "attention": "attention of the class token (of all patches where there is none) in the last block, the mean "
        "over heads",
        "Grad-CAM": "Grad-CAM towards the image's own embedding",
    }
    caption = f"Below each test image: {told[kind]}, from 0 (dark) to 1 (bright) in each image. It explains no finding."
    return Picture("images-attention", title, caption, sheet.figure)


def nearest(
    asked: npt.NDArray[np.float32], train: npt.NDArray[np.float32], count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Rows (Q, k) of training embeddings (N, D) with the highest cosine to some (Q, D), and cosines, highest first."""
    query = _lengthless(asked)
    blocks = [train[start : start + BLOCK] for start in range(0, len(train), BLOCK)]
    cosine = np.concatenate([query @ _lengthless(block).T for block in blocks], axis=1)
    rows = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
    return rows, np.take_along_axis(cosine, rows, axis=1)


def _lengthless(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    found: npt.NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found


def _embeddings(
    run: RunDirectory, record: Record, encoder: str, split: str
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    path = of_record(run, run.embeddings(encoder, f"{record.data.name}-{split}"), record)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["image_id"].astype(str), arrays["embeddings"]
    except DAMAGED as error:
        raise LeftOut(f"{path.name} is missing or damaged ({error})") from None


def _cohort(run: RunDirectory, record: Record) -> pd.DataFrame:
    return read_table(of_record(run, run.cohort, record)).set_index("image_id")


def _store(record: Record, cache: Path) -> Store:
    store = find_store(cache, record.data.fingerprint or "")
    if store is None:
        raise LeftOut(f"the prepared images of {record.data.name} are not in {cache}; name their folder by --cache")
    return store


def _drawn(images: int, record: Record) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(record.settings.seed).permutation(images)[:IMAGES])


def _pixels(store: Store, image: str, side: int) -> npt.NDArray[np.uint8]:
    prepared = Image.fromarray(np.asarray(store.images[store.image_ids.index(image)]))
    return np.asarray(prepared.resize((side, side), Image.Resampling.BICUBIC))


def _show(panel: Any, store: Store, image: str, heading: str) -> None:
    panel.set_axis_off()
    panel.imshow(_pixels(store, image, SIDE), cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    panel.set_title(wrapped(heading, 17), pad=2)


def _findings(frame: pd.DataFrame, image: str, record: Record) -> str:
    """The first findings of an image, in at most two short lines."""
    return listed([readable(label) for label in record.data.labels if label in frame and frame[label].get(image) == 1])


def listed(names: Sequence[str], width: int = 24) -> str:
    """Names up to a width, and how many there are beside them."""
    shown = [name for number, name in enumerate(names) if sum(len(one) + 2 for one in names[: number + 1]) <= width]
    rest = len(names) - len(shown)
    return ", ".join([*shown, *([f"+{rest}"] if rest else [])]) or "none"
