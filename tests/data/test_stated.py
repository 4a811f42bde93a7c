from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssl_bench.data.source import PixelStatistics
from ssl_bench.data.stated import stated_grey
from ssl_bench.errors import DataError, UsageError


def written(folder: Path, **known: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"pretrained_cfg": known}))
    (folder / "model.safetensors").touch()
    return folder


def test_a_run_its_encoder_and_the_file_in_it_state_the_same(tmp_path: Path) -> None:
    encoder = written(tmp_path / "run" / "encoder", mean=[0.4], std=[0.2])
    for given in (tmp_path / "run", encoder, encoder / "model.safetensors"):
        assert stated_grey(given, trains=False) == stated_grey(given, trains=True) == PixelStatistics(0.4, 0.2)


def test_statistics_of_rgb_images_are_never_taken_for_grey_ones(tmp_path: Path) -> None:
    folder = written(tmp_path / "timm", mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5])
    assert stated_grey(folder, trains=True) is None
    with pytest.raises(UsageError, match=r"expect 3 channels .* by --encoder timm="):
        stated_grey(folder, trains=False)


def test_weights_that_state_nothing(tmp_path: Path) -> None:
    assert stated_grey(None, trains=True) is None
    assert stated_grey(tmp_path / "weights.pth", trains=False) is None
    assert stated_grey(written(tmp_path / "bare"), trains=False) is None
    (tmp_path / "bare" / "config.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        stated_grey(tmp_path / "bare", trains=False)
