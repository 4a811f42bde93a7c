"""Arms of a table: which runs belong together, and which claims their number of seeds permits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ssl_bench import MethodSpec
from ssl_bench.comparison import run
from ssl_bench.comparison.group_comparison import GroupComparison
from ssl_bench.comparison.groups import RunGroup, groups_of, read_groups
from ssl_bench.comparison.lines import lines_of
from ssl_bench.comparison.pairs import compare_runs, run_scores
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.contracts import Predictions, Split
from ssl_bench.plugin.registry import PluginSource, RegisteredComponent, Registry
from ssl_bench.results import record_file
from ssl_bench.results.record import Record
from ssl_bench.results.row import MetricRow
from ssl_bench.results.rows import Origin, Scored, metric_rows
from ssl_bench.results.rundir import RunDirectory, prediction_file
from ssl_bench.stats.significance import over_seeds

PLACE = ("linear", "toy", "toy")


def by_name(found: list[RunGroup]) -> dict[str, RunGroup]:
    return {arm.name: arm for arm in found}


def test_runs_that_differ_in_the_seed_alone_are_one_arm(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, method, seed, 1.0) for method in ("msn", "dino") for seed in (0, 1)]
    found = read_groups(paths)
    assert [(arm.name, [member.seed for member in arm.runs]) for arm in found] == [
        ("msn", [0, 1]), ("dino", [0, 1]), ("random", [0, 0, 1, 1]),
    ]  # fmt: skip
    assert found[-1].at(PLACE)[0].path == paths[0]


def test_arms_of_one_method_are_named_by_what_differs(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "msn", 0, 1.0, epochs=9, suffix="-long")]
    assert [arm.name for arm in read_groups(paths)] == ["msn, 2 epochs", "msn, 9 epochs", "random"]


def test_a_key_that_an_older_version_did_not_have_sets_no_group_apart(
    tmp_path: Path, write_arm: Callable[..., Path]
) -> None:
    newer = {"accumulate": 1, "checkpoint_activations": False, "evaluated": "last"}
    paths = [write_arm(tmp_path, "msn", seed, 1.0) for seed in (0, 1, 2)]
    for path, pretrain in zip(paths, ({}, newer, {**newer, "evaluated": "lowest-loss"}), strict=True):
        record = RunDirectory(path).read_record()
        config = {**record.config, "pretrain": {**record.config["pretrain"], **pretrain}}
        record_file.write(RunDirectory(path).record, record.but(config=config))
    found = [(arm.name, [member.seed for member in arm.runs]) for arm in read_groups(paths)]
    assert found[:2] == [("msn, last encoder", [0, 1]), ("msn, lowest-loss encoder", [2])]


def test_groups_of_the_validation_split_hold_its_rows_and_predictions(
    tmp_path: Path, write_arm: Callable[..., Path]
) -> None:
    path = write_arm(tmp_path, "msn", 0, 1.0, validated=True)
    folder = RunDirectory(path)
    record = folder.read_record()
    kept = next(row for row in record.metrics if row.encoder == "trained").but(split="validate")
    table = run.read_kept(folder.predictions("trained", *prediction_file(kept)))
    split = Split("validate", table.ids, table.patients, np.zeros((60, 1)), table.truth, np.arange(60))
    scored = Scored(Origin("trained", "toy", "toy", "linear", 0), split, Predictions("validate", table.scores))
    rows = tuple(metric_rows(scored, table.labels, 100))
    group = groups_of({path: record.but(metrics=record.metrics + rows)}, split="validate")[0]
    value = over(group.runs[0].row(PLACE, "macro", "auroc"))
    each = [roc_auc_score(*pair) for pair in zip(table.truth.T, table.scores.T, strict=True)]
    assert value == pytest.approx(np.mean(each))
    assert set(group.runs[0].predictions(PLACE).ids) == set(table.ids)
    assert bench_of([group]).values(bench_of([group]).lines[0], "auroc") == pytest.approx([value])


def over(row: MetricRow | None) -> float:
    assert row is not None
    assert row.value is not None
    return row.value


def measured(folder: Path, write_arm: Callable[..., Path], method: str, seed: int, k: int | None) -> Path:
    """A run with rows of ``linear``, and of ``knn`` where it has a k."""
    protocols = ("linear", "knn") if k else ("linear",)
    options = {"linear": {"strengths": [1.0]}, **({"knn": {"neighbours": [k], "temperature": 0.07}} if k else {})}
    return write_arm(folder, method, seed, 1.0, protocols=protocols, options=options)


def test_seeds_measured_with_other_options_are_no_arm(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [measured(tmp_path, write_arm, "msn", seed, k) for seed, k in ((0, 5), (1, 5), (2, 20))]
    found = {arm.name: [member.seed for member in arm.runs] for arm in read_groups(paths)}
    assert found == {
        "msn, knn neighbours 5": [0, 1], "msn, knn neighbours 20": [2],
        "random, knn neighbours 5": [0, 1], "random, knn neighbours 20": [2],
    }  # fmt: skip


def test_options_of_protocols_that_are_not_shown_do_not_matter(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [measured(tmp_path, write_arm, "msn", seed, k) for seed, k in ((0, 5), (1, 20), (2, None))]
    found = {arm.name: [member.seed for member in arm.runs] for arm in read_groups(paths, ["linear"])}
    assert found == {"msn": [0, 1, 2], "random": [0, 1, 2]}


def test_a_run_without_a_protocol_stays_with_its_seeds(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [measured(tmp_path, write_arm, "msn", seed, k) for seed, k in ((0, 5), (1, None))]
    paths.append(measured(tmp_path, write_arm, "dino", 0, 20))
    names = [arm.name for arm in read_groups(paths)]
    assert names[:2] == ["msn, knn neighbours 5", "dino, knn neighbours 20"]
    assert [member.seed for member in read_groups(paths)[0].runs] == [0, 1]


def bench_of(arms: list[RunGroup]) -> GroupComparison:
    return GroupComparison(PLACE, lines_of(arms, PLACE)[0], 100)


def test_a_run_given_twice_is_one_encoder(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "msn", 0, 1.0, suffix="-again")]
    lines, notes = lines_of(read_groups(paths), PLACE)
    assert [(line.name, list(line.runs)) for line in lines] == [("msn", [0]), ("random", [0])]
    assert notes[0].startswith("msn: 2 runs hold 1 encoder by linear; a replicate is a new pretraining")


def test_two_encoders_of_one_configuration_and_seed_are_refused(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "msn", 0, 1.5, suffix="-again")]
    with pytest.raises(UsageError, match="have one configuration and one seed; leave one out"):
        lines_of(read_groups(paths), PLACE)


def test_one_run_each_is_tested_as_encoders_like_in_compare(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 0.4), write_arm(tmp_path, "dino", 7, 2.0)]
    bench = bench_of(read_groups(paths))
    test = bench.test(bench.lines[1], bench.lines[0], "auroc")
    rows = list(compare_runs(*(run_scores(path) for path in paths), 100, 0))
    row = next(row for row in rows if (row.label, row.metric) == ("macro", "auroc"))
    assert test.level == "encoders"
    assert (test.difference.value, test.difference.p) == (row.value, row.p)


def test_five_paired_seeds_are_tested_as_methods(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [
        write_arm(tmp_path, method, seed, signal) for method, signal in (("a", 0.4), ("b", 2.0)) for seed in range(5)
    ]
    bench = bench_of(read_groups(paths))
    first, second = bench.lines[:2]
    test = bench.test(second, first, "auroc")
    pairs = [(second.runs[seed], first.runs[seed]) for seed in range(5)]
    found = [[bench.drawn(member, "auroc") for member in pair] for pair in pairs]
    values = np.array([one.values - other.values for one, other in found])
    drawn = np.array([one.replicates - other.replicates for one, other in found])
    expected, _ = over_seeds(values, drawn, found[0][0].base)
    assert test.level == "methods"
    assert test.difference.value == pytest.approx(expected.value)
    assert test.difference.p == pytest.approx(expected.p)
    assert test.difference.p is not None
    assert test.difference.p < 0.05


def test_too_few_paired_seeds_are_not_tested(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [
        write_arm(tmp_path, method, seed, signal) for method, signal in (("a", 1.0), ("b", 2.0)) for seed in range(3)
    ]
    bench = bench_of(read_groups(paths))
    test = bench.test(bench.lines[1], bench.lines[0], "auroc")
    assert (test.level, test.difference.p) == (None, None)
    assert test.reason == "3 paired seeds, a claim about methods needs 5"


def test_other_test_images_are_refused(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "dino", 0, 1.0, images=110)]
    with pytest.raises(DataError, match="same test images only"):
        _ = bench_of(read_groups(paths)).labels


def test_means_are_over_the_findings_that_all_rows_hold(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "all", 0, 0.3), write_arm(tmp_path, "one", 0, 2.5, labels=("Edema",))]
    bench = bench_of(read_groups(paths))
    assert (bench.held(), bench.known) == (("Edema",), ("Edema", "Mass_50%"))
    first = bench.lines[0]
    row = first.runs[0].row(PLACE, "Edema", "auroc")
    assert row is not None
    assert bench.values(first, "auroc") == pytest.approx([row.value])


def test_a_record_that_disagrees_with_its_predictions_is_refused(
    tmp_path: Path, write_arm: Callable[..., Path]
) -> None:
    for number, label in enumerate(("macro", "Edema")):
        path = write_arm(tmp_path, "msn", number, 1.0)
        record = RunDirectory(path).read_record().as_json()
        row = next(row for row in record["metrics"] if (row["label"], row["encoder"]) == (label, "trained"))
        row["value"] += 0.01
        RunDirectory(path).write_record(Record.model_validate(record))
        with pytest.raises(DataError, match=rf"auroc of {label} 0\.\d+ on the record, 0\.\d+ by its predictions"):
            _ = bench_of(read_groups([path])).labels


def with_record(path: Path, **more: Any) -> Path:
    """A run whose record says more."""
    run = RunDirectory(path)
    run.write_record(Record.model_validate({**run.read_record().as_json(), **more}))
    return path


def hashed(trained: str, random: str = "initial") -> dict[str, dict[str, str]]:
    """What a record says of the identity of its two encoders."""
    return {"trained": {"sha256": trained, "of": "weights"}, "random": {"sha256": random, "of": "weights"}}


def test_one_encoder_evaluated_with_five_seeds_is_one_replicate(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    """By its hash, though every seed predicts something else (fine-tuning does)."""
    paths = [with_record(write_arm(tmp_path, "pretrained", seed, 1.0), pretraining=None, encoders=hashed("abc"))
             for seed in range(5)]  # fmt: skip
    lines, notes = lines_of(read_groups(paths), PLACE)
    assert [(line.name, list(line.runs)) for line in lines] == [("pretrained", [0]), ("random", [0])]
    assert "5 runs hold 1 encoder by linear" in notes[0]


def test_files_of_one_name_with_other_encoders_are_never_averaged(
    tmp_path: Path, write_arm: Callable[..., Path]
) -> None:
    paths = [with_record(write_arm(tmp_path, "embeddings of f.csv", seed, 1.0), pretraining=None,
                         encoders=hashed(f"{seed}" * 64)) for seed in range(5)]  # fmt: skip
    arms = read_groups(paths)
    assert [len(arm.runs) for arm in arms[:5]] == [1] * 5
    assert len({arm.name for arm in arms}) == 6


def declared(path: Path, seed: int, encoder: str) -> Path:
    config = RunDirectory(path).read_record().config
    config |= {"group": "msn", "pretraining_seed": seed}
    return with_record(path, config=config, pretraining=None, encoders=hashed(encoder))


def test_declared_seeds_of_a_group_form_an_arm(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [declared(write_arm(tmp_path, "pretrained", 0, 0.5 + seed / 9, suffix=f"-{seed}"), seed, f"e{seed}")
             for seed in range(5)]  # fmt: skip
    lines, notes = lines_of(read_groups(paths), PLACE)
    assert [(line.name, list(line.runs)) for line in lines] == [("msn", [0, 1, 2, 3, 4]), ("random", [0])]
    assert notes == []


def test_declared_seeds_that_are_one_encoder_are_one(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [declared(write_arm(tmp_path, "pretrained", seed, 1.0), seed, "e") for seed in range(5)]
    lines, _ = lines_of(read_groups(paths), PLACE)
    assert [list(line.runs) for line in lines] == [[0], [0]]


def test_identical_encoders_of_two_arms_are_one_row_and_no_test(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [
        write_arm(tmp_path, "msn", 0, 1.0),
        write_arm(tmp_path, "copy", 0, 1.0),
        write_arm(tmp_path, "dino", 0, 2.0),
    ]
    lines, notes = lines_of(read_groups(paths), PLACE)
    assert [line.name for line in lines] == ["msn", "dino", "random"]
    assert notes == ["copy holds the same encoder as msn, which stands there alone"]


def test_one_encoder_with_other_predictions_is_a_row_without_test(
    tmp_path: Path, write_arm: Callable[..., Path]
) -> None:
    options = [{"linear": {"strengths": [strength]}} for strength in (1, 2)]
    paths = [with_record(write_arm(tmp_path, "msn", seed, 1.0, options=options[seed]), encoders=hashed("abc"))
             for seed in (0, 1)]  # fmt: skip
    arms = read_groups(paths)
    assert [arm.name for arm in arms[:2]] == ["msn, linear strengths 1", "msn, linear strengths 2"]
    bench = bench_of(arms[:2])
    test = bench.test(bench.lines[1], bench.lines[0], "auroc")
    assert (test.level, test.difference.p) == (None, None)
    assert test.reason.endswith("hold the same encoder")


def test_a_protocol_that_looks_at_no_encoder_is_one_row(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [with_record(write_arm(tmp_path, name, 0, 1.0), without_encoder=["linear"]) for name in ("msn", "dino")]
    lines, notes = lines_of(read_groups(paths), PLACE)
    assert [(line.name, line.blind) for line in lines] == [("every encoder", True)]
    assert notes == ["linear looks at no encoder: one row, not ranked and not tested"]


def test_which_baselines_no_seed_changes_is_declared_and_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.seedless() == {"pixels", "pixels-pca"}
    told = {"edges": {"needs_initial": False}, "pixels-drawn": {}, "trained-so": {"trains": True}}
    found = [
        MethodSpec(name=name, target="a:B", summary="toy", **{"trains": False, **rest}) for name, rest in told.items()
    ]
    source = PluginSource("sslbench-toy", "1", "toy")
    monkeypatch.setattr(run, "installed", lambda: Registry([RegisteredComponent(one, source) for one in found]))
    run.seedless.cache_clear()
    try:
        record = Record.model_validate({"schema": 2, "metrics": [], "pretraining": {}})
        fixed = [name for name in told if run.EncoderRun(Path(), record, name).fixed]
    finally:
        monkeypatch.undo()
        run.seedless.cache_clear()
    assert fixed == ["edges"]


def test_a_baseline_beside_weights_of_others_is_named_by_theirs(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    """The thumbnail of a run of ours keeps its plain name; nobody reads the settings of an encoder in a name."""
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "pretrained", 0, 0.5)]
    given = {"name": "timm", "image_size": 0, "pooling": "", "normalise": "", "trained_on": []}
    for path, encoder in zip(paths, (None, given), strict=True):
        folder = RunDirectory(path)
        record = folder.read_record()
        backbone = {**record.config["backbone"], "encoder": encoder}
        record_file.write(folder.record, record.but(config={**record.config, "backbone": backbone}))
    assert [arm.name for arm in read_groups(paths)][2:] == ["random", "random, encoder timm"]
