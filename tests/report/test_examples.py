"""Test images in a report: off unless asked for, refused where nothing permits them, right where it is permitted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from PIL import Image

from ssl_bench.build.backbones import build
from ssl_bench.data.decode import DecodeOptions
from ssl_bench.data.source import PixelStatistics
from ssl_bench.data.store import prepare
from ssl_bench.errors import UsageError
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.report.plots.canvas import POINTS, drawing
from ssl_bench.report.plots.examples import attention_picture, listed, nearest, neighbour_picture
from ssl_bench.report.report import write_report
from ssl_bench.results.export import export_encoder
from ssl_bench.results.rundir import RunDirectory
from tests.report.conftest import cohort, finished_run

PICTURES = ["images-nearest", "images-attention"]
TRAIN = 7


@pytest.fixture
def shown(tmp_path: Path) -> tuple[RunDirectory, Path]:
    """A finished run with training embeddings, an encoder and a store of its images; and the cache."""
    run, cache = finished_run(tmp_path / "run"), tmp_path / "cache"
    record = run.read_record()
    train = [f"t{number}" for number in range(TRAIN)]
    ids = [*cohort()["image_id"], *train]
    for number, image_id in enumerate(ids):
        ramp = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64) // 32 + 3 * number
        Image.fromarray((ramp % 256).astype(np.uint8)).save(tmp_path / f"{image_id}.png")
    frame = pd.DataFrame({"image_id": ids, "image_path": [f"{image_id}.png" for image_id in ids]})
    store = prepare(Cohort("tiny", tmp_path, frame, (), ()), cache, DecodeOptions(64))
    features = np.random.default_rng(5).normal(size=(TRAIN, 8)).astype(np.float32)
    run.write_embeddings("trained", "tiny-train", {"image_id": np.array(train), "embeddings": features})
    both = pd.concat([cohort(), cohort().head(TRAIN).assign(image_id=train, split="train")])
    run.write_cohort(both)
    network = build(32, "vit_tiny_patch16_224", patch_size=8, embed_dim=32, depth=1, num_heads=2)
    export_encoder(network, PixelStatistics(0.5, 0.25), run.encoder)
    for name in ("config.json", "model.safetensors"):
        run.remember(run.encoder / name)
    run.write_record(record.but(data=record.data.but(fingerprint=store.fingerprint)))
    return run, cache


def test_a_report_shows_no_image_unless_asked(shown: tuple[RunDirectory, Path]) -> None:
    run, cache = shown
    assert not {*PICTURES} & {*write_report(run).pictures}
    written = write_report(run, images=cache)
    assert [name for name in written.pictures if name in PICTURES] == PICTURES, written.left_out
    text = (run.path / "report.md").read_text()
    assert "## Test images" in text
    assert "attention of the class token" in text
    names = {*cohort()["image_id"], *(f"t{number}" for number in range(TRAIN))}
    drawings = [(run.path / "plots" / f"{name}.svg").read_text() for name in PICTURES]
    assert not any(f">{image}<" in page for image in names for page in (text, *drawings))


def test_images_of_other_data_are_refused_in_every_report(tmp_path: Path, sslbench: Callable[..., Any]) -> None:
    run = finished_run(tmp_path / "run", synthetic=False)
    with pytest.raises(UsageError, match="--images shows images, and nothing says that those of tiny may be shown"):
        write_report(run, images=tmp_path)
    assert not (run.path / "report.md").exists()
    answer = sslbench("report", run.path, "--images", "--cache", tmp_path, "--share", tmp_path / "out")
    assert (answer.code, (tmp_path / "out").exists()) == (2, False)
    assert "leave it out, or declare thumbnails=True" in answer.sentence
    answer = sslbench("report", run.path, "--cache", tmp_path)
    assert answer.sentence == "--cache is where --images takes them from; add --images, or leave it out"


def test_what_is_gone_is_left_out_with_its_reason(shown: tuple[RunDirectory, Path], tmp_path: Path) -> None:
    run, _ = shown
    told = write_report(run, images=tmp_path / "elsewhere").left_out
    assert [reason for reason in told if "name their folder by --cache" in reason] == [
        f"{what}: the prepared images of tiny are not in {tmp_path / 'elsewhere'}; name their folder by --cache"
        for what in ("nearest images", "attention")
    ]


def test_nothing_leaves_the_page_and_type_is_large_enough(shown: tuple[RunDirectory, Path]) -> None:
    run, cache = shown
    with drawing():
        for draw in (neighbour_picture, attention_picture):
            figure = draw(run, run.read_record(), cache).figure
            page, inked = figure.bbox_inches, figure.get_tightbbox()
            assert max(page.x0 - inked.x0, inked.x1 - page.x1, page.y0 - inked.y0, inked.y1 - page.y1) <= 0
            assert min(text.get_fontsize() for text in figure.findobj(Text)) >= POINTS


def test_the_nearest_have_the_highest_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssl_bench.report.plots.examples.BLOCK", 2)
    train = np.array([[1, 0], [0, 3], [-1, 0], [5, 5], [0, 0]], np.float32)
    rows, cosine = nearest(np.array([[2, 0], [0, 1]], np.float32), train, 3)
    assert rows.tolist() == [[0, 3, 1], [1, 3, 0]]
    assert cosine[0] == pytest.approx([1, 0.5**0.5, 0])


def test_findings_that_do_not_fit_are_counted() -> None:
    assert listed(["Effusion", "Edema"]) == "Effusion, Edema"
    assert listed(["Pleural thickening", "Pneumothorax", "Edema"]) == "Pleural thickening, +2"
    assert listed([]) == "none"
