"""Writers of layouts are found in the registry, and what they write is marked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from ssl_bench.data.synthetic import MARKER, is_synthetic, write_layout
from ssl_bench.errors import PluginError, UsageError
from ssl_bench.plugin.components import DatasetSpec
from ssl_bench.plugin.options import WriterOptions
from ssl_bench.plugin.registry import PluginSource, RegisteredComponent, Registry


def write(options: WriterOptions, folder: Path) -> Mapping[str, int]:
    """A third party's writer."""
    if options.seed == 13:
        raise OSError("the disk is full")
    (folder / "rows.csv").write_text(f"{options.patients},{options.seed},{options.size}")
    return {"patients": options.patients}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    module = ModuleType("their_package")
    module.write = write  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "their_package", module)
    theirs = {
        "clinic": "their_package:write",
        "wards": "",
        "broken": "their_package:nothing",
    }
    return Registry(
        RegisteredComponent(
            DatasetSpec(name=name, target="their_package:D", summary="", writer=writer),
            PluginSource("theirs", "2.0", "data"),
        )
        for name, writer in theirs.items()
    )


def test_a_third_partys_writer_writes_and_the_core_marks(registry: Registry, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert not is_synthetic(out)
    assert write_layout(registry, "clinic", {"patients": 30, "seed": 2}, out) == {"patients": 30}
    assert (out / "rows.csv").read_text() == "30,2,320"
    assert is_synthetic(out)
    assert is_synthetic(out / "CheXpert-v1.0-small")  # a release's own folder is a root, too
    assert not is_synthetic(out / "deeper" / "inside")
    mark = json.loads((out / MARKER).read_text())
    assert mark["layout"] == "clinic"
    assert mark["writer"]["distribution"] == "theirs"
    assert mark["options"] == {"patients": 30, "seed": 2, "size": 320}


@pytest.mark.parametrize("name", ["wards", "clinik", "nowhere"])
def test_a_layout_without_a_writer_is_refused(registry: Registry, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=rf"unknown layout '{name}'.*expected one of broken, clinic"):
        write_layout(registry, name, {}, tmp_path / "out")


def test_nothing_is_left_of_a_writer_that_fails(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"):
        write_layout(registry, "clinic", {"seed": 13}, tmp_path / "out")
    with pytest.raises(PluginError, match="cannot be loaded"):
        write_layout(registry, "broken", {}, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_never_overwritten(registry: Registry, tmp_path: Path) -> None:
    write_layout(registry, "clinic", {"seed": 1}, tmp_path / "out")
    with pytest.raises(UsageError, match=r"expected a new or an empty folder, found .* choose another"):
        write_layout(registry, "clinic", {"seed": 2}, tmp_path / "out")
    assert (tmp_path / "out" / "rows.csv").read_text() == "200,1,320"
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="found a file"):
        write_layout(registry, "clinic", {}, tmp_path / "file")


def test_options_are_checked_first(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown key 'patient'.*did you mean 'patients'"):
        write_layout(registry, "clinic", {"patient": 30}, tmp_path / "out")
    assert not list(tmp_path.iterdir())
