"""docs/plugins: the text of each page is a package that is installed, tested by its own tests, and used as it says."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ssl_bench.plugin.components import KINDS
from ssl_bench.plugin.registry import discover
from ssl_bench.scaffold import SCAFFOLDED, Plugin, write_plugin

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {page.stem: page.read_text() for page in (DOCS / "plugins").glob("*.md")}
BLOCK = re.compile(r"`([\w/]+\.py)`(?: is already there)?:\n\n```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
NEW = re.compile(r"^sslbench new plugin (\S+) --kind (\w+)$", re.MULTILINE)


def files_of(text: str) -> dict[str, str]:
    """What a page tells to write, by path; a test that it does not name is the one of the kind."""
    return dict(BLOCK.findall(text))


def package_of(page: str) -> str:
    """The package that a page writes."""
    return next(path for path in files_of(PAGES[page]) if path.startswith("sslbench_")).partition("/")[0]


def commands(page: str) -> list[str]:
    """The commands of a page after the one that writes the package."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGES[page], re.DOTALL | re.MULTILINE)
    whole = "\n".join(block for language, block in blocks if not language).replace("\\\n", " ")
    lines = whole.splitlines()
    return [line for line in lines if line.startswith("sslbench ") and not NEW.match(line)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every page's package on the path of this process, with its entry point; tests of a page are beside them."""
    site = tmp_path_factory.mktemp("site")
    for page, text in PAGES.items():
        package = package_of(page)
        if asked := NEW.search(text):
            folder = tmp_path_factory.mktemp(page) / "new"
            write_plugin(Plugin(*asked.groups()), folder)
            (folder / package).rename(site / package)
        for path, code in files_of(text).items():
            (site / path).parent.mkdir(exist_ok=True)
            (site / path).write_text(code)
        about = site / f"{package}-0.1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\n")
        (about / "entry_points.txt").write_text(f"[sslbench]\n{package} = {package}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.syspath_prepend(site / "tests")
        yield site
    for name in [name for name in sys.modules if name.startswith(tuple(map(package_of, PAGES)))]:
        del sys.modules[name]


def test_every_kind_has_a_page() -> None:
    assert set(PAGES) == {*KINDS, "feature"} - {"method"}  # a method's page is docs/writing-a-plugin.md
    links = set(re.findall(r"\(plugins/(\w+)\.md\)", (DOCS / "writing-a-plugin.md").read_text()))
    assert links == set(PAGES)


@pytest.mark.parametrize("page", sorted({*PAGES} & {*SCAFFOLDED}))
def test_a_page_begins_with_the_command_that_writes_its_package(page: str) -> None:
    asked = NEW.search(PAGES[page])
    assert asked
    assert asked[2] == page
    plugin = Plugin(*asked.groups())
    assert set(files_of(PAGES[page])) <= set(plugin.files())


def written_tests(site: Path, page: str) -> list[Callable[..., None]]:
    """The test functions of a page; the written one of its kind where it has none."""
    code = files_of(PAGES[page]).get(f"tests/test_{page}.py") or re.findall(
        r"^```python\n(from ssl_bench.testing.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE
    )[-1]  # fmt: skip
    module = ModuleType(f"test_{page}")
    exec(compile(code, f"test_{page}.py", "exec"), module.__dict__)
    return [value for name, value in vars(module).items() if name.startswith("test_")]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_the_package_passes_the_pages_own_tests(page: str, site: Path, tmp_path: Path) -> None:
    found = written_tests(site, page)
    assert found
    for test in found:
        test(**({"tmp_path": tmp_path} if "tmp_path" in inspect.signature(test).parameters else {}))


def test_all_are_listed_and_none_is_broken(site: Path) -> None:
    registry = discover()
    assert not registry.failures
    for page in PAGES:
        kind = "dataset" if page == "feature" else page
        distributions = {offer.source.distribution for offer in registry.offers(kind)}
        assert package_of(page) in {name.replace("-", "_") for name in distributions}


@pytest.fixture
def workplace(sslbench: Any, site: Path, tiny_nih: Any) -> Any:
    """The files that the commands of the pages speak of, in the working folder."""
    Path("hospital").symlink_to(tiny_nih())
    module: dict[str, Any] = {}
    exec(compile((site / "tests" / "test_dataset.py").read_text(), "test_dataset.py", "exec"), module)
    module["write_files"](Path("ward"))
    network = __import__("sslbench_wide_range.encoder", fromlist=["network"]).network
    torch.save(network().state_dict(), "weights.pt")
    rng = np.random.default_rng(0)
    for name in ("predictions", "validation"):
        truth = rng.integers(0, 2, 80)
        rows = {"image_id": [f"{name}{i}" for i in range(80)], "patient_id": [f"{name}{i // 2}" for i in range(80)],
                "y_Mass": truth, "p_Mass": (truth * 0.4 + rng.random(80) * 0.6)}  # fmt: skip
        pd.DataFrame(rows).to_csv(f"{name}.csv", index=False)
    return sslbench


TRAINED = ("run", "sweep", "ablate")
"""Commands that train: one run of all components together stands for those that a dry run has checked."""


@pytest.mark.parametrize("page", sorted(PAGES))
def test_its_commands_are_right(page: str, workplace: Any) -> None:
    lines = commands(page)
    assert lines
    for line in lines:
        words = shlex.split(line)[1:]
        plan = ["--dry-run"] if words[0] in TRAINED and "--dry-run" not in words else []
        answer = workplace(*words, *plan)
        assert answer.code == 0, (line, answer.err)


def test_all_work_together(workplace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda *_: None)  # pictures take most of the time
    answer = workplace(
        "run", "--method", "simclr", "--fusion", "low-rank", "--features", "age,temperature", "--backbone", "shallow",
        "--data", "ward-vitals", "--root", "ward", "--logger", "curves", "--eval", "discriminant", "--preset", "smoke",
        "--epochs", 1, "--set", "evaluate.replicates=100", "--set", "evaluate.metrics=f2", "--out", "run",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    record = json.loads(Path("run/record.json").read_text())
    names = {part["name"] for part in record["components"]}
    assert names >= {"low-rank", "shallow", "ward-vitals", "curves", "discriminant", "f2"}
    assert any(row["metric"] == "f2" and row["value"] is not None for row in record["metrics"])
    assert {row["value"] for row in record["metrics"] if row["subgroup"].startswith("temperature=36-37")}
    assert "loss" in Path("run/loggers/curves/curves.csv").read_text()
    again = workplace("run", "--encoder", "wide-range=weights.pt", "--preset", "smoke", "--data", "nih14", "--root",
                      "hospital", "--eval", "knn", "--set", "evaluate.replicates=100", "--out", "given")  # fmt: skip
    assert again.code == 0, again.err
    assert json.loads(Path("given/record.json").read_text())["encoders"]["trained"]


@pytest.mark.slow  # a run in a process of its own
def test_a_sweep_uses_the_launcher(workplace: Any) -> None:
    line = next(line for line in commands("launcher"))
    answer = workplace(*shlex.split(line)[1:], "--set", "evaluate.replicates=100")
    assert answer.code == 0, answer.err
    assert "random" in answer.out
