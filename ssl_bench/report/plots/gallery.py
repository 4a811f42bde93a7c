"""A grid of radiographs, a row for every finding."""

from __future__ import annotations

import numpy as np

from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.errors import DataError
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.report.palette import GREY, readable
from ssl_bench.report.plots.canvas import Headed, PanelGrid, Picture, Sheet, grid_height, wrapped

COLUMNS = 5
SIZE = 160
"""Side of a picture in px."""

NOTHING = "none of them"


def picture_grid(cohort: Cohort, seed: int) -> Picture:
    """A few images with every finding and a row with none, drawn by a seed; unreadable ones are left empty.

    Args:
        cohort: with settled labels.
        seed: of the images that are drawn.
    """
    rows = _rows(cohort, seed)
    side = 0.98
    grid = PanelGrid(rows=len(rows), columns=COLUMNS, height=side, left=1.4, right=0.1, bottom=0.08, gap_x=0.05,
                     gap_y=0.05, top=0.05)  # fmt: skip
    record = Headed(f"{cohort.name}, {len(cohort):,} images", cohort.synthetic)
    title = "Radiographs by finding"
    sheet = Sheet(record, title, grid_height(grid))
    panels = sheet.panels(grid)
    for row, (name, paths) in enumerate(rows.items()):
        for column in range(COLUMNS):
            panel = panels[row * COLUMNS + column]
            panel.set_axis_off()
            if column < len(paths):
                panel.imshow(_image(cohort, paths[column]), cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
        height = sheet.body - grid.top - row * (side + grid.gap_y) - side / 2
        sheet.text(0.05, height, wrapped(name, 22), va="center", color=GREY if name == NOTHING else "black")
    caption = f"Up to {COLUMNS} images with each finding, drawn at random (seed {seed}), at {SIZE} px."
    return Picture("grid", title, caption, sheet.figure)


def _rows(cohort: Cohort, seed: int) -> dict[str, list[str]]:
    """Paths by finding; the seed's order is one for all, so that a finding more changes no other row."""
    order = np.random.default_rng(seed).permutation(len(cohort))
    frame = cohort.frame.iloc[order]
    rows = {f"{readable(label)} ({(frame[label] == 1).sum():,})": frame[label] == 1 for label in cohort.labels}
    rows[NOTHING] = (frame[list(cohort.labels)] == 0).all(axis=1)
    found = {name: frame.loc[chosen, "image_path"].head(COLUMNS).tolist() for name, chosen in rows.items()}
    return {name: paths for name, paths in found.items() if paths}


def _image(cohort: Cohort, path: str) -> np.ndarray:
    try:
        return decode(cohort.root / path, DecodeOptions(SIZE, "pad"))
    except DataError:
        return np.zeros((SIZE, SIZE), np.uint8)
