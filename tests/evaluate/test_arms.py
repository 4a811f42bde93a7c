"""Arms of a table: which runs belong together, and which claims their number of seeds permits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ssl_bench.errors import DataError, UsageError
from ssl_bench.evaluate.arms import Arm, Bench, read_arms
from ssl_bench.evaluate.compare import over_seeds
from ssl_bench.evaluate.runs import compare_runs, run_scores

PLACE = ("linear", "toy", "toy")


def by_name(found: list[Arm]) -> dict[str, Arm]:
    return {arm.name: arm for arm in found}


def test_runs_that_differ_in_the_seed_alone_are_one_arm(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, method, seed, 1.0) for method in ("msn", "dino") for seed in (0, 1)]
    found = read_arms(paths)
    assert [(arm.name, [member.seed for member in arm.members]) for arm in found] == [
        ("msn", [0, 1]), ("dino", [0, 1]), ("random", [0, 0, 1, 1]),
    ]  # fmt: skip
    assert found[-1].at(PLACE)[0].path == paths[0]


def test_arms_of_one_method_are_named_by_what_differs(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "msn", 0, 1.0, epochs=9, suffix="-long")]
    assert [arm.name for arm in read_arms(paths)] == ["msn, pretrain.epochs=2", "msn, pretrain.epochs=9", "random"]


def measured(folder: Path, write_arm: Callable[..., Path], method: str, seed: int, k: int | None) -> Path:
    """A run with rows of ``linear``, and of ``knn`` where it has a k."""
    protocols = ("linear", "knn") if k else ("linear",)
    options = {"linear": {"strengths": [1.0]}, **({"knn": {"neighbours": [k], "temperature": 0.07}} if k else {})}
    return write_arm(folder, method, seed, 1.0, protocols=protocols, options=options)


def test_seeds_measured_with_other_options_are_no_arm(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [measured(tmp_path, write_arm, "msn", seed, k) for seed, k in ((0, 5), (1, 5), (2, 20))]
    found = {arm.name: [member.seed for member in arm.members] for arm in read_arms(paths)}
    assert found == {
        "msn, knn.neighbours=[5]": [0, 1], "msn, knn.neighbours=[20]": [2],
        "random, knn.neighbours=[5]": [0, 1], "random, knn.neighbours=[20]": [2],
    }  # fmt: skip


def test_options_of_protocols_that_are_not_shown_do_not_matter(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [measured(tmp_path, write_arm, "msn", seed, k) for seed, k in ((0, 5), (1, 20), (2, None))]
    found = {arm.name: [member.seed for member in arm.members] for arm in read_arms(paths, ["linear"])}
    assert found == {"msn": [0, 1, 2], "random": [0, 1, 2]}


def test_a_run_without_a_protocol_stays_with_its_seeds(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [measured(tmp_path, write_arm, "msn", seed, k) for seed, k in ((0, 5), (1, None))]
    paths.append(measured(tmp_path, write_arm, "dino", 0, 20))
    names = [arm.name for arm in read_arms(paths)]
    assert names[:2] == ["msn, knn.neighbours=[5]", "dino, knn.neighbours=[20]"]
    assert [member.seed for member in read_arms(paths)[0].members] == [0, 1]


def test_a_run_given_twice_is_refused(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "msn", 0, 1.0, suffix="-again")]
    with pytest.raises(UsageError, match="have one configuration and one seed; leave one out"):
        read_arms(paths)


def test_one_run_each_is_tested_as_encoders_like_in_compare(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 0.4), write_arm(tmp_path, "dino", 7, 2.0)]
    msn, dino, _ = read_arms(paths)
    test = Bench([msn, dino], 100).test(dino, msn, PLACE, "auroc")
    rows = list(compare_runs(*(run_scores(path) for path in paths), 100, 0))
    row = next(row for row in rows if (row["label"], row["metric"]) == ("macro", "auroc"))
    assert test.level == "encoders"
    assert (test.difference.value, test.difference.p) == (row["value"], row["p"])


def test_five_paired_seeds_are_tested_as_methods(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [
        write_arm(tmp_path, method, seed, signal) for method, signal in (("a", 0.4), ("b", 2.0)) for seed in range(5)
    ]
    first, second, _ = read_arms(paths)
    bench = Bench([first, second], 100)
    test = bench.test(second, first, PLACE, "auroc")
    pairs = [(second.at(PLACE)[seed], first.at(PLACE)[seed]) for seed in range(5)]
    found = [[bench.drawn(member, PLACE, "auroc") for member in pair] for pair in pairs]
    values = np.array([one.values - other.values for one, other in found])
    drawn = np.array([one.replicates - other.replicates for one, other in found])
    expected, _ = over_seeds(values, drawn, found[0][0].base)
    assert test.level == "methods"
    assert test.difference.value == pytest.approx(expected.value)
    assert test.difference.p == pytest.approx(expected.p)
    assert test.difference.p is not None
    assert test.difference.p < 0.05


def test_too_few_paired_seeds_are_not_tested(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, method, seed, 1.0) for method in "ab" for seed in range(3)]
    first, second, _ = read_arms(paths)
    test = Bench([first, second], 100).test(second, first, PLACE, "auroc")
    assert (test.level, test.difference.p) == (None, None)
    assert test.reason == "3 paired seeds, a claim about methods needs 5"


def test_other_test_images_are_refused(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "dino", 0, 1.0, images=110)]
    first, second, _ = read_arms(paths)
    with pytest.raises(DataError, match="same test images only"):
        Bench([first, second], 100).test(second, first, PLACE, "auroc")
