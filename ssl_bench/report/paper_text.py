"""The paper's tables as text: Markdown, LaTeX with booktabs, CSV."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined

from ssl_bench.files import csv_text
from ssl_bench.report.paper import Paper, as_frame, footnotes, paper_tables
from ssl_bench.report.text import cell, latex

TEMPLATES = {"markdown": "tables.md.jinja", "latex": "tables.tex.jinja"}


def rendered(shown: Paper, form: str) -> str:
    """The tables in one of the formats ``markdown``, ``latex`` and ``csv``."""
    if form == "csv":
        return csv_text(as_frame(shown.cells, shown.reference))
    environment = Environment(
        loader=PackageLoader("ssl_bench.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=False, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"cell": cell, "latex": latex}
    text = environment.get_template(TEMPLATES[form]).render(tables=paper_tables(shown.cells), notes=footnotes(shown))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
