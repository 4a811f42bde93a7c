"""docs/writing-a-plugin.md: its text is a package that passes the conformance suite and runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.plugin.registry import discover
from ssl_bench.scaffold import Plugin, write_plugin
from ssl_bench.testing import check_method, method_checks

PAGE = (Path(__file__).parents[1] / "docs" / "writing-a-plugin.md").read_text()
BLOCKS = dict(
    re.findall(r"`([\w/]+\.py)`(?: is already there)?:\n\n```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
)
OWN = ("sslbench_barlow_twins/options.py", "sslbench_barlow_twins/method.py")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``sslbench new plugin barlow-twins --kind method`` writes, with the page's two files in it."""
    folder = tmp_path_factory.mktemp("page") / "sslbench-barlow-twins"
    write_plugin(Plugin("barlow-twins", "method"), folder)
    for path in (*OWN, "tests/test_loss.py"):
        (folder / path).write_text(BLOCKS[path])
    return folder


@pytest.fixture(scope="module")
def installed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its wheel on the path of this process."""
    wheels, site = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=project, check=True, capture_output=True)
    with zipfile.ZipFile(next(wheels.iterdir())) as wheel:
        wheel.extractall(site)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        yield site
    for name in [name for name in sys.modules if name.partition(".")[0] == "sslbench_barlow_twins"]:
        del sys.modules[name]


def test_the_page_writes_two_files_and_tests_them() -> None:
    assert set(BLOCKS) == {*OWN, "tests/test_method.py", "tests/test_loss.py"}


def test_the_page_says_what_the_command_writes(project: Path) -> None:
    listed = set(re.findall(r"^\| `([\w./]+)` \|", PAGE, re.MULTILINE))
    written = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert listed == written - {"tests/test_loss.py"}
    assert (project / "tests/test_method.py").read_text() == BLOCKS["tests/test_method.py"]


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_it_passes_the_conformance_suite() -> None:
    check_method("barlow-twins")


FORGOTTEN = {
    "all_reduce_mean": ("two_processes", "all_reduce_mean(self", "(self"),
    "BatchNorm": ("two_processes", "from torch import Tensor\n",
                  "from torch import Tensor\nfrom torch.nn import BatchNorm1d as BatchNorm\n"),
    "full_precision": ("autocast", "with full_precision(", "for first, second in [("),
    "joined_losses": ("fusion_joins", "joined_losses(invariance + self.options.redundancy * redundancy, fused.losses)",
                      "invariance + self.options.redundancy * redundancy, {}"),
    "null_parameters": ("gradients", "self.null_parameters =", "self.nothing ="),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGOTTEN)
def test_the_suite_sees_what_is_easily_forgotten(what: str, installed: Path) -> None:
    assert f"`{what}`" in PAGE or f".{what}`" in PAGE
    check, right, wrong = FORGOTTEN[what]
    text = BLOCKS[OWN[1]]
    assert right in text
    text = text.replace(right, wrong)
    if what == "full_precision":
        text = text.replace("(plain)) as (first, second):", "(plain))]:")
    (installed / "sslbench_barlow_twins" / f"without_{what.lower()}.py").write_text(text)
    component = discover().get("method", "barlow-twins")
    spoilt = replace(component, target=f"sslbench_barlow_twins.without_{what.lower()}:BarlowTwins")
    with pytest.raises(AssertionError, match="method 'barlow-twins' "):
        dict(method_checks(spoilt))[check]()


@pytest.mark.usefixtures("installed")
def test_its_loss_is_the_papers(project: Path) -> None:
    scope: dict[str, Any] = {}
    exec(compile((project / "tests/test_loss.py").read_text(), "test_loss.py", "exec"), scope)
    scope["test_the_loss_is_equation_1"]()


@pytest.mark.usefixtures("installed")
def test_options_can_be_given_to_the_checks() -> None:
    checks = {check.name: check for check in method_checks("barlow-twins", projector_dim=16, redundancy=0.1)}
    checks["loss"].call()
    with pytest.raises(Exception, match="unknown key 'redundancies'"):
        dict(method_checks("barlow-twins", redundancies=0.1))["loss"]()


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_it_runs(sslbench: Callable[..., Any], tiny_nih: Callable[..., Path], tmp_path: Path) -> None:
    assert discover().offer("method", "barlow-twins").source.distribution == "sslbench-barlow-twins"
    answer = sslbench(
        "run", "--method", "barlow-twins", "--features", "age,sex", "--fusion", "concat", "--preset", "smoke",
        "--data", "nih14", "--root", tiny_nih(), "--eval", "knn", "--set", "evaluate.replicates=100",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["components"][0] == {
        "kind": "method", "name": "barlow-twins", "distribution": "sslbench-barlow-twins", "version": "0.1.0"
    }  # fmt: skip
    assert record["options"]["method"]["barlow-twins"]["projector_dim"] == 64
