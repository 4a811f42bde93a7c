"""The gate: it stops a planted slowdown and a planted loss of quality, and lets an unchanged tree pass.

Times are planted: no test here depends on how busy the machine is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.regress.__main__ import main
from benchmarks.regress.gate import PAIRS, Process, compare, real
from benchmarks.regress.trees import find_base, git
from benchmarks.regress.verdict import accuracy, exactness, speed

NOISE = 0.08
"""Standard deviation of a planted time, of its logarithm."""


def times(factor: float = 1.0, *, noise: float = NOISE, seed: int = 0, pairs: int = PAIRS) -> np.ndarray:
    return factor * np.exp(np.random.default_rng(seed).normal(0, noise, pairs))


def predictions(blur: float = 0.0, images: int = 400) -> dict[str, Any]:
    """Scores of 3 labels; ``blur`` is the noise that a worse encoder adds."""
    rng = np.random.default_rng(0)
    labels = (rng.random((images, 3)) < 0.3).astype(float)
    scores = labels + rng.normal(size=labels.shape)
    scores += blur * rng.normal(size=labels.shape)
    patients = rng.integers(0, images // 2, images).astype(str).tolist()
    return {"patients": patients, "labels": labels.tolist(), "scores": scores.tolist(), "deviation": 0.0}


# --- statistics -------------------------------------------------------------------------------------------------------


def test_a_planted_slowdown_is_always_caught_and_no_change_never() -> None:
    slow = [speed("x", times(seed=2 * n), times(1.3, seed=2 * n + 1)).fails for n in range(40)]
    same = [speed("x", times(seed=2 * n), times(seed=2 * n + 1)).fails for n in range(40)]
    assert all(slow)
    assert not any(same)


@pytest.mark.parametrize(
    ("factor", "noise", "why"),
    [(1.07, 0.01, "below the limit"), (0.5, NOISE, "faster"), (1.15, 2.0, "the bound says that it may be chance")],
)
def test_what_is_no_slowdown(factor: float, noise: float, why: str) -> None:
    found = speed("x", times(noise=noise), times(factor, noise=noise, seed=4))
    assert not found.fails, why
    assert found.note.startswith("ok")


def test_noise_that_both_sides_share_cancels() -> None:
    shared = times(noise=1.0)
    found = speed("x", shared, 1.3 * shared)
    assert (found.value, found.bound) == (pytest.approx(1.3), pytest.approx(1.3))
    assert found.fails


def test_a_worse_encoder_is_caught_and_the_same_one_passes() -> None:
    assert accuracy("q", predictions(), predictions(blur=2.0)).fails
    for other in (predictions(), predictions(blur=0.05)):
        assert not accuracy("q", predictions(), other).fails
    assert not accuracy("q", predictions(blur=2.0), predictions()).fails, "better"
    assert accuracy("q", predictions(), predictions()).value == 0


def test_encoders_on_other_images_are_not_compared() -> None:
    other = predictions()
    other["labels"][0][0] = 1 - other["labels"][0][0]
    found = accuracy("q", other, predictions())
    assert not found.fails
    assert "other test images" in found.note


@pytest.mark.parametrize(("error", "fails"), [(3e-16, False), (1e-3, True), (float("nan"), True)])
def test_inexact_intervals_are_caught(error: float, fails: bool) -> None:
    assert exactness("i", error, None).fails is fails


# --- two sides --------------------------------------------------------------------------------------------------------


@dataclass
class Fake:
    """A worker whose times are planted; cases that are not planted are faults."""

    planted: Mapping[str, float]
    found: Mapping[str, Any] = field(default_factory=predictions)
    seed: int = 0
    active: list[str] = field(default_factory=list)

    def ask(self, do: str, **given: Any) -> dict[str, Any]:
        if do == "quality":
            return dict(self.found)
        if given["case"] not in self.planted:
            return {"error": "ImportError: no such thing"}
        self.seed += 1
        seconds = self.planted[given["case"]] * given.get("calls", 0) * float(times(seed=self.seed, pairs=1)[0])
        return {"seconds": seconds} if do == "time" else {}


def verdicts(base: Fake, ours: Fake, *cases: str) -> dict[str, bool]:
    return {found.case: found.fails for found in compare(base, ours, cases, tell=lambda case: None)}


def test_the_gate_tells_what_is_slower_worse_broken_and_new() -> None:
    base = Fake({"same": 0.2, "slower": 0.2, "quicker": 0.02, "broken": 0.2})
    ours = Fake({"same": 0.2, "slower": 0.26, "quicker": 0.01, "new": 1.0}, predictions(blur=2.0), seed=1000)
    assert verdicts(base, ours, "same", "slower", "quicker", "broken", "new") == {
        "same": False,
        "slower": True,
        "quicker": False,
        "broken": True,
        "new": False,
        "intervals, off scikit-learn": False,
        "macro AUROC, fixed pretraining": True,
    }


def test_quality_that_the_base_cannot_tell_is_new_and_a_fault_of_ours_fails() -> None:
    whole, broken = Fake({}), Fake({}, {"error": "TypeError: x"})
    assert verdicts(broken, whole) == {"intervals, off scikit-learn": False, "quality": False}
    assert verdicts(whole, broken) == {"quality": True}


@pytest.mark.parametrize(("old", "new", "fails", "told"), [
    (predictions(), predictions(), False, ""),
    (predictions(), predictions(blur=2.0), True, ""),
    (predictions(), {"skipped": "no real films"}, False, "skipped: no real films"),
    (predictions(), {"error": "KeyError: 1"}, True, "BROKEN: KeyError: 1"),
    ({"error": "no such preset"}, predictions(), False, "new: the base says no such preset"),
    ({}, predictions(), False, "new: the base says nothing of real films"),
])  # fmt: skip
def test_real_films_are_compared_where_both_sides_have_them(
    old: dict[str, Any], new: dict[str, Any], fails: bool, told: str
) -> None:
    found = real(old, new)
    assert (found.case, found.fails) == ("macro AUROC, real films", fails)
    assert told in found.note


def test_the_gate_names_the_folder_where_it_looked_for_real_films(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.regress import cases

    monkeypatch.setenv("SSLBENCH_NIH", str(tmp_path / "nowhere"))
    assert str(tmp_path / "nowhere") in cases.real(tmp_path)["skipped"]
    monkeypatch.setenv("SSLBENCH_NIH", str(tmp_path))  # a folder that is no download: a fault, told in its own words
    assert "the run left with 3" in cases.real(tmp_path)["error"]


def test_the_processor_clock_counts_the_commands_that_a_case_starts() -> None:
    from benchmarks.regress.cases import processor_seconds

    begin = processor_seconds()
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert processor_seconds() > begin


# --- real processes ---------------------------------------------------------------------------------------------------

CASES = """
import random
from importlib.metadata import entry_points

