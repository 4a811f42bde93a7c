"""Which results say nothing of a method: not above the thumbnails, or of a training that was too short. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench.compare.group_comparison import GroupComparison
from ssl_bench.compare.lines import Line
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
    trained = [member for member in line.members.values() if not member.baseline]
    return not line.blind and any(unready(member.record) for member in trained)


def unclear_line(bench: GroupComparison, line: Line, metric: str) -> bool:
    """Whether a row's macro mean does not clear the thumbnails beside it, where these were measured.

    A row with too few seeds for an interval clears nothing. Nothing is above by a metric whose best value
    is neither the highest nor the lowest.
    """
    if line.blind or line.arm.members[0].baseline or not bench.direction(metric):
        return False
    runs = {member.path for member in line.arm.members}
    beside = [one.arm for one in bench.lines if one.arm.members[0].encoder == PIXELS]
    beside.sort(key=lambda arm: runs.isdisjoint(member.path for member in arm.members))
    if not beside:
        return False
    # The same thumbnails stand beside every seed, though they are one row with one encoder.
    pixels = Line(beside[0], beside[0].at(bench.place), PIXELS)
    if not bench.has(pixels, metric):
        return False
    sign, difference = bench.direction(metric), bench.test(line, pixels, metric).difference
    worst = difference.low if sign > 0 else difference.high
    return worst is None or sign * worst <= 0
