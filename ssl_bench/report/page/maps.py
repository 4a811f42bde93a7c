"""Maps of the test embeddings for the page: a point an image, coloured by finding, sex, age or view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.comparison.groups import RunGroup
from ssl_bench.report.kept import of_record, read_table
from ssl_bench.report.layout import CATEGORIES, FEATURES, coordinates, prevalent
from ssl_bench.report.leaderboard import Board
from ssl_bench.report.page.figures import SYMBOLS
from ssl_bench.report.palette import GREY, LeftOut, Style, readable, style
from ssl_bench.results.rundir import RunDirectory

Map = dict[str, Any]

DECADES = (0, 40, 50, 60, 70, 80, 200)
AGES = ("under 40", "40 to 49", "50 to 59", "60 to 69", "70 to 79", "80 and over")
"""Ages are shown by decade: with the exact age a point would tell more of a patient than the map needs."""

AGE_COLOURS = ("#00224E", "#35456C", "#666970", "#948E77", "#C8B866", "#FEE838")
"""Cividis (Nuñez et al., PLoS ONE, 2018) at six places."""

UNKNOWN = {"name": "unknown", "color": "#808080", "symbol": "hourglass"}


def maps(board: Board, left_out: list[str]) -> list[tuple[Map, npt.NDArray[Any], RunGroup]]:
    """The map of the first run of every configuration, with its image ids and group.

    Args:
        board: whose configurations.
        left_out: gets a sentence for each map that cannot be drawn.
    """
    found = []
    for group in board.groups:
        try:
            found.append((*_map(group), group))
        except LeftOut as reason:
            left_out.append(f"embedding map of {group.name}: {reason}")
    return found


def _map(group: RunGroup) -> tuple[Map, npt.NDArray[Any]]:
    run = group.runs[0]
    directory = RunDirectory(run.path)
    cohort = read_table(of_record(directory, directory.cohort, run.record))
    arrays = coordinates(directory, run.record, run.encoder)
    images = arrays["image_id"].astype(str)
    frame = cohort.set_index("image_id").reindex(images)
    points = arrays["tsne"]
    return {
        "name": group.name,
        "seed": run.seed,
        "x": [round(float(x), 2) for x in points[:, 0]],
        "y": [round(float(y), 2) for y in points[:, 1]],
        "variables": list(_variables(frame, run.record.data.labels)),
    }, images


def _variables(frame: pd.DataFrame, labels: Sequence[str]) -> Iterator[Map]:
    """What a map can be coloured by: a code for each point, and name, colour and marker of each code."""
    for finding in prevalent(frame, list(labels)):
        looks = [("absent", Style("#9A9A9A", "", "o")), ("present", style(1)._replace(marker="^"))]
        yield _variable(readable(finding), frame[finding].map({0.0: 0, 1.0: 1}), looks)
    for name in FEATURES:
        if name not in frame or not frame[name].notna().any():
            continue
        if name == "age":
            codes = pd.cut(frame[name].astype(float), list(DECADES), right=False, labels=False)
            yield _variable("age", codes, [(text, Style(AGE_COLOURS[n], "", style(n).marker))
                                           for n, text in enumerate(AGES)])  # fmt: skip
        else:
            text = frame[name].astype(object).where(frame[name].notna(), None)
            common = sorted(str(value) for value in text.value_counts().index[:CATEGORIES])
            codes = text.map(lambda value, common=common: np.nan if value is None else _code(str(value), common))
            looks = [(value, style(n)) for n, value in enumerate(common)]
            yield _variable(name, codes, [*looks, ("other", Style(GREY, "", "P"))])


def _code(value: str, common: Sequence[str]) -> int:
    return common.index(value) if value in common else len(common)


def _variable(name: str, codes: Any, looks: Sequence[tuple[str, Style]]) -> Map:
    numbers = np.asarray(codes, dtype=np.float64)
    values: list[Mapping[str, str]] = [
        {"name": text, "color": look.color, "symbol": SYMBOLS[look.marker]} for text, look in looks
    ]
    return {
        "name": name,
        "values": [*values, UNKNOWN],
        "codes": np.where(np.isnan(numbers), len(values), numbers).astype(int).tolist(),
    }
