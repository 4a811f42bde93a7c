"""The leaderboard in the terminal, and the texts of its cells that the page shows too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.table import Table

from ssl_bench.pretrain.health import UNREADY
from ssl_bench.report.leaderboard import Board, Entry
from ssl_bench.report.palette import STAMP
from ssl_bench.report.paper import Cell
from ssl_bench.report.table import METRICS, plain_console
from ssl_bench.report.tuned import TUNING, UNTUNED
from ssl_bench.results.rows import CONSTANT
from ssl_bench.stats.intervals import Interval

COLUMNS = ("", "configuration", "backbone", "seeds")


def print_board(board: Board) -> None:
    """Print a table for each protocol and dataset, what the marks mean, and what is left out."""
    console = plain_console()
    if not console.is_terminal:
        console.width = 160
    for (protocol, *_), entries in board.by_place().items():
        stamp = f" ({STAMP})" if any(member.record.synthetic for e in entries for member in e.arm.members) else ""
        console.print(f"{protocol} on {entries[0].data}{stamp}, test split, macro means")
        console.print(_table(entries, board.baseline.name))
        if board.beside:
            console.print(_beside(entries, board.beside))
    if (encoders := _encoder_table(board.entries)) is not None:
        console.print(encoders)
    for note in board.notes():
        console.print(f"note: {note}", soft_wrap=True)
    for one in board.excluded:
        console.print(f"left out: {one.folder or one.what}: {one.reason}", soft_wrap=True)


def _table(entries: list[Entry], baseline: str) -> Table:
    headings = [heading for name in METRICS.values() for heading in (f"{name} [95 %]", "SD", "to baseline")]
    table = Table()
    tuned = any(entry.tuned[0] != UNTUNED for entry in entries)
    beside = ("crops", "TFLOP", "hours", *(TUNING if tuned else ()))
    for column in (*COLUMNS, *headings, *beside):
        table.add_column(column, justify="right" if column in ("", "crops", "TFLOP", "hours") else "left")
    for entry in entries:
        name = f"{entry.name}{f' {UNREADY}' * entry.unready}{' (baseline)' * (entry.arm.name == baseline)}"
        numbers = [text for metric in METRICS for text in metric_texts(entry, metric)]
        rank = "-" if entry.rank is None else str(entry.rank)
        cost = (*cost_texts(entry), *(entry.tuned if tuned else ()))
        table.add_row(rank, name, entry.backbone, str(len(entry.seeds)), *numbers, *cost)
    return table


def _beside(entries: list[Entry], metrics: Mapping[str, str]) -> Table:
    """Metrics that were asked for, a line each: they do not rank."""
    table = Table("metric", "configuration", "value [95 %]", "SD", "to baseline")
    for metric, name in metrics.items():
        for entry in entries:
            table.add_row(name, entry.name, *metric_texts(entry, metric))
    return table


def metric_texts(entry: Entry, metric: str) -> tuple[str, str, str]:
    """Value with interval, spread between seeds, difference to the baseline with its mark."""
    cell = entry.cells.get(metric)
    if cell is None:
        return "-", "-", "-"
    spread = "-" if cell.sd is None else f"{cell.sd:.3f}"
    return (
        f"{ranged(cell.interval, '.3f')} {cell.seen}".strip(),
        spread,
        difference_text(cell, entry.differences[metric]),
    )


def difference_text(cell: Cell, difference: float | None) -> str:
    """``+0.031 [+0.008, +0.054] †``; without interval and mark where the rules permit no test."""
    if difference is None:
        return "-"
    found = cell.test.difference if cell.test else Interval(None)
    ends = (found.low, found.high) if found.value is not None else (None, None)
    return f"{ranged(Interval(difference, *ends), '+.3f')} {cell.mark}".strip()


def ranged(interval: Interval, form: str) -> str:
    """A value with its interval where it has one."""
    if interval.value is None:
        return "-"
    if interval.note == CONSTANT:
        return "constant"
    if interval.low is None or interval.high is None:
        return f"{interval.value:{form}}"
    return f"{interval.value:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


def footprint_texts(entry: Entry) -> dict[str, tuple[str, float | None]]:
    """Millions of parameters, GFLOP of an image, input, width and pretraining images: text and number by heading."""
    scaled = {
        "M parameters": ("parameters", 1e6), "GFLOP an image": ("image_flops", 1e9), "input px": ("image_size", 1),
        "width": ("width", 1), "pretraining images": ("pretraining_images", 1),
    }  # fmt: skip
    found: dict[str, tuple[str, float | None]] = {}
    for heading, (key, unit) in scaled.items():
        value = entry.footprint(key)
        form = ",.3g" if unit > 1 else ",.0f"
        found[heading] = ("-", None) if value is None else (f"{value / unit:{form}}", value / unit)
    return found


def _encoder_table(entries: Iterable[Entry]) -> Table | None:
    """What the encoders are, each once; None where no record says."""
    rows = {entry.name: footprint_texts(entry) for entry in entries if not entry.line.blind}
    rows = {name: texts for name, texts in rows.items() if any(number is not None for _, number in texts.values())}
    if not rows:
        return None
    table = Table(title="encoders")
    table.add_column("configuration")
    for heading in next(iter(rows.values())):
        table.add_column(heading, justify="right")
    for name, texts in rows.items():
        table.add_row(name, *(text for text, _ in texts.values()))
    return table


def cost_texts(entry: Entry) -> tuple[str, str, str]:
    """Crops of an image, TFLOP and hours of pretraining."""
    crops, flops = entry.cost("crops_per_image"), entry.cost("flops")
    return (
        "-" if crops is None else f"{crops:g}",
        "-" if flops is None else f"{flops / 1e12:,.3g}",
        "-" if entry.hours is None else f"{entry.hours:,.2g}",
    )
