"""The report of a finished run, from the files of its directory alone: nothing is trained, embedded or measured."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssl_bench.comparison.cleared import NOTE, UNCLEAR
from ssl_bench.files import write_text
from ssl_bench.report import sections, summary
from ssl_bench.report.evaluations import Evaluation, by_share, calibration, evaluations
from ssl_bench.report.page.thumbnails import check_permitted
from ssl_bench.report.palette import STAMP, LeftOut
from ssl_bench.report.plots.canvas import Picture, drawing, print_figure, save, subject
from ssl_bench.report.plots.curves import roc_and_pr
from ssl_bench.report.plots.decision import decision_plot
from ssl_bench.report.plots.efficiency import efficiency_curve
from ssl_bench.report.plots.examples import attention_picture, neighbour_picture
from ssl_bench.report.plots.forest import forest_plot
from ssl_bench.report.plots.maps import embedding_maps
from ssl_bench.report.plots.reliability import reliability_plot
from ssl_bench.report.plots.training import training_curves
from ssl_bench.report.run_tables import METRICS, caption, on_test
from ssl_bench.report.table import Table
from ssl_bench.report.templating import BLANKS, templates
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory, check_trained
from ssl_bench.results.shared import share

PLOTS = "plots"
"""Folder of the pictures in the run directory."""


@dataclass(frozen=True)
class Shown:
    """A picture as the templates show it.

    Args:
        name: stem of its files below ``plots/``.
        title: what it shows.
        caption: how to read it.
        svg: the picture in base64, for a page without other files.
    """

    name: str
    title: str
    caption: str
    svg: str


@dataclass
class Written:
    """What a report consists of.

    Args:
        files: ``report.md`` and ``report.html``.
        pictures: names of the pictures.
        left_out: pictures that the run directory no longer has the files for, with the reason.
    """

    files: list[Path] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def write_report(
    run: RunDirectory, shared: Path | None = None, figures: Path | None = None, images: Path | None = None
) -> Written:
    """Write ``report.md``, ``report.html`` and ``plots/`` of a finished run; the same files give the same bytes.

    Args:
        run: its folder.
        shared: a new folder for a report that may leave the machine; None: one for here, in the run's folder.
        figures: folder for each picture as SVG with text as text and as PDF, for a paper; None: without.
        images: folder of prepared stores, to show test images with what is near them and where the encoder looks; None:
            without images.

    Raises:
        UsageError: this is no run, it is not finished, or another version wrote its record; or images are asked for
            of a dataset that nobody says may be shown.
        DataError: the record is damaged.
    """
    record = run.read_record()
    check_trained(record, run.path)
    if images:
        check_permitted([record], "--images")
    written, out = Written(), shared or run.path
    shown = share(record) if shared else record
    content = contents(shown, _Gallery(run, record, written, out, figures, images))
    for ending in ("md", "html"):
        path = out / f"report.{ending}"
        text = templates().get_template(f"report.{ending}.jinja").render(content)
        write_text(path, BLANKS.sub("\n\n", text))
        written.files.append(path)
    return written


class _Gallery:
    """Draws pictures, keeps them, and notes those that cannot be drawn."""

    def __init__(
        self, run: RunDirectory, record: Record, written: Written, out: Path, figures: Path | None, images: Path | None
    ) -> None:
        self.run, self.record, self.written, self.out = run, record, written, out
        self.figures, self.images = figures, images

    def training(self) -> list[Shown]:
        return self._kept("training curves", lambda: [training_curves(self.run.log, self.record)])

    def forest(self, evaluation: Evaluation) -> list[Shown]:
        record = self._of(evaluation)
        return self._kept(
            f"forest plot of {evaluation.name}", lambda: [forest_plot(evaluation, record, metric) for metric in METRICS]
        )

    def curves(self, evaluation: Evaluation) -> list[Shown]:
        record = self._of(evaluation)
        return self._kept(f"curves of {evaluation.name}", lambda: roc_and_pr(evaluation, self.run, record))

    def _of(self, evaluation: Evaluation) -> Record:
        """The record, with the stamp of synthetic data where those of the test set are."""
        generated = {part.name for part in self.record.external if part.synthetic}
        return self.record.but(synthetic=True) if evaluation.dataset in generated else self.record

    def reliability(self, evaluation: Evaluation) -> list[Shown]:
        if not calibration(self.record, evaluation):
            return []
        what = f"reliability plot of {evaluation.name}"
        record = self._of(evaluation)
        return self._kept(what, lambda: [reliability_plot(evaluation, self.run, record)])

    def decisions(self, evaluation: Evaluation) -> list[Shown]:
        if not calibration(self.record, evaluation):
            return []
        record = self._of(evaluation)
        return self._kept(
            f"decision curves of {evaluation.name}", lambda: [decision_plot(evaluation, self.run, record)]
        )

    def efficiency(self, found: list[Evaluation]) -> list[Shown]:
        def draw() -> list[Picture]:
            return [efficiency_curve(shares, self.record) for shares in by_share(found)]

        return self._kept("label-efficiency curves", draw)

    def maps(self) -> list[Shown]:
        return self._kept("embedding maps", lambda: embedding_maps(self.run, self.record))

    def examples(self) -> list[Shown]:
        if not self.images:
            return []
        cache = self.images
        near = self._kept("nearest images", lambda: [neighbour_picture(self.run, self.record, cache)])
        return near + self._kept("attention", lambda: [attention_picture(self.run, self.record, cache)])

    def _kept(self, what: str, draw: Callable[[], list[Picture]]) -> list[Shown]:
        with drawing():
            try:
                return [self._show(picture) for picture in draw()]
            except LeftOut as reason:
                self.written.left_out.append(f"{what}: {reason}")
                return []

    def _show(self, picture: Picture) -> Shown:
        svg = save(picture, self.out / PLOTS)
        if self.figures:
            print_figure(picture.figure, picture.name, self.figures)
        self.written.pictures.append(picture.name)
        return Shown(picture.name, picture.title, picture.caption, b64encode(svg).decode())


def _noted(text: str, *tables: Table) -> str:
    """The caption with what a mark in the tables means."""
    marked = any(UNCLEAR in text for table in tables for row in table.texts() for text in row)
    return f"{text}; {NOTE}" if marked else text


def contents(record: Record, gallery: _Gallery) -> dict[str, Any]:
    """Everything that the templates show."""
    found = evaluations(record)
    macro, external = (sections.macro_table(one for one in found if one.external is wanted) for wanted in (False, True))
    return {
        "title": subject(record) + (f" ({STAMP})" if record.synthetic else ""),
        "synthetic": record.synthetic,
        "notes": record.notes,
        "caption": _noted(caption(record).splitlines()[0], macro, external) if on_test(record.metrics) else "",
        "macro": macro,
        "external": external,
        "evaluations": list(_evaluated(found, gallery)),
        "efficiency": gallery.efficiency(found),
        "subgroups": sections.subgroup_table(record),
        "others": sections.other_table(record),
        "pretraining": summary.pretraining_table(record),
        "training": gallery.training() if record.pretraining else [],
        "maps": gallery.maps(),
        "examples": gallery.examples(),
        "run": summary.run_table(record),
        "components": summary.component_table(record),
        "environment": summary.environment_table(record),
        "seconds": record.seconds,
        "seed": record.settings.seed,
        "left_out": gallery.written.left_out,
    }


def _evaluated(found: list[Evaluation], gallery: _Gallery) -> Iterator[dict[str, Any]]:
    shared = {id(evaluation) for shares in by_share(found) for evaluation in shares}
    for evaluation in found:
        # the draws of a share are in one picture together, and in tables; one each would be dozens
        pictured = evaluation.fraction == 1.0 or id(evaluation) not in shared
        yield {
            "name": evaluation.name,
            "findings": sections.finding_table(evaluation),
            "not_in_macro": sections.left_out(evaluation),
            "differences": sections.difference_table(evaluation),
            "forest": gallery.forest(evaluation) if pictured else [],
            "curves": _curves(evaluation, gallery) if pictured else [],
        }


def _curves(evaluation: Evaluation, gallery: _Gallery) -> list[Shown]:
    return [*gallery.curves(evaluation), *gallery.reliability(evaluation), *gallery.decisions(evaluation)]
