"""One table model, written for a terminal, Markdown, LaTeX, HTML and CSV."""

from __future__ import annotations

from io import StringIO

import pandas as pd
import pytest
from rich.console import Console

from ssl_bench.report.render import csv, latex, markdown, terminal
from ssl_bench.report.table import Table, TableCell, of_rows
from ssl_bench.report.templating import templates

BEST = TableCell("0.712", ("± 0.004", "[0.690, 0.731]"), "*", 0.7123456, best=True)
TABLE = Table(
    ("method", "n_patients", "AUROC"),
    (("msn | <b>", 12, BEST), ("=cmd()", None, TableCell("-"))),
    "AUROC of 2 % [test]",
    "a caption",
    right=frozenset((1,)),
)


def drawn(table: Table, width: int) -> str:
    out = StringIO()
    Console(file=out, width=width, markup=False).print(terminal(table))
    return out.getvalue()


def html(table: Table, caption: str = "") -> str:
    page = templates().get_template("table.html.jinja")
    return str(page.module.table(table, caption))  # type: ignore[attr-defined]


def test_a_terminal_shows_everything_of_a_cell_in_one_line() -> None:
    text = drawn(TABLE, 100)
    assert "AUROC of 2 % [test]" in text
    assert "0.712 ± 0.004 [0.690, 0.731] *" in text
    assert "a caption" in text
    lines = [line.split("│")[2] for line in text.splitlines() if line.startswith("│")]
    assert lines == ["         12 ", "          - "]


def test_a_narrow_terminal_breaks_a_long_name_and_cuts_nothing() -> None:
    text = drawn(Table(("name",), (("a" * 40,),)), 20)
    assert text.count("a") - 1 == 40  # one stands in the heading
    assert "…" not in text


def test_markdown_aligns_numbers_and_escapes_names() -> None:
    assert markdown(TABLE).splitlines() == [
        "**AUROC of 2 % [test]**",
        "",
        "| method | n_patients | AUROC |",
        "|---|---:|---|",
        "| msn \\| &lt;b> | 12 | **0.712** ± 0.004 [0.690, 0.731]\\* |",
        "| =cmd() | - | - |",
        "",
        "a caption",
    ]


def test_latex_has_the_best_in_bold_and_every_note_under_the_table() -> None:
    text = latex(TABLE, ["50 % of a_b"])
    assert "\\begin{tabular}{lrl}" in text
    assert "\\textbf{0.712} $\\pm$ 0.004 [0.690, 0.731]$^{*}$ \\\\" in text
    assert "a caption\\par\n50 \\% of a\\_b\\par" in text
    assert text.count("&") == 6


def test_html_is_escaped_with_a_heading_for_each_row_and_column() -> None:
    text = html(TABLE, "what it is")
    assert '<th scope="col" class="n">n_patients</th>' in text
    assert '<th scope="row">msn | &lt;b&gt;</th>' in text
    assert "0.712 *<small>± 0.004</small><small>[0.690, 0.731]</small>" in text
    assert "<caption>what it is</caption>" in text


@pytest.mark.parametrize("render", [lambda table: drawn(table, 60), html])
def test_a_table_without_headings_has_no_heading_line(render: object) -> None:
    assert callable(render)
    assert "<thead>" not in render(Table(("", ""), (("seed", "3"),)))
    assert "┡" not in render(Table(("", ""), (("seed", "3"),)))


def test_csv_holds_unrounded_numbers_and_no_formula() -> None:
    read = pd.read_csv(StringIO(csv(TABLE)))
    assert list(read["AUROC"]) == ["0.7123456", "-"]
    assert list(read["method"]) == ["msn | <b>", "'=cmd()"]


def test_rows_with_the_same_keys_are_a_table() -> None:
    assert of_rows([{"a": 1, "b": "x"}, {"a": 2, "b": None}]) == Table(("a", "b"), ((1, "x"), (2, None)))
    assert of_rows([]) == Table((), ())
