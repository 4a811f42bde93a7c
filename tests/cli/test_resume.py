"""``--resume``: the configuration of the first run, and what may change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssl_bench.cli.resume import resumed_config
from ssl_bench.config.changeable import CHANGEABLE, differences
from ssl_bench.config.config import RunConfig, load
from ssl_bench.errors import UsageError
from ssl_bench.plan.settle import settle
from ssl_bench.plugin.registry import discover
from ssl_bench.results.rundir import RunDirectory


@pytest.fixture
def kept(tmp_path: Path) -> RunConfig:
    asked = load({"method": {"name": "msn", "prototypes": 64}, "pretrain": {"epochs": 5}}, name="smoke")
    config = settle(asked, discover())  # as a run keeps it
    RunDirectory(tmp_path).write_config(config.model_dump(mode="json"))
    return config


def test_without_flags_the_run_goes_on_as_it_was(tmp_path: Path, kept: RunConfig) -> None:
    assert resumed_config(tmp_path, {}, None, None).model_dump(mode="json") == kept.model_dump(mode="json")


def test_flags_that_repeat_the_run_are_no_change(tmp_path: Path, kept: RunConfig) -> None:
    flags: dict[str, Any] = {"method": "msn", "pretrain": {"epochs": 5}}
    assert resumed_config(tmp_path, flags, None, None).model_dump(mode="json") == kept.model_dump(mode="json")


@pytest.mark.usefixtures("kept")
def test_fault_21_a_changed_configuration_is_refused_with_its_difference(tmp_path: Path) -> None:
    flags = {"method": {"prototypes": 32}, "seed": 1}
    with pytest.raises(UsageError) as raised:
        resumed_config(tmp_path, flags, None, None)
    assert "method.prototypes: 64 -> 32" in str(raised.value)
    assert "seed: 0 -> 1" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("kept")
def test_fault_21_another_preset_or_file_is_a_change(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="preset: 'smoke' -> 'demo'"):
        resumed_config(tmp_path, {}, "demo", None)
    file = tmp_path / "other.toml"
    file.write_text('preset = "smoke"\n[data]\nsize = 48\n')
    with pytest.raises(UsageError, match=r"\(data\.size: 40 -> 48\)"):
        resumed_config(tmp_path, {}, None, file)


@pytest.mark.usefixtures("kept")
def test_fault_21_what_changes_no_weight_may_change(tmp_path: Path) -> None:
    flags = {"data": {"workers": 3, "root": "/elsewhere"}, "pretrain": {"log_every": 7}}
    config = resumed_config(tmp_path, flags, None, None)
    assert (config.data.workers, str(config.data.root), config.pretrain.log_every) == (3, "/elsewhere", 7)


def test_fault_30_datasets_that_lie_elsewhere_now_are_named_each_with_its_folder(tmp_path: Path) -> None:
    away = {"name": "chexpert", "root": "/old/chexpert"}
    asked = load({"data": {"name": "nih14", "root": "/old/nih"}, "evaluate": {"test_on": [away]}}, name="smoke")
    RunDirectory(tmp_path).write_config(settle(asked, discover()).model_dump(mode="json"))
    found = resumed_config(tmp_path, {}, None, None, ["chexpert=/new/chexpert", "nih14=/new/nih"])
    assert str(found.data.root) == "/new/nih"
    assert [str(part.root) for part in found.evaluate.test_on] == ["/new/chexpert"]
    with pytest.raises(UsageError, match=r"--root gives two folders for 'nih14', /new/nih and /other; give one"):
        resumed_config(tmp_path, {"data": {"root": "/other"}}, None, None, ["nih14=/new/nih"])
    flags = {"data": {"split": "/new/split.csv"}}
    assert str(resumed_config(tmp_path, flags, None, None).data.split) == "/new/split.csv"
    with pytest.raises(UsageError, match="the run has no dataset 'mimic-cxr'; it has nih14, chexpert"):
        resumed_config(tmp_path, {}, None, None, ["mimic-cxr=/new"])


def test_the_short_list_names_keys_that_exist() -> None:
    for key in CHANGEABLE:
        section, _, name = key.rpartition(".")
        assert name in type(getattr(RunConfig(), section) if section else RunConfig()).model_fields


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run to resume"):
        resumed_config(tmp_path / "absent", {}, None, None)


def test_differences_are_dotted_and_see_both_sides() -> None:
    old = {"a": 1, "b": {"c": 2, "d": [1]}, "gone": 0, "same": None}
    new = {"a": 1, "b": {"c": 3, "d": [1, 2]}, "new": {"e": 1}, "same": None}
    assert list(differences(old, new)) == [
        ("b.c", 2, 3), ("b.d", [1], [1, 2]), ("gone", 0, None), ("new", None, {"e": 1})
    ]  # fmt: skip


def test_auto_is_what_the_run_had(tmp_path: Path, kept: RunConfig) -> None:
    auto = {"pretrain": {"lr": "auto", "weight_decay": "auto", "weight_decay_end": "auto"}}
    assert resumed_config(tmp_path, auto, None, None) == kept
