"""Text that cannot break the page it stands on, and numbers as tables print them."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench.errors import escaped
from ssl_bench.results.row import RowIdentity

LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
         "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "†": r"$^{\dagger}$", "*": r"$^{*}$",
         "<": r"$<$", ">": r"$>$"}  # fmt: skip


def cell(text: object) -> str:
    """Text that cannot break a Markdown table or be read as HTML, a link or code, and no command of a terminal."""
    line = escaped(" ".join(str(text).split()))
    for characters, safe in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("](", "]\\("), ("][", "]\\["), ("`", "\\`")):
        line = line.replace(characters, safe)
    return line


def latex(text: object) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(LATEX.get(letter, letter) for letter in str(text))


def units(rows: Iterable[RowIdentity]) -> str:
    """What rows of a record count: ``images``, or ``studies`` where these were scored."""
    return "studies" if any(row.unit == "study" for row in rows) else "images"


def count_text(number: int | None) -> str:
    """A count; nothing where there is none."""
    return "" if number is None else str(number)