import ssl_bench

now, noise = 0.0, random.Random(0)

def clock():
    return now

def work():
    global now
    now += ssl_bench.SECONDS * noise.uniform(0.95, 1.05)

CASES = {"work": lambda folder: work, "later": lambda folder: ssl_bench.added}

def quality(folder):
    (point,) = entry_points(group="sslbench")
    drawn, blur = random.Random(1), point.load().BLUR
    labels = [[float(drawn.random() < 0.3)] for _ in range(400)]
    scores = [[label + drawn.gauss(0, 1) + blur * drawn.gauss(0, 1)] for (label,) in labels]
    return {"patients": list(range(400)), "labels": labels, "scores": scores, "deviation": 0.0}
"""


def commit(root: Path, seconds: float, blur: float, *, more: str = "") -> None:
    """The smallest tree that the gate can compare, committed."""
    files = {
        "ssl_bench/__init__.py": f"SECONDS = {seconds}\n{more}",
        "plugins/tiny_plugin.py": f"BLUR = {blur}\n",
        "pyproject.toml": '[project]\nname = "sslbench"\n[project.entry-points.sslbench]\ntiny = "tiny_plugin"\n',
    }
    for stale in [*root.rglob("__pycache__")]:  # a file of the same size and second would be taken for the old one
        shutil.rmtree(stale)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    if not (root / ".git").exists():
        run(root, "init", "--quiet")
    run(root, "add", "--all")
    run(root, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "--allow-empty", "-m", "x")


def run(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True)


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``gate(root, ...)``: the whole command on the tiny cases; returns its exit code."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "tiny_cases.py").write_text(CASES)
    monkeypatch.syspath_prepend(home)
    return lambda root, *arguments: main(["--cases", "tiny_cases", *arguments], root=root, home=home)


def test_processes_run_the_code_and_the_plugins_of_their_tree(
    gate: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "tree"
    commit(root, 1.0, 0.0)
    run(root, "tag", "slow-is-next")
    commit(root, 1.3, 0.0, more="added = int\n")
    assert gate(root) == 1  # against the tag
    said = capfd.readouterr().out
    assert "SLOWER" in said
    assert "later" in said
    assert "new: the base says AttributeError" in said
    commit(root, 1.3, 2.0, more="added = int\n")
    assert gate(root, "HEAD~1", "--only", "work") == 1  # a plugin got worse, nothing slower
    said = capfd.readouterr().out
    assert "WORSE" in said
    assert "SLOWER" not in said
    assert gate(root, "HEAD", "--only", "work") == 0


def test_workers_keep_freed_memory(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    more = "import os\nassert os.environ['MALLOC_MMAP_MAX_'] == '0', 'chance decides about page faults'\n"
    commit(root, 1.0, 0.0, more=more)
    (tmp_path / "tiny_cases.py").write_text(CASES)
    with Process(root, tmp_path, "tiny_cases", tmp_path) as worker:
        assert worker.ask("prepare", case="work") == {}


def test_the_base_is_the_argument_else_the_tag_else_the_parent(
    gate: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "tree"
    commit(root, 1.0, 0.0)
    assert gate(root) == 0
    assert "no commit to compare with" in capsys.readouterr().out
    first = git(root, "rev-parse", "HEAD").stdout.decode().strip()
    commit(root, 1.0, 0.0)
    second = git(root, "rev-parse", "HEAD").stdout.decode().strip()
    assert find_base(root, None) == first
    assert find_base(root, "HEAD") == second
    run(root, "tag", "v1")
    assert find_base(root, None) == second
    with pytest.raises(SystemExit):
        gate(root, "nowhere")
    assert "'nowhere', which git does not know" in capsys.readouterr().err
