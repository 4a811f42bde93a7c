"""A resume or a re-evaluation continues the same experiment, by content and not by place."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ssl_bench.config.roots import moved
from ssl_bench.errors import UsageError
from ssl_bench.results.rundir import RunDirectory

RANDOM = ("--method", "random")
TABLE = "Data_Entry_2017_v2020.csv"


def change(root: Path, column: int, value: Callable[[str], str]) -> str:
    """Change one column of one row of the table; returns the image's name."""
    path = root / TABLE
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[column] = value(cells[column])
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    return cells[0]


def other_label(root: Path) -> str:
    return change(root, 1, lambda text: "Mass" if text != "Mass" else "Effusion")


def other_age(root: Path) -> str:
    return change(root, 4, lambda text: str(int(text) + 1))


def inverted(root: Path) -> str:
    path = sorted((root / "images").iterdir())[0]
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    return path.name


SPOILT = {"labels": other_label, "features": other_age, "pixels": inverted}


def elsewhere(root: Path, new: Path) -> Path:
    """The same files in another folder, written anew at other times."""
    shutil.copytree(root, new)
    for path in new.rglob("*.*"):
        os.utime(path, (1, 1))
    shutil.rmtree(root)
    return new


def test_fault_30_an_evaluation_on_other_data_is_refused_and_on_the_same_elsewhere_is_not(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda directory, terminal: None)
    assert bench.run(method=RANDOM).code == 0
    again = ("evaluate", bench.out, "--eval", "linear", "--set", "evaluate.replicates=100")
    first = RunDirectory(bench.out).read_record()
    shutil.copytree(bench.root, tmp_path / "whole")
    before = bench.files(bench.out)
    for part, spoil in SPOILT.items():
        image = spoil(bench.root)
        answer = bench.cli(*again)
        assert answer.code == 2
        assert bench.sentence(answer) == (
            f"the data are not those of the run {bench.out}: {part} of 1 image ({image}); restore them, or start a "
            "new run"
        )
        assert bench.files(bench.out) == before
        shutil.rmtree(bench.root)
        shutil.copytree(tmp_path / "whole", bench.root)
    new = elsewhere(bench.root, tmp_path / "other cluster")
    answer = bench.cli(*again, "--root", f"nih14={new}", "--cache", tmp_path / "other cache")
    assert answer.code == 0, answer.err
    assert RunDirectory(bench.out).read_record().metrics == first.metrics


