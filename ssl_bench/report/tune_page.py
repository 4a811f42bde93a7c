"""The page of a tune: quality against budget, choices, every trial, and what each hyperparameter does."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ssl_bench.files import write_text
from ssl_bench.numbers import number_text
from ssl_bench.report.palette import STAMP
from ssl_bench.report.plots.canvas import Picture, drawing, drawn
from ssl_bench.report.table import Table
from ssl_bench.report.templating import templates
from ssl_bench.report.tune_plots import budget_curves, scatter
from ssl_bench.report.tune_text import settings_text, tables, value_text
from ssl_bench.tune.result import notes

PAGE = "tune.html"


def write_page(found: Mapping[str, Any], folder: Path) -> Path:
    """Write the page; the same result gives the same bytes.

    Args:
        found: of :func:`ssl_bench.tune.result.result`.
        folder: of the tune.
    """
    text = templates().get_template("tune.html.jinja").render(contents(found))
    write_text(folder / PAGE, text)
    return folder / PAGE


def contents(found: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the template shows."""
    with drawing():
        return {
            "title": f"Tuning: {found['subject']}" + (f" ({STAMP})" if found["synthetic"] else ""),
            "notes": notes(found),
            "sections": tables(found),
            "curves": [_shown(picture) for picture in budget_curves(found)],
            "studies": list(_studies(found)),
        }  # fmt: skip


def _studies(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for study in found["studies"]:
        yield {
            "name": study["name"],
            "trials": trial_table(study),
            "sensitivity": sensitivity_table(study),
            "scatter": [_shown(picture) for picture in scatter(study, found)],
        }


def trial_table(study: Mapping[str, Any]) -> Table:
    """All trials of a study, by number."""
    keys = [one["key"] for one in study["space"]]
    chosen = (study["chosen"] or {}).get("trial")
    rows = []
    for trial in study["trials"]:
        settings = trial["settings"] or (study["default"] if not trial["number"] else {})
        number = f"{trial['number']}{' (default)' if not trial['number'] else ''}"
        mark = f"{number}{', chosen' if trial['number'] == chosen else ''}"
        rows.append((mark, number_text(trial["value"]), f"{60 * trial['hours']:.1f}", f"{trial['flops'] / 1e12:.3g}",
                     *(value_text(settings[key]) if key in settings else "-" for key in keys),
                     trial["state"], trial["reason"]))  # fmt: skip
    return Table(("trial", "value", "minutes", "TFLOP", *keys, "state", "note"), tuple(rows))


def sensitivity_table(study: Mapping[str, Any]) -> Table:
    """Each hyperparameter with its range, its default, the chosen value and its correlation with the value."""
    space = {one["key"]: one for one in study["space"]}
    chosen = study["chosen"] or {"settings": {}, "edges": {}}
    rows = []
    for row in study["sensitivity"]:
        key = row["key"]
        told = {key: chosen["settings"].get(key, study["default"][key])}
        rho = "-" if row["correlation"] is None else f"{row['correlation']:+.2f}"
        choice = settings_text(told, chosen["edges"]).removeprefix(f"{key} ")
        rows.append((key, space[key]["range"], value_text(study["default"][key]), choice, rho, str(row["trials"])))
    return Table(("hyperparameter", "range", "default", "chosen", "rank correlation", "trials"), tuple(rows))


def _shown(picture: Picture) -> dict[str, str]:
    """A picture as the template takes it."""
    return {"title": picture.title, "caption": picture.caption, "svg": b64encode(drawn(picture, "svg")).decode()}
