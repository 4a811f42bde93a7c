"""Which results say nothing of a method: not above the thumbnails, or of a training that was too short. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench.comparison.group_comparison import GroupComparison
from ssl_bench.comparison.lines import Line
from ssl_bench.plugin.names import PIXELS
from ssl_bench.pretrain.health import unready
from ssl_bench.results.row import MACRO, Comparison

UNCLEAR = "§"
"""The mark of a result that does not."""

NOTE = (
    f"{UNCLEAR}: not shown to be better than {PIXELS}, a thumbnail of the image: "
    "no interval of the difference lies on the better side of 0"
)


def unclear_encoder(differences: Iterable[Comparison], encoder: str, metric: str) -> bool:
    """Whether an encoder's macro mean does not clear the thumbnails of its own run, where these were measured.

    Args:
        differences: rows of a record's comparisons, of one protocol and test set.
        encoder: of the table.
        metric: ``auroc`` or ``auprc``.
    """
    wanted = (encoder, PIXELS, MACRO, metric)
    rows = [row for row in differences if (row.encoder, row.against, row.label, row.metric) == wanted]
    return any(row.ci_low is None or row.ci_low <= 0 for row in rows)


def unready_line(line: Line) -> bool:
    """Whether a training behind a row was not long enough to say anything of its method."""
    trained = [run for run in line.runs.values() if not run.baseline]
    return not line.blind and any(unready(run.record) for run in trained)


def unclear_line(comparison: GroupComparison, line: Line, metric: str) -> bool:
    """Whether a row's macro mean does not clear the thumbnails beside it, where these were measured.

    A row with too few seeds for an interval clears nothing. Nothing is above by a metric whose best value
    is neither the highest nor the lowest.
    """
    if line.blind or line.group.runs[0].baseline or not comparison.direction(metric):
        return False
    runs = {run.path for run in line.group.runs}
    beside = [one.group for one in comparison.lines if one.group.runs[0].encoder == PIXELS]
    beside.sort(key=lambda group: runs.isdisjoint(run.path for run in group.runs))
    if not beside:
        return False
    # The same thumbnails stand beside every seed, though they are one row with one encoder.
    pixels = Line(beside[0], beside[0].at(comparison.setting), PIXELS)
    if not comparison.has(pixels, metric):
        return False
    sign, difference = comparison.direction(metric), comparison.test(line, pixels, metric).difference
    worst = difference.low if sign > 0 else difference.high
    return worst is None or sign * worst <= 0
