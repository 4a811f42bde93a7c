"""Faults that a plan finds: 11, 12, and all of them at once."""

from __future__ import annotations

from typing import Any

import pytest


def test_fault_11_empty_split_is_an_error_before_the_model(bench: Any) -> None:
    with (bench.root / "train_val_list.txt").open("a") as train:
        train.write("\n" + (bench.root / "test_list.txt").read_text())
    (bench.root / "test_list.txt").write_text("")
    assert bench.refused(3) == "every split needs images; 'nih14' has none in test"


def test_fault_11_batch_larger_than_the_split_is_an_error_before_the_model(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench.build.modules.build_backbone", lambda *_, **__: pytest.fail("a model was built"))
    assert bench.refused(3, "--batch-size", 500) == (
        "a batch of 500 needs as many training images, 'nih14' has 88; lower --batch-size"
    )


@pytest.mark.parametrize("feature", ["icu", "position", "stay"])
def test_fault_12_feature_the_dataset_lacks_names_both_and_lists_what_it_has(bench: Any, feature: str) -> None:
    sentence = bench.refused(2, "--features", f"age,{feature}")
    lacking = "'mortality', 'icu'" if feature == "stay" else f"'{feature}'"
    assert sentence == f"dataset 'nih14' has no feature {lacking}; it has age, sex, view"


def test_preflight_lists_all_problems_of_the_files_at_once(bench: Any) -> None:
    lines = (bench.root / "Data_Entry_2017_v2020.csv").read_text().splitlines()
    climbing = lines[3].replace("00000002_000.png", "../../x.png")
    (bench.root / "Data_Entry_2017_v2020.csv").write_text("\n".join([*lines[:3], climbing, *lines[4:], lines[2]]))
    bench.lines("00000002_000.png", "../../x.png", name="train_val_list.txt")
    bench.image(10).unlink()
    bench.lines("00000005_000.png\n", "", name="test_list.txt")
    with (bench.root / "train_val_list.txt").open("a") as train:
        train.write("\n00000005_000.png")
    answer = bench.run("--batch-size", 500)
    assert answer.code == 3
    told = answer.err.splitlines()
    assert told[0] == "sslbench: error: 5 problems"
    starts = [line[5:].split(";")[0] for line in told[1:]]
    assert starts[0] == "image ids must be unique"
    assert starts[1] == f"image paths must stay below {bench.root}"
    assert starts[2].startswith("1 of 121 images are not below ")
    assert starts[3] == "no patient may be in two splits"
    assert starts[4].startswith("a batch of 500 needs as many training images")
    assert not bench.out.exists()


def test_preflight_shows_twenty_problems_and_counts_the_rest(bench: Any) -> None:
    wrong = [part for number in range(25) for part in ("--set", f"pretrain.wrong{number}=1")]
    answer = bench.run(*wrong)
    assert answer.code == 2
    told = answer.err.splitlines()
    assert told[0] == "sslbench: error: 25 problems"
    assert told[1].startswith("  1. unknown key 'pretrain.wrong0' of the configuration")
    assert told[20].startswith("  20. ")
    assert told[21:] == ["  ... and 5 more"]
    assert not bench.out.exists()
