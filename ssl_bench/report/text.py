"""Text that cannot break the page it stands on."""

from __future__ import annotations

LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
         "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "†": r"$^{\dagger}$", "*": r"$^{*}$",
         "<": r"$<$", ">": r"$>$"}  # fmt: skip


def cell(text: object) -> str:
    """Text that cannot break a Markdown table or be read as HTML."""
    line = " ".join(str(text).split())
    for character, safe in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|")):
        line = line.replace(character, safe)
    return line


def latex(text: object) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(LATEX.get(letter, letter) for letter in str(text))
