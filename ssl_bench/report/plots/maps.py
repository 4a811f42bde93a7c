"""Maps of the test embeddings: t-SNE and PCA, coloured by findings, sex, age and view."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ssl_bench.plugin.names import TRAINED
from ssl_bench.report.kept import Arrays, of_record, read_table
from ssl_bench.report.layout import CATEGORIES, FEATURES, PERPLEXITY, coordinates, prevalent
from ssl_bench.report.palette import BLUE, GREY, LIGHT, VERMILLION, Style, readable, style
from ssl_bench.report.plots.canvas import PanelGrid, Picture, Sheet, grid_height, wrapped
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

UNKNOWN = Style("#808080", "", "x")


def embedding_maps(run: RunDirectory, record: Record) -> list[Picture]:
    """A picture coloured by findings and one coloured by features.

    Args:
        run: folder of embeddings and cohort.
        record: of the run.

    Raises:
        LeftOut: embeddings or the cohort are missing or damaged, or there is nothing to lay out.
    """
    cohort = read_table(of_record(run, run.cohort, record))
    encoder = record.metrics[0].encoder if record.metrics else TRAINED
    arrays = coordinates(run, record, encoder)
    frame = cohort.set_index("image_id").reindex(arrays["image_id"].astype(str))
    pictures = []
    findings = prevalent(frame, record.data.labels)
    if findings:
        pictures.append(_picture("findings", findings, frame, arrays, record, encoder))
    features = [name for name in FEATURES if name in frame and frame[name].notna().any()]
    if features:
        pictures.append(_picture("features", features, frame, arrays, record, encoder))
    return pictures


def _picture(what: str, names: list[str], frame: pd.DataFrame, arrays: Arrays, record: Record, encoder: str) -> Picture:
    columns = len(names)
    headings = [wrapped(readable(name), 22) for name in names]
    grid = PanelGrid(rows=2, columns=columns, height=1.45 if columns > 3 else 1.9, left=0.3, gap_x=0.15, gap_y=0.3,
                bottom=0.45 if what == "findings" else 0.8,
                top=0.25 + 0.13 * max(heading.count("\n") for heading in headings))  # fmt: skip
    title = f"Test embeddings of the {encoder} encoder by {what}"
    sheet = Sheet(record, title, grid_height(grid))
    panels = sheet.panels(grid)
    for row, projection in enumerate(("tsne", "pca")):
        for column, name in enumerate(names):
            panel = panels[row * columns + column]
            _draw(panel, arrays[projection], frame[name], what, sheet if row == 1 else None)
            if row == 0:
                panel.set_title(headings[column])
    _name_axes(panels, columns, arrays)
    if what == "findings":
        _finding_legend(sheet, unknown=bool(frame[names].isna().to_numpy().any()))
    return Picture(f"map-{what}", title, _caption(arrays, record), sheet.figure)


def _draw(panel: Axes, points: npt.NDArray[Any], values: pd.Series, what: str, sheet: Sheet | None) -> None:
    panel.set(xticks=[], yticks=[])
    for spine in panel.spines.values():
        spine.set(visible=True, color=LIGHT)
    if what == "findings":
        _draw_finding(panel, points, values.to_numpy(np.float64, na_value=np.nan))
    elif values.name == "age":
        _draw_number(panel, points, values.to_numpy(np.float64, na_value=np.nan), sheet)
    else:
        _draw_categories(panel, points, values, legend=sheet is not None)


def _scatter(panel: Axes, points: npt.NDArray[Any], look: Style, **more: Any) -> Any:
    """Points as pixels in the SVG too: thousands of markers would make it slow to open."""
    options: dict[str, Any] = {"s": 9.0, "linewidths": 0.5, "rasterized": True, "marker": look.marker} | more
    if "c" not in options:
        options["color"] = look.color
    return panel.scatter(points[:, 0], points[:, 1], **options)


NEGATIVE, POSITIVE = Style("#9A9A9A", "", "o"), Style(VERMILLION, "", "^")


def _draw_finding(panel: Axes, points: npt.NDArray[Any], values: npt.NDArray[np.float64]) -> None:
    unknown = np.isnan(values)
    _scatter(panel, points[unknown], UNKNOWN, s=6)
    _scatter(panel, points[values == 0], NEGATIVE, s=5, alpha=0.7, linewidths=0)
    _scatter(panel, points[values == 1], POSITIVE, s=11, alpha=0.85, linewidths=0)


def _finding_legend(sheet: Sheet, *, unknown: bool) -> None:
    looks = {"positive": POSITIVE, "negative": NEGATIVE} | ({"unknown": UNKNOWN} if unknown else {})
    handles = [Line2D([], [], color=look.color, marker=look.marker, linestyle="", markersize=4.5, label=name)
               for name, look in looks.items()]  # fmt: skip
    sheet.figure.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0.0), ncols=3, handletextpad=0.2)


def _draw_number(panel: Axes, points: npt.NDArray[Any], values: npt.NDArray[np.float64], sheet: Sheet | None) -> None:
    known = ~np.isnan(values)
    _scatter(panel, points[~known], UNKNOWN, s=6)
    drawn = _scatter(panel, points[known], Style(BLUE, "", "o"), c=values[known], cmap="cividis", linewidths=0)
    if sheet is not None:
        box = panel.get_position()
        axis = sheet.figure.add_axes((box.x0, box.y0 - 0.48 / sheet.height, box.width, 0.09 / sheet.height))
        bar = sheet.figure.colorbar(drawn, cax=axis, orientation="horizontal", ticks=_round_ages(values[known]))
        bar.outline.set_visible(False)
        axis.set_xlabel("age in years" + ("" if known.all() else " (crosses: unknown)"))


def _round_ages(values: npt.NDArray[np.float64]) -> list[int]:
    low, high = int(np.ceil(values.min() / 20)) * 20, int(values.max())
    return list(range(low, high + 1, 20))


def _draw_categories(panel: Axes, points: npt.NDArray[Any], values: pd.Series, *, legend: bool) -> None:
    counts = values.value_counts()
    names = sorted(str(name) for name in counts.index[:CATEGORIES])
    text = values.astype(object).where(values.notna(), None).map(lambda value: None if value is None else str(value))
    groups = {name: (text == name, style(number)) for number, name in enumerate(names)}
    rest = text.notna() & ~text.isin(names)
    if rest.any():
        groups["other"] = (rest, Style(GREY, "", "+"))
    if text.isna().any():
        groups["unknown"] = (text.isna(), UNKNOWN)
    for name, (chosen, look) in groups.items():
        filled = {} if look.marker in ("x", "+") else {"linewidths": 0}
        _scatter(panel, points[chosen.to_numpy()], look, alpha=0.75, label=name, **filled)
    if legend:
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=min(3, len(groups)), handletextpad=0.1,
                     columnspacing=0.8, borderaxespad=0, markerscale=1.5)  # fmt: skip


def _name_axes(panels: list[Axes], columns: int, arrays: Arrays) -> None:
    first, second = (100 * float(share) for share in (*arrays["explained"], 0.0)[:2])
    for panel in panels[:columns]:
        panel.set_xlabel("t-SNE 1")
    panels[0].set_ylabel("t-SNE 2")
    for panel in panels[columns:]:
        panel.set_xlabel(f"PC 1 ({first:.0f} %)")
    panels[columns].set_ylabel(f"PC 2 ({second:.0f} %)")


def _caption(arrays: Arrays, record: Record) -> str:
    shown, images = len(arrays["image_id"]), int(arrays["images"])
    which = f"all {images:,}" if shown == images else f"{shown:,}, drawn at random, of {images:,}"
    perplexity = min(PERPLEXITY, (shown - 1) / 3)
    return (
        f"Top: t-SNE (perplexity {perplexity:.3g}, seed {record.settings.seed}) of {which} test images; bottom: "
        "the first two principal components with their share of the variance. Distances between t-SNE groups and the "
        "sizes of the groups carry no meaning."
    )
