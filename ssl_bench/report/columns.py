"""The columns of the leaderboard beside those of its metrics, each declared once: terminal, page, CSV and JSON read it.

A new number is a field of the record (:mod:`ssl_bench.results.record`), the place that measures it, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ssl_bench.report.leaderboard import Entry
from ssl_bench.report.tuned import UNTUNED

Part = Literal["row", "tuning", "encoder", "cost"]
Output = Literal["terminal", "page", "data"]

EVERYWHERE: tuple[Output, ...] = ("terminal", "page", "data")
UNKNOWN = UNTUNED
"""The text where there is no value."""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        key: in JSON and CSV.
        heading: in the terminal and on the page.
        part: ``row``, before the metrics; ``tuning``, shown in the terminal where a row was tuned; ``encoder``, in the
            terminal a table of its own; ``cost``, of pretraining. ``encoder`` and ``cost`` are objects of their own in
            JSON.
        value: of a row, as JSON and CSV have it; None where it is unknown.
        form: of the number in a text; empty where the value is a text.
        unit: of the number in a text, in units of the value.
        shown: where it appears; ``data`` is JSON and CSV.
    """

    key: str
    heading: str
    part: Part
    value: Callable[[Entry], str | float | Sequence[int] | None]
    form: str = ""
    unit: float = 1
    shown: tuple[Output, ...] = EVERYWHERE

    def number(self, entry: Entry) -> float | None:
        """What the page sorts by, in its unit: of several values how many; None of a text."""
        value = self.value(entry)
        if value is None or isinstance(value, str):
            return None
        return value / self.unit if isinstance(value, int | float) else len(value)

    def text(self, entry: Entry) -> str:
        """For people; a dash where it is unknown."""
        value, number = self.value(entry), self.number(entry)
        if isinstance(value, str):
            return value
        return UNKNOWN if number is None else f"{number:{self.form}}"


COLUMNS = (
    Column("method", "method", "row", lambda row: row.method, shown=("page", "data")),
    Column("features", "features", "row", lambda row: row.features, shown=("page", "data")),
    Column("fusion", "fusion", "row", lambda row: row.fusion, shown=("page", "data")),
    Column("backbone", "backbone", "row", lambda row: row.backbone),
    Column("data", "data", "row", lambda row: row.data, shown=("page",)),  # as data: dataset and fitted_on
    Column("protocol", "protocol", "row", lambda row: row.setting[0], shown=("page",)),  # as data: of the place
    Column("seeds", "seeds", "row", lambda row: row.seeds, "d"),
    Column("budget", "budget", "tuning", lambda row: row.tuned[0]),
    Column("rule", "rule", "tuning", lambda row: row.tuned[1]),
    Column("parameters", "M parameters", "encoder", lambda row: row.footprint("parameters"), ",.3g", 1e6),
    Column("image_flops", "GFLOP an image", "encoder", lambda row: row.footprint("image_flops"), ",.3g", 1e9),
    Column("image_size", "input px", "encoder", lambda row: row.footprint("image_size"), ",.0f"),
    Column("width", "width", "encoder", lambda row: row.footprint("width"), ",.0f"),
    Column("pretraining_images", "pretraining images", "encoder",
           lambda row: row.footprint("pretraining_images"), ",.0f"),
    Column("crops_per_image", "crops", "cost", lambda row: row.cost("crops_per_image"), "g"),
    Column("flops", "TFLOP", "cost", lambda row: row.cost("flops"), ",.3g", 1e12),
    Column("hours", "hours", "cost", lambda row: row.hours, ",.2g"),
    Column("peak_bytes", "peak GB", "cost", lambda row: row.cost("peak_bytes"), ",.2f", 1e9),
)  # fmt: skip
"""Every column; those of a metric stand after the part ``row``."""


def columns(output: Output, *parts: Part) -> list[Column]:
    """Columns of some parts, or of all, that appear in an output."""
    return [one for one in COLUMNS if output in one.shown and (not parts or one.part in parts)]


def values(entry: Entry, *parts: Part) -> dict[str, object]:
    """Values of a row by key, for JSON and CSV."""
    return {one.key: one.value(entry) for one in columns("data", *parts)}
