"""A console that names cannot command, and whose end is no reason to stop work."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from ssl_bench.errors import escaped


class StandardError:
    """Standard error as it is at each call; a terminal that was closed or a pipe that nobody reads takes no words."""

    def write(self, text: str) -> int:
        """Write what can be written."""
        try:
            return sys.stderr.write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        try:
            sys.stderr.flush()
        except OSError:
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


class Spoken(Console):
    """A console for text as it is; of what files and people bring, nothing is a command to the terminal.

    Args:
        aside: to standard error, so that results alone go to standard output.
    """

    def __init__(self, *, aside: bool = False) -> None:
        file: Any = StandardError() if aside else None
        super().__init__(file=file, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text with control characters as their numbers."""
        return super().render_str(escaped(text), **options)