def test_fault_30_two_datasets_that_moved_at_once_are_the_same_data(
    bench: Any, tiny_nih: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dataset that was trained on and one that is tested on, of one layout, each to a folder of its own."""
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda directory, terminal: None)
    away = tiny_nih(seed=2, patients=30, first=2001, fresh=True)
    there = ("--set", f"evaluate.test_on=[{{name: nih14, called: away, root: {away}}}]")
    answer = bench.run(*there, method=RANDOM)
    assert answer.code == 0, answer.err
    first = RunDirectory(bench.out).read_record()
    assert {row.dataset for row in first.metrics} == {"nih14", "away"}
    new, new_away = elsewhere(bench.root, tmp_path / "a"), elsewhere(away, tmp_path / "b")
    again = ("evaluate", bench.out, "--eval", "linear", "--cache", tmp_path / "other cache",
             "--set", "evaluate.replicates=100")  # fmt: skip
    swapped = bench.cli(*again, "--root", f"nih14={new_away}", "--root", f"away={new}")
    assert swapped.code == 2, swapped.err
    answer = bench.cli(*again, "--root", f"nih14={new}", "--root", f"away={new_away}")
    assert answer.code == 0, answer.err
    assert RunDirectory(bench.out).read_record().metrics == first.metrics


def test_fault_30_a_resume_on_other_data_is_refused_and_on_the_same_elsewhere_is_not(
    bench: Any, at_step: Any, tmp_path: Path
) -> None:
    at_step(6, signal.SIGTERM)
    assert bench.run().code == 130
    shutil.copytree(bench.root, tmp_path / "whole")
    before = bench.files(bench.out)
    for part, spoil in SPOILT.items():
        image = spoil(bench.root)
        answer = bench.resume()
        assert answer.code == 2
        assert f"the data are not those of the run {bench.out}: {part} of 1 image ({image})" in bench.sentence(answer)
        assert bench.files(bench.out) == before
        shutil.rmtree(bench.root)
        shutil.copytree(tmp_path / "whole", bench.root)
    new = elsewhere(bench.root, tmp_path / "other cluster")
    answer = bench.resume("--root", f"nih14={new}", "--cache", tmp_path / "other cache")
    assert answer.code == 0, answer.err


def test_fault_30_a_configuration_that_was_edited_is_not_resumed(bench: Any, at_step: Any) -> None:
    at_step(6, signal.SIGTERM)
    assert bench.run().code == 130
    path = bench.out / "config.yaml"
    text = path.read_text()
    assert "\n  uncertain: zeros\n" in text
    path.write_text(text.replace("\n  uncertain: zeros\n", "\n  uncertain: ones\n"))
    answer = bench.resume()
    assert answer.code == 2
    assert "was started with another configuration (data.uncertain: 'zeros' -> 'ones')" in bench.sentence(answer)


def test_fault_30_a_synthetic_run_is_evaluated_with_any_cache(
    sslbench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda directory, terminal: None)
    few = ("--set", "data.options={images: 80, size: 40}", "--set", "evaluate.replicates=100")
    answer = sslbench("run", "--preset", "smoke", *RANDOM, *few, "--eval", "linear", "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    answer = sslbench("evaluate", tmp_path / "run", "--eval", "knn", "--cache", tmp_path / "other")
    assert answer.code == 0, answer.err


CONFIG = {
    "data": {"name": "nih14", "root": "/a", "more": [{"name": "chexpert", "root": "/b"}]},
    "evaluate": {"test_on": [{"name": "nih14", "called": "nih-again", "root": "/a"}, {"name": "nih14", "root": "/a"}]},
}


def test_every_dataset_of_a_run_has_its_folder_by_name() -> None:
    found = moved(CONFIG, ["nih14=/x", "chexpert=/y"])
    assert (found["data"]["root"], found["data"]["more"][0]["root"]) == ("/x", "/y")
    assert [part["root"] for part in found["evaluate"]["test_on"]] == ["/x", "/x"]
    assert moved(CONFIG, ["nih-again=/z"])["evaluate"]["test_on"][0]["root"] == "/z"
    apart = {**CONFIG, "evaluate": {"test_on": [{"name": "nih14", "called": "nih-again", "root": "/c"}]}}
    both = moved(apart, ["nih14=/x", "nih-again=/z"])
    assert (both["data"]["root"], both["evaluate"]["test_on"][0]["root"]) == ("/x", "/z")
    assert CONFIG["data"]["root"] == "/a"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("/x", "--root expects NAME=PATH such as nih14=/data/nih14, found '/x'"),
        ("nih14=", "--root expects NAME=PATH"),
        ("mimic-cxr=/x", "the run has no dataset 'mimic-cxr'; it has nih14, chexpert"),
    ],
)
def test_a_folder_of_no_dataset_is_refused(given: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        moved(CONFIG, [given])
    assert sentence in str(refused.value)


@pytest.mark.parametrize("given", [["nih14=/x", "nih14=/y"], ["nih14=/x", "nih-again=/y"]])
def test_one_dataset_is_in_one_folder(given: list[str]) -> None:
    with pytest.raises(UsageError, match=r"--root gives two folders for 'nih.*', /x and /y; give one"):
        moved(CONFIG, given)
    assert moved(CONFIG, ["nih14=/x", "nih14=/x"])["data"]["root"] == "/x"
