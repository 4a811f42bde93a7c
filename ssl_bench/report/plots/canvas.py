"""What all pictures share: sizes for print, colours for every reader, the header with its stamp, and the files.

Sizes are in inches and points at the size a picture is read at: the width of a printed page's text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ssl_bench.files import replacing
from ssl_bench.report.palette import GREY, STAMP, VERMILLION
from ssl_bench.results.record import Record

WIDTH = 6.7
"""Width of a picture: the text of a printed page."""

DPI = 200
POINTS = 8.0
"""The smallest type."""

LEGENDS = ((3.0, 2.0), (2.0, 1.0), (1.2, 0.5))
"""Length of a line in a legend and room between two, in letters; the first that fits the page is taken."""

DOTTED = (0, (1, 1.5))
"""Dashes of the line of chance."""

RC: Mapping[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": POINTS, "axes.titlesize": POINTS, "axes.labelsize": POINTS,
    "xtick.labelsize": POINTS, "ytick.labelsize": POINTS, "legend.fontsize": POINTS, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "xtick.major.width": 0.6,
    "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5, "xtick.major.pad": 2,
    "ytick.major.pad": 2, "lines.linewidth": 1.2, "axes.titlelocation": "left", "axes.titlepad": 4,
    "axes.labelpad": 2, "svg.hashsalt": "sslbench", "svg.fonttype": "path", "path.simplify": False,
    "text.parse_math": False,
}  # fmt: skip
"""The same on every machine, whatever a matplotlibrc says; a dollar in a finding's name is no formula."""


@dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Args:
        name: stem of its files.
        title: what it shows.
        caption: how to read it.
        figure: drawn.
    """

    name: str
    title: str
    caption: str
    figure: Figure


@dataclass(frozen=True)
class PanelGrid:
    """Panels below each other and side by side, in inches.

    Args:
        rows: number of rows.
        columns: number of columns.
        height: of a panel.
        left: from the page's edge to the first panel.
        right: from the last panel to the page's edge.
        bottom: below the last row.
        gap_x: between columns.
        gap_y: between rows.
        top: between header and first row.
    """

    rows: int
    columns: int
    height: float
    left: float = 0.45
    right: float = 0.1
    bottom: float = 0.4
    gap_x: float = 0.3
    gap_y: float = 0.5
    top: float = 0.25


@dataclass(frozen=True)
class Headed:
    """What stands above a picture that is of no single run."""

    subject: str
    synthetic: bool


class Sheet:
    """A figure with its header, on which panels are placed in inches from the lower left corner.

    Args:
        record: of the run; the header says what was run on what.
        title: of the picture.
        height: without the header.
        width: of the figure.
    """

    def __init__(self, record: Record | Headed, title: str, height: float, *, width: float = WIDTH) -> None:
        heading = wrapped(title, int(width * 9.5))
        under = wrapped(subject(record), int(width * 15))
        first = 0.16 * (heading.count("\n") + 1)
        self.width, self.body = width, height
        self.height = height + 0.09 + first + 0.15 * (under.count("\n") + 1)
        self.figure = Figure(figsize=(self.width, self.height), facecolor="white")
        FigureCanvasAgg(self.figure)
        top = self.height - 0.06
        self.text(0.05, top, heading, weight="bold", size=9, va="top", linespacing=1.2)
        self.text(0.05, top - first - 0.02, under, color=GREY, va="top", linespacing=1.2)
        if record.synthetic:
            self.text(width - 0.05, top, STAMP, color=VERMILLION, weight="bold", size=9, va="top", ha="right",
                      linespacing=1.2)  # fmt: skip

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write at a place in inches."""
        self.figure.text(x / self.width, y / self.height, text, **style)

    def legend(self, handles: Sequence[Artist]) -> None:
        """What lines mean, in one row at the foot, closer together where there are many."""
        for length, apart in LEGENDS:
            made = self.figure.legend(handles=list(handles), loc="lower center", bbox_to_anchor=(0.5, 0.0),
                                      ncols=len(handles), handlelength=length, columnspacing=apart)  # fmt: skip
            if made.get_window_extent().width <= self.figure.bbox.width or (length, apart) == LEGENDS[-1]:
                return
            made.remove()

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """A panel at a place in inches."""
        place = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place)

    def panels(self, grid: PanelGrid) -> list[Axes]:
        """Panels of a grid, row by row from the top."""
        width = (self.width - grid.left - grid.right - (grid.columns - 1) * grid.gap_x) / grid.columns
        return [
            self.axes(
                grid.left + column * (width + grid.gap_x),
                self.body - grid.top - grid.height - row * (grid.height + grid.gap_y),
                width,
                grid.height,
            )
            for row in range(grid.rows)
            for column in range(grid.columns)
        ]


def grid_height(grid: PanelGrid) -> float:
    """What a grid takes in all, in inches."""
    return grid.top + grid.rows * grid.height + (grid.rows - 1) * grid.gap_y + grid.bottom


def wrapped(text: str, width: int) -> str:
    """A text in lines of at most so many letters."""
    return "\n".join(textwrap.wrap(text, width))


def subject(record: Record | Headed) -> str:
    """What was run on what, for the header of a picture."""
    if isinstance(record, Headed):
        return record.subject
    features = f" with {', '.join(record.features)} ({record.fusion})" if record.features else ""
    return f"{record.method}{features} on {record.data.name}, seed {record.settings.seed}"


@contextmanager
def drawing() -> Iterator[None]:
    """The context in which pictures are drawn and saved: ours on top of matplotlib's own defaults."""
    ours: Any = RC
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(ours)
        yield


METADATA: Mapping[str, Mapping[str, Any]] = {
    "png": {"Software": "sslbench"}, "svg": {"Date": None, "Creator": "sslbench"},
    "pdf": {"CreationDate": None, "Creator": "sslbench"},
}  # fmt: skip
"""No time and no version: the same picture gives the same bytes."""


def drawn(picture: Picture, ending: str) -> bytes:
    """The picture as a file of one kind, by its ending: ``svg`` or ``png``."""
    buffer = BytesIO()
    picture.figure.savefig(buffer, format=ending, dpi=DPI, metadata=METADATA[ending])
    return buffer.getvalue()


def save(picture: Picture, folder: Path, ending: str = "svg") -> bytes:
    """Write ``<name>.<ending>`` and return its bytes; a file of each kind takes the whole drawing once more."""
    folder.mkdir(parents=True, exist_ok=True)
    content = drawn(picture, ending)
    with replacing(folder / f"{picture.name}.{ending}") as temporary:
        temporary.write_bytes(content)
    return content


FOR_PAPER: Mapping[str, Any] = {"svg.fonttype": "none", "pdf.fonttype": 42}
"""Text stays text, so that a publisher can set it in another type, and a reader can search and copy it."""


def print_figure(figure: Figure, stem: str, folder: Path) -> list[Path]:
    """Write a figure for a paper, as ``<stem>.svg`` and ``<stem>.pdf``; returns both."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / f"{stem}.{ending}" for ending in ("svg", "pdf")]
    ours: Any = FOR_PAPER
    with mpl.rc_context(ours):
        for path in written:
            with replacing(path) as temporary:
                ending = path.suffix.removeprefix(".")
                figure.savefig(temporary, format=ending, dpi=DPI, metadata=METADATA[ending])
    return written
