"""How objects of the API show themselves in a notebook: a table, with the notes of its numbers. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def table_html(title: str, frame: pd.DataFrame, notes: Iterable[object] = ()) -> str:
    """A table with its heading and notes as HTML; what files and people bring is text and never markup."""
    listed = "".join(f"<li>{escape(str(note))}</li>" for note in notes)
    table = frame.to_html(index=False, escape=True, na_rep="-", border=0)
    return f"<div><p><strong>{escape(title)}</strong></p>{table}{f'<ul>{listed}</ul>' * bool(listed)}</div>"


def table_text(title: str, frame: pd.DataFrame, notes: Iterable[object] = ()) -> str:
    """The same for a terminal."""
    return "\n".join([title, frame.to_string(index=False, na_rep="-"), *(f"note: {note}" for note in notes)])
