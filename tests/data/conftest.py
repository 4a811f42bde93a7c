"""A small cohort of pictures to prepare, and what counts the decoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssl_bench.data import filling
from ssl_bench.data import store as module
from ssl_bench.data.decode import DecodeOptions, decode_content
from ssl_bench.plugin.cohort import Cohort

COUNT = 14


@pytest.fixture
def pictures(tmp_path: Path) -> Cohort:
    """Fourteen pictures of noise, 24 x 20 px, with ids 00 to 13."""
    root = tmp_path / "data"
    root.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (COUNT, 20, 24), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(root / f"{number:02d}.png")
    names = [f"{number:02d}" for number in range(COUNT)]
    frame = pd.DataFrame({"image_id": names, "image_path": [f"{name}.png" for name in names]})
    return Cohort("toy", root, frame, (), ())


class Counter:
    """Stands in for ``decode_content``: counts, and dies once where it is told to."""

    def __init__(self, dies_at: str = "") -> None:
        self.seen: list[str] = []
        self.dies_at = dies_at

    def __call__(self, content: bytes, path: str, options: DecodeOptions) -> np.ndarray:
        if Path(path).stem == self.dies_at:
            raise SystemError("killed")
        self.seen.append(Path(path).stem)
        return decode_content(content, path, options)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Counts what is decoded into stores, whose blocks are of four images."""
    counter = Counter()
    monkeypatch.setattr(filling, "decode_content", counter)
    monkeypatch.setattr(filling, "AHEAD", 2)
    monkeypatch.setattr(filling, "TOGETHER", 1)
    monkeypatch.setattr(module, "CHUNK", 4)
    return counter
