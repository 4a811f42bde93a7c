"""A whole tune from the command line, its runs in this process: test labels raise until the final evaluation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ssl_bench.cli import tune as command
from ssl_bench.config.config import load
from ssl_bench.errors import DataError
from ssl_bench.pipeline import execute
from ssl_bench.plan import cohorts as reading
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.registry import discover
from ssl_bench.plugin.services import Job, JobState
from ssl_bench.report.terminal import Quiet
from ssl_bench.results.rundir import RunDirectory

TINY = ("--preset", "smoke", "--set", "data.options={images: 160, size: 40}", "--eval", "knn", "--set",
        "pretrain.threads=1", "--set", "evaluate.replicates=100")  # fmt: skip


class Sealed:
    """A test label: whoever looks at it has broken the seal."""

    opened = False

    def _look(self, *others: object) -> Any:
        raise AssertionError("a test label was read before the final evaluation")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __float__ = __int__ = _look  # type: ignore[assignment]
    __add__ = __radd__ = __sub__ = __mul__ = __array__ = _look
    __hash__ = object.__hash__


class Here:
    """A launcher that runs in this process; a run that raises anything but our own errors fails the test."""

    stays, slots, shared = False, 1, 1

    def __init__(self, cache: Path) -> None:
        self.cache, self.ended, self.finals = cache, dict[str, int](), 0

    def submit(self, job: Job) -> str:
        config = load({}, file=Path(job.start[job.start.index("--config") + 1]))
        Sealed.opened = config.evaluate.withhold is None
        self.finals += Sealed.opened
        directory = RunDirectory(job.run)
        with directory.claimed():
            execute(make_plan(config, discover(), self.cache), directory, Quiet())
        self.ended[job.name] = 0
        return job.name

    def states(self, handles: Mapping[str, Job]) -> Mapping[str, JobState]:
        return {handle: JobState("ended", 0) for handle in handles}

    def stop(self, handles: Sequence[str]) -> None:
        """Never needed here."""


def documented(command: str) -> list[str]:
    """The keys that docs/json.md lists for a command."""
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    section = re.search(rf"^## `sslbench {command}`$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert section
    return re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE)


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test labels of every dataset that is read are sealed, but in a final run."""
    read = reading.read_raw

    def read_sealed(*arguments: Any) -> Cohort:
        cohort = read(*arguments)
        if Sealed.opened:
            return cohort
        frame = cohort.frame.astype(dict.fromkeys(cohort.labels, object))
        for label in cohort.labels:
            frame[label] = pd.Series([Sealed() if split == "test" else value for value, split in
                                      zip(frame[label], frame["split"], strict=True)], dtype=object)  # fmt: skip
        return cohort.with_frame(frame)

    Sealed.opened = False
    monkeypatch.setattr(reading, "read_raw", read_sealed)


def test_test_labels_are_not_read_before_the_final_evaluation(
    sslbench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: None
) -> None:
    here, out = Here(tmp_path / "cache"), tmp_path / "tune"
    monkeypatch.setattr(command, "launcher_of", lambda *arguments: lambda: here)
    asked = ("tune", "--method", "pixels", "--baselines", "none", "--trials", "2", "--seeds", "1", *TINY)
    told = sslbench(*asked, "--out", out)
    assert told.code == 0, told.err
    assert (len(here.ended), here.finals) == (3, 1)
    found = json.loads((out / "tune.json").read_text())
    assert [trial["state"] for trial in found["studies"][0]["trials"]] == ["done", "done"]
    for trial in found["studies"][0]["trials"]:
        record = RunDirectory(out / "trials" / trial["runs"]["pixels"]).read_record()
        assert {row.split for row in record.metrics} == {"validate"}
        assert not list((out / "trials" / trial["runs"]["pixels"]).rglob("*test*"))
    (final,) = found["studies"][0]["final"]["pixels"]["seeds"].values()
    record = RunDirectory(out / "final" / final["run"]).read_record()
    assert "test" in {row.split for row in record.metrics}
    assert record.config["tuning"]["rule"] == "validation"
    assert "data:image/svg+xml" in (out / "tune.html").read_text()
    assert "final runs" in told.out

    Sealed.opened = False
    again = sslbench(*asked, "--out", out, "--json")
    assert again.code == 0, again.err
    assert list(json.loads(again.out)) == ["folder", *found]
    assert set(documented("tune")) == {"folder", *found}
    assert len(here.ended) == 3, "nothing is run twice"
    other = sslbench(*asked, "--sampler", "tpe", "--out", out)
    assert other.code == 2
    assert "was begun with another search" in other.err
    board = sslbench("leaderboard", out / "final", "--replicates", "100", "--eval", "knn")
    assert board.code == 0, board.err


def test_what_withholds_nothing_breaks_the_seal(tmp_path: Path, sealed: None) -> None:
    """So that the test above cannot pass by labels that nobody ever looks at."""
    config = load({"preset": "smoke", "method": "pixels", "data": {"options": {"images": 160, "size": 40}}})
    with pytest.raises((AssertionError, DataError), match=r"Sealed object|was read before the final evaluation"):
        make_plan(config, discover(), tmp_path)
