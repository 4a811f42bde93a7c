"""The page: one file with its data, styles and scripts, which a browser opens without a network."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache as once
from importlib.resources import files
from pathlib import Path
from typing import Any

import itables.options
from plotly.offline import get_plotlyjs

from ssl_bench.files import write_text
from ssl_bench.numbers import range_text
from ssl_bench.report.leaderboard import Board, Entry
from ssl_bench.report.page.curves import training_curves
from ssl_bench.report.page.figures import (
    Figure,
    Looks,
    efficiency,
    efficiency_points,
    forest,
    is_synthetic,
    looks_of,
)
from ssl_bench.report.page.gaps import gap_figure, group_figure
from ssl_bench.report.page.grid import grid
from ssl_bench.report.page.maps import maps
from ssl_bench.report.page.order import heat_map, ranks, stability
from ssl_bench.report.page.pareto import paretos
from ssl_bench.report.page.provenance import provenance
from ssl_bench.report.page.subgroups import gaps, groups
from ssl_bench.report.page.thumbnails import check_permitted, thumbnails
from ssl_bench.report.palette import STAMP
from ssl_bench.report.table import Table
from ssl_bench.report.templating import templates


def write_page(board: Board, path: Path, *, maps: bool = True, cache: Path | None = None) -> list[str]:
    """Write the page.

    Args:
        board: what it shows.
        path: of the file.
        maps: with the map of the test embeddings.
        cache: folder of prepared stores: with thumbnails on the map; None: without.

    Returns:
        What could not be drawn, with the reason.

    Raises:
        UsageError: thumbnails are asked for that the data do not permit, or that are gone.
    """
    if cache is not None:
        check_permitted((run.record for group in board.groups for run in group.runs), "--thumbnails")
    left_out: list[str] = []
    shown = map_data(board, left_out, cache) if maps else None
    text = templates().get_template("leaderboard.html.jinja").render(contents(board, shown, left_out))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return left_out


def contents(board: Board, map_json: dict[str, Any] | None, left_out: list[str]) -> dict[str, Any]:
    """Everything that the template shows."""
    return {
        "synthetic": board.synthetic,
        "stamp": STAMP,
        "notes": board.notes(),
        "baseline": board.baseline.name,
        "grid": grid(board),
        "excluded": board.excluded,
        "parts": parts(board),
        "map": map_json,
        "origins": [provenance(entries) for entries in board.by_arm()],
        "left_out": left_out,
        **_libraries(),
    }


@dataclass(frozen=True)
class Shown:
    """A plot with the table of its numbers, where it has one of its own."""

    figure: Figure | None
    numbers: Table | None = None
    caption: str = ""


@dataclass(frozen=True)
class Part:
    """A part of the page: its anchor, heading and word in the navigation, and what is in it."""

    anchor: str
    title: str
    short: str
    shown: tuple[Shown, ...]


def parts(board: Board) -> list[Part]:
    """The parts with plots, without those that would be empty."""
    looks, settings = looks_of(board.entries), list(board.by_setting().values())
    ordered = [one for entries in settings for one in _order(board, entries, looks)]
    found = [
        Part("plots", "Forest plot", "Forest plot", tuple(
            Shown(forest(of, board.baseline.name, f"Macro AUROC, {_where(of[0])}", looks)) for of in settings)),
        Part("findings", "Findings", "Findings", tuple(one for of in settings for one in _heat(of))),
        Part("ranks", "How firm the order is", "Ranks", tuple(ordered)),
        Part("pareto", "Quality against operations", "Operations", tuple(
            Shown(figure) for of in settings for figure in paretos(of, _where(of[0]), looks))),
        Part("efficiency", "Label efficiency", "Label efficiency", tuple(
            one for of in settings if (one := _efficiency(of, looks)) is not None)),
        Part("training", "Training", "Training", tuple(
            Shown(figure) for figure in training_curves(board.entries, looks))),
        Part("subgroups", "Subgroups", "Subgroups", tuple(one for of in settings for one in _gaps(of, looks))),
    ]  # fmt: skip
    return [part for part in found if part.shown]


def figures(board: Board) -> list[Figure]:
    """All plots of the page but the map, which shows images one by one."""
    return [one.figure for part in parts(board) for one in part.shown if one.figure is not None]


def _heat(entries: list[Entry]) -> Iterator[Shown]:
    found = heat_map(entries, f"AUROC by finding, {_where(entries[0])}", synthetic=is_synthetic(entries))
    if found:
        yield Shown(*found, f"AUROC of each finding by configuration, {_where(entries[0])}")


def _order(board: Board, entries: list[Entry], looks: Looks) -> Iterator[Shown]:
    found = board.rankings.get(entries[0].setting)
    if found:
        where, synthetic = _where(entries[0]), is_synthetic(entries)
        yield Shown(ranks(found, looks, f"Ranks, {where}", synthetic=synthetic))
        figure, table = stability(found, f"Stability of ranks, {where}", synthetic=synthetic)
        yield Shown(figure, table, f"Ranks over resamples, {where}")


def _where(entry: Entry) -> str:
    return f"{entry.setting[0]} on {entry.data}"


def _efficiency(entries: list[Entry], looks: Looks) -> Shown | None:
    figure = efficiency(entries, f"Label efficiency, {_where(entries[0])}", looks)
    if not figure:
        return None
    points = efficiency_points(entries)
    shares = sorted({share for found in points.values() for share, _ in found})
    rows = [(name, *(range_text([v for s, v in found if s == share]) for share in shares))
            for name, found in points.items()]  # fmt: skip
    table = Table(("configuration", *(f"{100 * share:g} %" for share in shares)), tuple(rows))
    told = "macro AUROC by share of labelled training patients: mean (range over seeds and draws)"
    return Shown(figure, table, f"{_where(entries[0])}: {told}")


def _gaps(entries: list[Entry], looks: Looks) -> Iterator[Shown]:
    found = list(gaps(entries))
    if not found:
        return
    where, synthetic = _where(entries[0]), is_synthetic(entries)
    points = group_figure(list(groups(entries)), looks, f"Subgroups, {where}", synthetic=synthetic)
    if points:
        yield Shown(points)
    figure = gap_figure(found, looks, f"Subgroup gaps, {where}", synthetic=synthetic)
    rows = tuple((gap.name, gap.attribute, gap.groups, gap.text, gap.note) for gap in found)
    head = ("configuration", "attribute", "macro AUROC of the groups", "gap", "note")
    yield Shown(figure, Table(head, rows), f"Macro AUROC by subgroup and its gaps, {where}")


def map_data(board: Board, left_out: list[str], cache: Path | None) -> dict[str, Any] | None:
    """Maps of all configurations, with thumbnails where a cache is given; None where no map can be drawn."""
    drawn = maps(board, left_out)
    pictures: dict[str, str] = {}
    for shown, images, group in drawn:
        if cache is not None:
            names = [f"{group.runs[0].record.data.fingerprint}/{image}" for image in images]
            missing = [number for number, name in enumerate(names) if name not in pictures]
            made = thumbnails(group.runs[0].record, [images[number] for number in missing], cache)
            pictures |= {names[number]: text for number, text in zip(missing, made, strict=True)}
            order = {name: number for number, name in enumerate(pictures)}
            shown["pictures"] = [order[name] for name in names]
    if not drawn:
        return None
    return {"maps": [shown for shown, *_ in drawn], "pictures": list(pictures.values())}


@once
def _libraries() -> dict[str, str]:
    """DataTables and Plotly as itables and plotly bring them, and the page's own script and style."""
    bundle = Path(itables.options.dt_bundle)
    own = files("ssl_bench.report") / "templates"
    return {
        "datatables_js": _packed(bundle.read_bytes()),
        "datatables_css": bundle.with_suffix(".css").read_text(encoding="utf-8"),
        "plotly_js": _packed(get_plotlyjs().encode()),
        "page_js": (own / "leaderboard.js").read_text(encoding="utf-8"),
        "page_css": (own / "leaderboard.css").read_text(encoding="utf-8"),
    }


def _packed(script: bytes) -> str:
    """A library as the page's script unpacks it; the same bytes whenever it is packed."""
    return b64encode(gzip.compress(script, mtime=0)).decode()
