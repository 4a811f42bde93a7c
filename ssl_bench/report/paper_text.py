"""The paper's tables as text: Markdown, LaTeX with booktabs, CSV."""

from __future__ import annotations

from ssl_bench.report.paper import Paper, footnotes, numbers, paper_tables
from ssl_bench.report.render import csv, latex, markdown
from ssl_bench.report.text import cell

PACKAGE = "% needs \\usepackage{booktabs}"


def rendered(shown: Paper, form: str) -> str:
    """The tables in one of the formats ``markdown``, ``latex`` and ``csv``; CSV holds unrounded numbers, one a row."""
    if form == "csv":
        return csv(numbers(shown.cells, shown.reference))
    tables, notes = paper_tables(shown.cells), footnotes(shown)
    if form == "latex":
        return "\n".join([PACKAGE, *(latex(table, notes) for table in tables)])
    return "\n".join([*map(markdown, tables), *(cell(note).replace("*", "\\*") + "\n" for note in notes)])
