"""A table (:mod:`ssl_bench.report.table`) in a terminal, as Markdown, LaTeX and CSV.

As HTML it is drawn by the macros of ``templates/table.html.jinja``, on every page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd
from rich.table import Table as RichTable

from ssl_bench.files import csv_text
from ssl_bench.report.table import Table, TableCell
from ssl_bench.report.text import cell as safe
from ssl_bench.report.text import latex as tex


def terminal(table: Table) -> RichTable:
    """For :func:`ssl_bench.report.run_tables.plain_console`; a long word is broken and never cut."""
    shown = RichTable(title=table.title or None, title_justify="left", caption=table.caption or None,
                      caption_justify="left", show_header=table.headed)  # fmt: skip
    for number, heading in enumerate(table.columns):
        shown.add_column(heading, justify="right" if number in table.right else "left", overflow="fold")
    for row in table.texts():
        shown.add_row(*row)
    return shown


def markdown(table: Table) -> str:
    """A pipe table with its title above it; the best numbers are bold."""
    return "\n".join(_markdown(table)) + "\n"


def _markdown(table: Table) -> Iterator[str]:
    if table.title:
        yield f"**{safe(table.title)}**\n"
    yield _piped(map(safe, table.columns))
    yield f"|{''.join('---:|' if number in table.right else '---|' for number in range(len(table.columns)))}"
    yield from (_piped(map(_in_markdown, row)) for row in table.contents())
    if table.caption:
        yield f"\n{safe(table.caption)}"


def _piped(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _in_markdown(content: TableCell) -> str:
    text = safe(content.text)
    mark = safe(content.mark).replace("*", "\\*")
    return " ".join([f"**{text}**" if content.best else text, *map(safe, content.rest)]) + mark


def latex(table: Table, notes: Iterable[str] = ()) -> str:
    """A floating table of the package booktabs, with notes under it."""
    return "\n".join([
        "\\begin{table}", "\\centering", f"\\caption{{{tex(table.title)}}}",
        f"\\begin{{tabular}}{{{''.join('r' if n in table.right else 'l' for n in range(len(table.columns)))}}}",
        "\\toprule", f"{' & '.join(map(tex, table.columns))} \\\\", "\\midrule",
        *(f"{' & '.join(map(_in_latex, row))} \\\\" for row in table.contents()),
        "\\bottomrule", "\\end{tabular}", "", "\\footnotesize",
        *(f"{tex(note)}\\par" for note in (*filter(None, [table.caption]), *notes)), "\\end{table}",
    ]) + "\n"  # fmt: skip


def _in_latex(content: TableCell) -> str:
    text = tex(content.text)
    return " ".join([f"\\textbf{{{text}}}" if content.best else text, *map(tex, content.rest)]) + tex(content.mark)


def frame(table: Table) -> pd.DataFrame:
    """The unrounded values."""
    return pd.DataFrame(table.values(), columns=list(table.columns))


def csv(table: Table) -> str:
    """The unrounded values as CSV; what a spreadsheet would run as a formula is disarmed."""
    return csv_text(frame(table))
