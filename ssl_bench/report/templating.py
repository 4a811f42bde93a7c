"""The environment of the report's and the page's templates."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined

from ssl_bench.report.render import markdown
from ssl_bench.report.text import cell

BLANKS = re.compile(r"\n{3,}")
"""Blank lines that the templates' conditions leave behind."""


def templates() -> Environment:
    """The environment of the templates; what is unknown to them is an error, and HTML is escaped."""
    environment = Environment(
        loader=PackageLoader("ssl_bench.report"),
        autoescape=lambda name: bool(name) and ".html" in str(name),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": cell, "table": markdown}
    return environment
