"""Pictures: the same bytes for a seed, and signs that are seen from the side and after a hospital's development."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslbench_synthetic.cohort.population import FINDINGS, OUTPATIENT
from sslbench_synthetic.hospitals.device import develop
from sslbench_synthetic.hospitals.lateral import draw_lateral
from sslbench_synthetic.hospitals.profiles import HOSPITALS


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


@pytest.mark.parametrize("layout", HOSPITALS)
def test_the_same_seed_gives_the_same_bytes(hospital: Callable[..., Path], layout: str) -> None:
    first = digest(hospital(layout, patients=20))
    assert digest(hospital(layout, patients=20, fresh=True)) == first
    assert digest(hospital(layout, patients=20, seed=1)) != first


def mean_lateral(**changes: float) -> np.ndarray:
    row: dict[str, Any] = {"age": 50, "male": 1, "setting": OUTPATIENT, "study": 0}
    row |= dict.fromkeys(FINDINGS, 0.0) | {f"{finding}:side": 0 for finding in FINDINGS} | changes
    return np.mean([draw_lateral({**row, "patient": patient}, 0, 32) for patient in range(1, 40)], axis=0)


@pytest.mark.parametrize("finding", sorted(set(FINDINGS) - {"Pneumothorax"}))
def test_findings_show_from_the_side(finding: str) -> None:
    moved = np.abs(mean_lateral(**{finding: 1.0}) - mean_lateral())
    again = np.abs(mean_lateral(age=50.5) - mean_lateral())
    assert np.quantile(moved, 0.98) > 2 * max(1.0, float(np.quantile(again, 0.98)))


def picture(layout: str, seed: int = 0) -> np.ndarray:
    ramp = np.repeat(np.linspace(20, 220, 48).astype(np.uint8)[:, None], 48, axis=1)
    return develop(ramp, HOSPITALS[layout].look, 60, 50, np.random.default_rng(seed))


def test_a_look_keeps_the_order_of_tones() -> None:
    for layout in HOSPITALS:
        rows = picture(layout)[6:-12, 10:-10].mean(axis=1)
        assert (np.diff(rows.reshape(-1, 6).mean(axis=1)) > 0).all()
        assert picture(layout).shape == (60, 50)


def test_looks_differ_in_tone_frame_and_marker() -> None:
    middle = {layout: picture(layout)[28:32, 20:30].mean() for layout in HOSPITALS}
    assert middle["nih14"] < min(middle["mimic-cxr"], middle["chexpert"]) - 8  # darker
    framed = [(picture("nih14", seed)[:, 0] == 0).all() for seed in range(20)]
    assert sum(framed) > 10
    assert not any((picture("chexpert", seed)[:, 0] == 0).all() for seed in range(20))
    dark = replace(HOSPITALS["nih14"].look, border=0)
    black = np.zeros((96, 96), dtype=np.uint8)
    marked = [develop(black, dark, 96, 96, np.random.default_rng(seed))[80:].max() > 100 for seed in range(40)]
    assert 0.25 < np.mean(marked) < 0.75
