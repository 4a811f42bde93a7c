"""Grids that start from what a tune has chosen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.registry import discover
from ssl_bench.sweep.cells import Grouped, make_cells
from ssl_bench.sweep.grid import Grid, layers

REGISTRY = discover()
TUNING = {"budget": "8 trials", "rule": "validation", "trials": 8, "trial": 3, "sampler": "sobol", "space": "a1b2"}


def tuned(folder: Path, **settings: Mapping[str, Any]) -> Path:
    """A folder with the result of a tune, as far as a grid reads it."""
    studies = [{"members": [name.replace("_", "-")], "chosen": {"settings": of, "tuning": TUNING}}
               for name, of in settings.items()]  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "tune.json").write_text(json.dumps({"schema": 1, "trial_seed": 1000, "studies": studies}))
    return folder


def configs(grid: Grid) -> list[Any]:
    problems = Grouped()
    cells = make_cells(layers(grid, REGISTRY), REGISTRY, problems)
    problems.raise_if_any()
    return [cell.config for cell in cells]


def test_choices_lie_over_the_base_and_stand_on_the_record(tmp_path: Path) -> None:
    folder = tuned(tmp_path, simclr={"pretrain.lr": 0.004, "method.temperature": 0.2}, byol={})
    grid = Grid(base={"preset": "smoke", "pretrain.lr": 1e-4}, settings_from=folder,
                grid=({"method": ["simclr", "byol", "random"], "seed": [0]},))  # fmt: skip
    simclr, byol, random = configs(grid)
    assert (simclr.pretrain.lr, simclr.method.options["temperature"]) == (0.004, 0.2)
    assert simclr.tuning.budget == "8 trials"
    assert byol.pretrain.lr == 1e-4
    assert byol.tuning.trial == 3
    assert random.tuning is None, "nothing was tuned of it, and it is not trained"


def test_cells_of_their_own_are_tuned_too(tmp_path: Path) -> None:
    folder = tuned(tmp_path, simclr={"pretrain.lr": 0.004})
    grid = Grid(base={"preset": "smoke"}, settings_from=folder, cells=({"method": "simclr", "seed": 2},))
    assert [config.pretrain.lr for config in configs(grid)] == [0.004]


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ({"method": ["dino"]}, "chose nothing for 'dino'; tune it, or leave it out"),
        ({"method": ["simclr"], "pretrain.lr": [1e-3]}, "pretrain.lr is set by the grid, and was chosen by the tune"),
        ({"method": ["simclr"], "seed": [1000]}, "seed 1000 is that of the trials"),
    ],
)
def test_what_a_tune_does_not_answer_is_refused(tmp_path: Path, axes: dict[str, Any], told: str) -> None:
    folder = tuned(tmp_path, simclr={"pretrain.lr": 0.004})
    with pytest.raises(UsageError, match=told):
        configs(Grid(base={"preset": "smoke"}, settings_from=folder, grid=(axes,)))


def test_a_folder_without_a_tune_is_named(tmp_path: Path) -> None:
    grid = Grid(settings_from=tmp_path, grid=({"method": ["simclr"]},))
    with pytest.raises(UsageError, match=r"holds no finished tune \(tune\.json\); run sslbench tune"):
        configs(grid)
    (tmp_path / "tune.json").write_text("{")
    with pytest.raises(DataError, match=r"tune\.json cannot be read"):
        configs(grid)
    (tmp_path / "tune.json").write_text('{"schema": 99}')
    with pytest.raises(UsageError, match="another version"):
        configs(grid)
