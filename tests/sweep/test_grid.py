"""Grids: products, extra cells, what is left out, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssl_bench.errors import UsageError
from ssl_bench.plugin.registry import Registry
from ssl_bench.sweep.grid import Grid, layers, read_grid


def made(registry: Registry, **values: Any) -> list[dict[str, Any]]:
    return list(layers(Grid.model_validate(values), registry))


def test_the_product_of_the_lists_then_the_further_cells(registry: Registry) -> None:
    cells = made(registry, base={"pretrain.epochs": 2}, grid={"method": ["simclr", "msn"], "seed": [0, 1]},
                 cells=[{"method": "random", "data.size": 40}])  # fmt: skip
    assert [(cell["method"]["name"], cell.get("seed")) for cell in cells] == [
        ("simclr", 0), ("simclr", 1), ("msn", 0), ("msn", 1), ("random", None)
    ]  # fmt: skip
    assert all(cell["pretrain"] == {"epochs": 2} for cell in cells)
    assert cells[-1]["data"] == {"size": 40}


def test_several_tables_are_one_grid(registry: Registry) -> None:
    cells = made(registry, grid=[{"method": ["simclr"]}, {"method": ["msn-ehr"], "ehr.features": ["age", "sex"]}])
    assert [cell.get("ehr", {}).get("features") for cell in cells] == [None, "age", "sex"]


@pytest.mark.parametrize("pattern", [{"method": "msn", "ehr": {"features": ["age", "sex"]}},
                                     {"method": {"name": "msn"}, "ehr.features": "age,sex"}])  # fmt: skip
def test_cells_with_all_values_of_a_pattern_are_left_out(registry: Registry, pattern: dict[str, Any]) -> None:
    axes = {"method": ["simclr", "msn"], "ehr.features": ["age", "age,sex"]}
    cells = made(registry, grid=axes, exclude=[pattern])
    assert [(cell["method"]["name"], cell["ehr"]["features"]) for cell in cells] == [
        ("simclr", "age"), ("simclr", "age,sex"), ("msn", "age")
    ]  # fmt: skip


def test_a_method_that_joins_no_features_gets_none_of_their_axis(registry: Registry) -> None:
    cells = made(registry, grid={"method": ["random", "simclr"], "ehr.features": ["age", "sex"]})
    assert [("ehr" in cell) for cell in cells] == [False, False, True, True]


def test_unknown_keys_of_a_grid_file_are_told_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text("bases: {}\ngrids: {}\n")
    with pytest.raises(UsageError, match=r"(?s)2 problems.*'bases' of grid .*did you mean 'base'.*did you mean 'grid'"):
        read_grid(tmp_path / "grid.yaml")
