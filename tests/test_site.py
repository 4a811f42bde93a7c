"""The documentation as a site: it builds strictly, is whole, and needs no network; its first tutorial runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SITE = ROOT / "mkdocs.yml"
pytestmark = pytest.mark.skipif(not SITE.is_file(), reason="no checkout: an sdist has no site")


def placed(nav: Any) -> list[str]:
    """The pages of a navigation."""
    if isinstance(nav, str):
        return [nav]
    return [page for part in (nav.values() if isinstance(nav, dict) else nav) for page in placed(part)]


def test_no_page_has_two_places() -> None:
    pages = placed(yaml.safe_load(SITE.read_text())["nav"])
    assert len(pages) == len(set(pages)) > 20


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_code_in_a_list_is_a_part_of_its_item(page: Path) -> None:
    """Markdown in Python asks for four spaces; with three each item begins a list of its own, and all are number 1."""
    assert not re.findall(r"^ {1,3}```", page.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_no_line_of_code_is_wider_than_the_page(page: Path) -> None:
    """120 characters fit beside the navigation, four fewer in an item of a list, where code is set in."""
    blocks = re.findall(r"^ *```[^\n]*\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert [line for block in blocks for line in block.splitlines() if len(line) > 120] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocstrings", reason="mkdocs is not installed (tox -e docs)")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return folder


def test_the_reference_is_the_program(site: Path) -> None:
    from ssl_bench.cli import app
    from ssl_bench.plugin.registry import discover

    commands = re.sub(r"</?span[^>]*>|<wbr>", "", (site / "reference" / "commands" / "index.html").read_text())
    group: Any = typer.main.get_command(app)
    everything = {**group.commands, **group.commands["data"].commands}
    everything.pop("data")
    options = {name for command in everything.values() for param in command.params for name in param.opts}
    assert [name for name in options if name.startswith("--") and f"<code>{name}</code>" not in commands] == []
    components = (site / "reference" / "components" / "index.html").read_text()
    assert [one.component.name for one in discover().offers()
            if f"{one.component.kind} {one.component.name}<" not in components] == []  # fmt: skip
    python = (site / "reference" / "python" / "index.html").read_text()
    assert 'id="ssl_bench.api.Run.predictions"' in python
    configuration = re.sub(r"<[^>]+>", "", (site / "reference" / "configuration" / "index.html").read_text())
    assert [text for text in ("pretrain.batch_size", "data.on_missing", "evaluate.label_fractions",
                              "images of the tables that are missing") if text not in configuration] == []  # fmt: skip


def test_inline_code_never_breaks_inside_a_flag_or_a_word(site: Path) -> None:
    page = (site / "data" / "index.html").read_text()
    assert '<code><span class="whole">--follow-links</span> DIR,DIR</code>' in page
    assert "<code>data.<wbr>follow_<wbr>links</code>" in page


def test_every_page_is_there(site: Path) -> None:
    written = {path.relative_to(DOCS).with_suffix("") for path in DOCS.rglob("*.md")} - {Path("index")}
    assert [page for page in written if not (site / page / "index.html").is_file()] == []
    assert all(f'href="{page.as_posix()}/"' in (site / "index.html").read_text() for page in written)


def test_no_page_asks_anything_of_the_network(site: Path) -> None:
    asked = re.compile(r"<(?:script|img|link)[^>]+(?:src|href)=\"(https?:[^\"]+)\"")
    found = {path.name: match for path in site.rglob("*.html") for match in asked.findall(path.read_text())
             if "canonical" not in match}  # fmt: skip
    assert found == {}


@pytest.mark.slow
def test_the_first_tutorial_runs(sslbench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda *_: None)  # pictures take most of the time
    text = (DOCS / "tutorials" / "own-data.md").read_text()
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("sslbench ")]
    assert len(lines) == 8
    for line in lines:
        answer = sslbench(*shlex.split(line)[1:])
        assert answer.code == 0, (line, answer.err)
    assert Path("board.html").stat().st_size > 100_000


@pytest.mark.slow
def test_the_way_to_a_figure_is_what_its_page_says(
    sslbench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every ``sslbench`` command of the page, at the size of a smoke test; pip's work is done by a path."""
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda *_: None)  # pictures take most of the time
    block = re.findall(r"^```\n(.*?)^```", (DOCS / "tutorials" / "paper.md").read_text(), re.MULTILINE | re.DOTALL)[0]
    lines = block.splitlines()
    assert len(lines) == 9
    small = ["--preset", "smoke", "--epochs", "1", "--eval", "linear", "--set", "evaluate.replicates=100"]
    for line in lines:
        if line.startswith("pip install -e"):
            installed(Path("sslbench-my-method"), "my-method", monkeypatch)
        if line.startswith("sslbench "):
            answer = sslbench(*shlex.split(line)[1:], *(small if line.startswith("sslbench run") else []))
            assert answer.code == 0, (line, answer.err)
    assert {path.suffix for path in Path("figures").iterdir()} == {".svg", ".pdf"}
    assert Path("board.html").stat().st_size > 100_000
    assert "my-method" in Path("tables.tex").read_text()


def installed(project: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``pip install -e`` leaves: the package on the path and its entry point."""
    package = f"sslbench_{name.replace('-', '_')}"
    about = project / f"{package}-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: sslbench-{name}\nVersion: 0.1.0\n")
    (about / "entry_points.txt").write_text(f"[sslbench]\n{name} = {package}\n")
    monkeypatch.syspath_prepend(project.absolute())


def test_lines_break_where_a_reader_expects_it(site: Path) -> None:
    encoders, real, python = (
        (site / place / "index.html").read_text() for place in ("encoders", "real", "reference/python")
    )
    assert '<span class="whole">--set</span> backbone.<wbr>encoder.<wbr>trained_<wbr>on=<wbr>nih14' in encoders
    assert re.search(r"\[\+?\d\.\d+,&nbsp;\+?\d\.\d+\]", real)
    assert re.search(r"p&nbsp;=&nbsp;\d", real)
    assert re.findall(r":(?:attr|class|func|meth|mod):", python) == []
