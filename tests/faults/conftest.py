"""What the tests of the faults share: a small run on spoilt files, its answers, and plugins for one test."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.report.terminal import Terminal

Cli = Callable[..., Any]
ERROR = "sslbench: error: "

SMALL = (
    "--preset", "smoke", "--eval", "linear", "--set", "evaluate.replicates=100",
    "--set", "backbone.options={embed_dim: 16, depth: 1, num_heads: 2}",
)  # fmt: skip
MSN = ("--set", "method={name: msn-ehr, prototypes: 8, hidden_dim: 16, output_dim: 8}")


def over(usual: tuple[object, ...], arguments: tuple[object, ...]) -> list[object]:
    """Options with their values that other arguments do not give anew: an option is given once."""
    pairs = zip(usual[::2], usual[1::2], strict=True)
    return [part for pair in pairs if pair[0] == "--set" or pair[0] not in arguments for part in pair]


@dataclass(frozen=True)
class Bench:
    """The command line on a dataset of its own, which a test may spoil.

    Args:
        cli: the command line, in-process.
        home: holds the run directory, the cache and the empty working folder.
        root: the dataset, 88 training, 8 validation and 24 test images in NIH's layout.
    """

    cli: Cli
    home: Path
    root: Path

    @property
    def out(self) -> Path:
        """The run directory."""
        return self.home / "run"

    def run(
        self, *arguments: object, method: tuple[object, ...] = MSN, out: Path | None = None, data: str = "nih14"
    ) -> Any:
        """``sslbench run`` of ten steps."""
        where = ("--data", data, "--root", self.root, "--out", out or self.out)
        return self.cli("run", *over(SMALL, arguments), *over(method, arguments), *where, *arguments)

    def resume(self, *arguments: object, out: Path | None = None) -> Any:
        """``sslbench run --resume``."""
        return self.cli("run", "--resume", out or self.out, *arguments)

    def refused(self, code: int, *arguments: object, **options: Any) -> str:
        """The sentence of a run that is refused before anything is done or written."""
        answer = self.run(*arguments, **options)
        assert (answer.code, answer.out) == (code, ""), answer.err
        assert answer.err.startswith(ERROR), answer.err
        assert not self.out.exists()
        assert not (self.home / "cache").exists()
        assert not list((self.home / "work").iterdir())
        return self.sentence(answer)

    def sentence(self, answer: Any) -> str:
        """The one sentence that ended a command, whatever it told before."""
        assert "Traceback" not in answer.err
        lines = answer.err.splitlines()
        assert [line for line in lines if line.startswith(ERROR)] == lines[-1:], answer.err
        return str(lines[-1].removeprefix(ERROR))

    def lines(self, old: str, new: str, *, name: str = "Data_Entry_2017_v2020.csv") -> None:
        """Replace text in a file of the dataset."""
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def image(self, number: int) -> Path:
        """One image of the dataset, in the order of its names."""
        return sorted((self.root / "images").iterdir())[number]

    @staticmethod
    def files(folder: Path) -> dict[str, str]:
        """Every file of a folder with the hash of its bytes, to see that nothing was written."""
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def bench(sslbench: Cli, tiny_nih: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The command line on a fresh dataset; runs leave no report, which would take most of their time."""
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda directory, terminal: None)
    return Bench(sslbench, tmp_path, tiny_nih(fresh=True))


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``at_step(4, act)`` acts once, after step 4 was logged; ``act`` may be a signal that is sent to this process."""

    def act_at(step: int, act: Callable[[], object] | signal.Signals) -> None:
        before, waiting = Terminal.step, [act]

        def acting(terminal: Terminal, done: int, total: int, entry: Any) -> None:
            before(terminal, done, total, entry)
            if done == step and waiting:
                act = waiting.pop()
                os.kill(os.getpid(), act) if isinstance(act, signal.Signals) else act()

        monkeypatch.setattr(Terminal, "step", acting)

    return act_at


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """``plugin("thing", source)`` installs a distribution ``sslbench-thing 1.0`` whose module has that source."""
    site = tmp_path / "site"
    modules: list[str] = []

    def install(name: str, source: str) -> None:
        module = f"sslbench_{name}"
        description = site / f"{module}-1.0.dist-info"
        description.mkdir(parents=True)
        (site / f"{module}.py").write_text(source)
        (description / "METADATA").write_text(f"Metadata-Version: 2.1\nName: sslbench-{name}\nVersion: 1.0\n")
        (description / "entry_points.txt").write_text(f"[sslbench]\n{name} = {module}\n")
        modules.append(module)
        monkeypatch.syspath_prepend(str(site))

    yield install
    for module in modules:
        sys.modules.pop(module, None)
