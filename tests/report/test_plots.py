"""The pictures: sizes, valid SVG, and the arithmetic behind curves and maps."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from ssl_bench.report import kept, layout
from ssl_bench.report.evaluations import Evaluation, by_share, evaluations
from ssl_bench.report.layout import coordinates, prevalent
from ssl_bench.report.logs import loss_parts, read_log
from ssl_bench.report.palette import STYLES, LeftOut
from ssl_bench.report.plots.canvas import DPI, POINTS, WIDTH, Picture, Sheet, drawing, save
from ssl_bench.report.plots.curves import roc_and_pr
from ssl_bench.report.plots.decision import decision_plot
from ssl_bench.report.plots.efficiency import efficiency_curve
from ssl_bench.report.plots.forest import forest_plot
from ssl_bench.report.plots.maps import embedding_maps
from ssl_bench.report.plots.points import GRID, MOST, affordable, curves, resamples
from ssl_bench.report.plots.reliability import occupied, reliability_plot
from ssl_bench.report.plots.training import short, training_curves
from ssl_bench.report.run_tables import METRICS
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.stats.bootstrap import bootstrap
from ssl_bench.stats.calibration import calibration_error
from tests.report.conftest import PICTURES, Make


@pytest.mark.parametrize("name", PICTURES)
def test_files_open_and_have_the_width_of_a_page(reported: RunDirectory, name: str) -> None:
    svg = ElementTree.parse(reported.path / "plots" / f"{name}.svg").getroot()
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert float(svg.attrib["width"].removesuffix("pt")) == pytest.approx(WIDTH * 72)
    assert float(svg.attrib["height"].removesuffix("pt")) <= 10 * 72
    assert "date" not in "".join(element.tag for element in svg.iter())


def test_a_raster_is_drawn_only_where_it_is_asked_for(reported: RunDirectory, tmp_path: Path) -> None:
    record = reported.read_record()
    assert not list((reported.path / "plots").glob("*.png"))
    with drawing():
        content = save(forest_plot(evaluations(record)[0], record), tmp_path, "png")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [content]
    with Image.open(tmp_path / "forest-linear.png") as image:
        assert image.width == round(WIDTH * DPI)
        assert round(image.info["dpi"][0]) == DPI


def pictures_of(run: RunDirectory) -> list[Picture]:
    record = run.read_record()
    evaluation = evaluations(record)[0]
    pictures = [*(forest_plot(evaluation, record, metric) for metric in METRICS), training_curves(run.log, record)]
    return [*pictures, *roc_and_pr(evaluation, run, record), *embedding_maps(run, record)]


def outside(picture: Picture) -> float:
    """Inches by which anything drawn leaves the page."""
    page, drawn = picture.figure.bbox_inches, picture.figure.get_tightbbox()
    return max(page.x0 - drawn.x0, drawn.x1 - page.x1, page.y0 - drawn.y0, drawn.y1 - page.y1)


def test_type_is_large_enough_and_nothing_is_clipped(reported: RunDirectory) -> None:
    with drawing():
        for picture in pictures_of(reported):
            assert min(text.get_fontsize() for text in picture.figure.findobj(Text)) >= POINTS
            assert outside(picture) <= 0, picture.name


def test_a_legend_of_many_stays_on_the_page(reported: RunDirectory) -> None:
    for names in (["trained"], [f"{name} (error)" for name in ("trained", "random", "pixels", "pixels-pca")]):
        with drawing():
            sheet = Sheet(reported.read_record(), "title", 2.0)
            sheet.legend([Line2D([], [], label=name) for name in (*names, "as predicted")])
        assert len(sheet.figure.legends) == 1
        assert outside(Picture("name", "title", "", sheet.figure)) <= 0


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    before = dict(mpl.rcParams)
    with drawing():
        assert mpl.rcParams["svg.hashsalt"] == "sslbench"
    assert dict(mpl.rcParams) == before


def test_styles_differ_without_colour() -> None:
    assert len({(str(style.dashes), style.marker) for style in STYLES}) == len(STYLES)
    assert len({str(style.dashes) for style in STYLES}) == len(STYLES)


# --- forest plot --------------------------------------------------------------------------------------------------


def texts(picture: Picture) -> list[str]:
    return [text.get_text() for text in picture.figure.findobj(Text)]


def test_forest_plot_shows_values_counts_and_reasons(reported: RunDirectory) -> None:
    record = reported.read_record()
    evaluation = evaluations(record)[0]
    with drawing():
        shown = texts(forest_plot(evaluation, record))
    effusion = evaluation.row("trained", "Effusion", "auroc")
    assert effusion is not None
    assert f"{effusion.value:.3f} [{effusion.ci_low:.3f}, {effusion.ci_high:.3f}]" in shown
    assert f"Effusion ({effusion.n_positive_patients})" in shown
    assert "Hernia (3)" in shown
    assert sum("(no interval)" in text for text in shown) == 2
    assert shown.count("one class only (0 positive and 60 negative images)") == 1
    assert "macro (2 of 4 findings)" in shown


@pytest.mark.parametrize("metric", ["auroc", "auprc"])
def test_chance_is_marked_for_every_finding(reported: RunDirectory, metric: str) -> None:
    record = reported.read_record()
    evaluation = evaluations(record)[0]
    with drawing():
        (panel,) = forest_plot(evaluation, record, metric).figure.axes
    marks = {tuple(line.get_ydata()): line.get_xdata() for line in panel.lines if line.get_linestyle() != "-"}
    for number, label in enumerate(evaluation.labels):
        row = evaluation.row("trained", label, metric)
        assert row is not None
        assert list(marks[number - 0.5, number + 0.5]) == [row.chance] * 2
        known = row.n_known if metric == "auprc" and label != "macro" else None
        assert known is None or row.chance == pytest.approx(row.n_positive / known)


def test_long_names_stay_on_the_page(make_run: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    text = run.record.read_text().replace('"Hernia"', '"Enlarged_Cardiomediastinum"')
    features = ["age", "sex", "view", "position", "mortality", "icu"] * 2
    record = Record.model_validate({**json.loads(text), "features": features})
    evaluation = evaluations(record)[0]
    far = Evaluation("chexpert", "tiny", "linear-paper", 0.01, 2, "tiny", evaluation.rows, evaluation.differences)
    assert far.name == "linear-paper, tested on chexpert, 1 % of the training patients, draw 2"
    assert far.slug == "linear-paper-tested-on-chexpert-1pc-of-the-training-patients-draw-2"
    with drawing():
        assert outside(forest_plot(far, record)) <= 0


# --- curves -------------------------------------------------------------------------------------------------------


def tied_scores(seed: int = 0, images: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (N,) with one unknown, scores (N,) with ties, patients (N,) with several images."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(images) < 0.3).astype(float)
    labels[5] = np.nan
    scores = np.round(np.nan_to_num(labels) * 0.5 + rng.normal(size=images), 1)
    return labels, scores, np.sort(rng.integers(0, 30, images)).astype(str)


def test_points_are_those_of_scikit_learn() -> None:
    labels, scores, _ = tied_scores()
    known = ~np.isnan(labels)
    roc, pr = curves(labels, scores, None)
    x, y, _ = roc_curve(labels[known], scores[known])
    np.testing.assert_allclose(np.interp(GRID, *roc.points), np.interp(GRID, x, y))
    assert np.trapezoid(roc.points[1], roc.points[0]) == pytest.approx(roc_auc_score(labels[known], scores[known]))
    steps = np.diff(pr.points[0]) @ pr.points[1][1:]
    assert steps == pytest.approx(average_precision_score(labels[known], scores[known]))
    precision, recall, _ = precision_recall_curve(labels[known], scores[known])
    assert {*np.round(pr.points[1], 9)} <= {*np.round(precision, 9)}
    assert {*np.round(pr.points[0], 9)} <= {*np.round(recall, 9)}
    assert roc.band.size == pr.band.size == 0


def test_bands_come_from_the_resamples_behind_the_intervals() -> None:
    labels, scores, patients = tied_scores()
    weights = resamples(patients, 50, seed=3)
    auroc, auprc = bootstrap(labels[:, None], scores[:, None], patients=patients, replicates=50, seed=3)
    for number, times in enumerate(weights):
        rows = np.repeat(np.arange(len(labels)), times)
        roc, pr = curves(labels[rows], scores[rows], None)
        assert np.trapezoid(roc.points[1], roc.points[0]) == pytest.approx(auroc[number, 0])
        assert np.diff(pr.points[0]) @ pr.points[1][1:] == pytest.approx(auprc[number, 0])


def test_bands_are_the_quantiles_of_curves_of_resampled_images() -> None:
    labels, scores, patients = tied_scores()
    weights = resamples(patients, 40, seed=0)
    bands = [curve.band for curve in curves(labels, scores, weights)]
    physical = [curves(*(values[np.repeat(np.arange(len(labels)), times)] for values in (labels, scores)), None)
                for times in weights]  # fmt: skip
    heights = [np.interp(GRID, *roc.points) for roc, _ in physical]
    np.testing.assert_allclose(bands[0], np.quantile(heights, [0.025, 0.975], axis=0))
    reached = [pr.points[1][np.maximum(np.searchsorted(pr.points[0], GRID - 1e-9), 1)] for _, pr in physical]
    np.testing.assert_allclose(bands[1], np.quantile(reached, [0.025, 0.975], axis=0))


def test_large_test_sets_cost_fewer_resamples_and_points() -> None:
    assert [affordable(1000, images) for images in (100, 10_000, 10**6)] == [400, 200, 100]
    assert affordable(100, 100) == 100
    rng = np.random.default_rng(0)
    roc, pr = curves((rng.random(5000) < 0.5).astype(float), rng.random(5000), None)
    assert roc.points.shape[1] == pr.points.shape[1] == MOST
    assert roc.points[:, [0, -1]].tolist() == [[0, 1], [0, 1]]


# --- training curves ----------------------------------------------------------------------------------------------


def test_parts_of_the_loss_are_told_from_schedules(tmp_path: Path) -> None:
    entry = {"step": 1, "epoch": 0.5, "loss": 3.0, "invariance": 1.0, "variance": 2.0, "grad_norm": 1.0, "lr": 0.1,
             "weight_decay": 0.04, "teacher_temperature": 0.05}  # fmt: skip
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(entry) + "\n" + json.dumps({**entry, "step": 2, "teacher_temperature": 0.07}) + "\n{torn")
    series = read_log(log)
    assert loss_parts(series) == ["invariance", "variance"]
    assert series["teacher_temperature"].tolist() == [0.05, 0.07]


def test_a_long_log_is_thinned_and_keeps_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps({"step": step}) + "\n" for step in range(1, 2502)))
    steps = read_log(log)["step"]
    assert len(steps) == 834
    assert steps[-1] == 2501


def test_only_what_was_logged_has_a_panel(tmp_path: Path, reported: RunDirectory) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps({"step": n, "epoch": n, "loss": 1 / n}) + "\n" for n in range(1, 5)))
    with drawing():
        figure = training_curves(log, reported.read_record()).figure
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["loss"]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.001, "0.001"), (0.00025, "2.5e-4"), (1e-6, "1e-6"), (40.0, "40"), (2e6, "2e6")]
)
def test_axis_numbers_are_short(value: float, text: str) -> None:
    assert short(value) == text


# --- maps ---------------------------------------------------------------------------------------------------------


def test_map_coordinates_follow_from_the_seed(make_run: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    record = run.read_record()
    first = coordinates(run, record, "trained")
    (run.path / "plots" / "map-trained.npz").unlink()
    again = coordinates(run, record, "trained")
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
    assert first["tsne"].shape == first["pca"].shape == (60, 2)
    assert np.abs(first["pca"].mean(axis=0)).max() < 1e-9
    assert first["explained"][0] >= first["explained"][1] > 0


def test_a_large_test_set_is_sampled(make_run: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MOST", 20)
    run = make_run(tmp_path / "run")
    with drawing():
        caption = embedding_maps(run, run.read_record())[0].caption
    assert "of 20, drawn at random, of 60 test images" in caption


def test_changed_embeddings_are_laid_out_anew(make_run: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    before = coordinates(run, run.read_record(), "trained")
    with np.load(run.embeddings("trained", "tiny-test")) as arrays:
        changed = {"image_id": arrays["image_id"], "embeddings": arrays["embeddings"] * [1, 1, 1, 1, 9, 9, 9, 9]}
    record = run.read_record()
    run.write_embeddings("trained", "tiny-test", changed)
    with pytest.raises(LeftOut, match="it is not the file that the record was written with"):
        coordinates(run, record, "trained")  # embeddings that no record speaks of are not shown at all
    run.write_record(record)
    after = coordinates(run, run.read_record(), "trained")
    assert not np.allclose(before["pca"], after["pca"])


@pytest.mark.parametrize(
    ("embeddings", "reason"),
    [
        (np.ones((60, 8)), "all embeddings in tiny-test.npz are the same"),
        (np.eye(4, 8), "tiny-test.npz holds 4 images and 8 features, a map needs 5"),
    ],
)
def test_nothing_to_lay_out_is_said(make_run: Make, tmp_path: Path, embeddings: np.ndarray, reason: str) -> None:
    run = make_run(tmp_path / "run")
    names = np.array([f"i{number:03}" for number in range(len(embeddings))])
    run.write_embeddings("trained", "tiny-test", {"image_id": names, "embeddings": embeddings})
    run.write_record(Record.model_validate(json.loads(run.record.read_text())))  # which speaks of these embeddings
    with pytest.raises(LeftOut, match=reason):
        coordinates(run, run.read_record(), "trained")


def test_damaged_coordinates_are_made_again(copied: RunDirectory) -> None:
    path = copied.path / "plots" / "map-trained.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    coordinates(copied, copied.read_record(), "trained")
    assert path.read_bytes() == whole


def test_kept_coordinates_are_not_computed_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("a")
    calls = []

    def make() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"x": np.arange(3)}

    for settings in ({"seed": 0}, {"seed": 0}, {"seed": 1}):
        assert kept.kept_or_new(tmp_path / "kept.npz", [source], settings, make)["x"].tolist() == [0, 1, 2]
    assert len(calls) == 2


def test_the_most_prevalent_findings_are_mapped(reported: RunDirectory) -> None:
    frame = kept.read_table(reported.cohort)
    assert prevalent(frame, reported.read_record().data.labels) == ["Effusion", "Mass|Nodule", "Hernia"]


# --- reliability and label efficiency -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["reliability-linear", "decision-linear", "efficiency-linear"])
def test_further_pictures_are_files_of_the_report(wide: RunDirectory, name: str) -> None:
    svg = ElementTree.parse(wide.path / "plots" / f"{name}.svg").getroot()
    assert float(svg.attrib["width"].removesuffix("pt")) == pytest.approx(WIDTH * 72)
    assert f"](plots/{name}.svg)" in (wide.path / "report.md").read_text()


def further(run: RunDirectory) -> list[Picture]:
    record = run.read_record()
    found = evaluations(record)
    first = [reliability_plot(found[0], run, record), decision_plot(found[0], run, record)]
    return [*first, *(efficiency_curve(shares, record) for shares in by_share(found))]


def test_further_pictures_are_legible_and_whole(wide: RunDirectory) -> None:
    with drawing():
        for picture in further(wide):
            assert min(text.get_fontsize() for text in picture.figure.findobj(Text)) >= POINTS
            assert outside(picture) <= 0, picture.name


def test_the_bins_are_those_of_the_calibration_error() -> None:
    labels, scores, patients = tied_scores()
    scores = 1 / (1 + np.exp(-scores))
    weights = resamples(patients, 200, 0)
    mean, share, low, high, images, people = occupied(labels, scores, patients, weights)
    known = ~np.isnan(labels)
    assert images.sum() == known.sum()
    error = (np.abs(mean - share) * images).sum() / images.sum()
    assert error == pytest.approx(calibration_error(labels[:, None], scores[:, None])[0])
    assert (np.isnan(low) == (people < 5)).all()
    wide = np.isfinite(low)
    assert (low[wide] <= share[wide]).all()
    assert (share[wide] <= high[wide]).all()
    assert (low[wide] < high[wide]).any()


def test_reliability_shows_the_calibration_error_of_the_record(wide: RunDirectory) -> None:
    record = wide.read_record()
    row = next(row for row in record.metrics if (row.metric, row.label) == ("ece", "Effusion"))
    with drawing():
        assert f"{row.value:.3f}" in texts(further(wide)[0])


def test_draws_are_points_and_the_line_their_mean(wide: RunDirectory) -> None:
    record = wide.read_record()
    (shares,) = by_share(evaluations(record))
    with drawing():
        panel = efficiency_curve(shares, record).figure.axes[0]
    values = [row.value for row in record.metrics if row.encoder == "trained" and row.label == "macro"
              and row.metric == "auroc" and row.fraction == 0.1]  # fmt: skip
    points, line = panel.lines[0].get_ydata(), panel.lines[1].get_ydata()
    assert len(values) == 2
    assert set(values) <= set(np.asarray(points).tolist())
    assert np.asarray(line)[0] == pytest.approx(np.mean(values))
