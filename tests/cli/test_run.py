"""``sslbench run``: refusals that write nothing, the dry run, and that flags arrive where they should."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.api import start as command
from ssl_bench.config.config import RunConfig, load
from ssl_bench.plan.plan import Plan
from ssl_bench.results.rundir import RunDirectory

Cli = Callable[..., Any]
Make = Callable[..., Path]
LABELS, TRAIN, TEST = "Data_Entry_2017_v2020.csv", "train_val_list.txt", "test_list.txt"


@pytest.fixture
def untouched(tmp_path: Path, sslbench: Cli) -> Callable[[], bool]:
    """Whether the working folder, the cache and the run directory are as empty as before."""

    def check() -> bool:
        work = tmp_path / "work"
        return not list(work.iterdir()) and not (tmp_path / "cache").exists() and not (tmp_path / "run").exists()

    return check


def refused(sslbench: Cli, tmp_path: Path, *arguments: object) -> Any:
    return sslbench("run", "--preset", "smoke", "--out", tmp_path / "run", *arguments)


NAMES = [
    (["--method", "msn_ehr"], "unknown method 'msn_ehr'; did you mean 'msn-ehr'?"),
    (["--data", "nih-14"], "unknown dataset 'nih-14'; did you mean 'nih14'?"),
    (["--fusion", "concatt"], "unknown fusion 'concatt'; did you mean 'concat'?"),
    (["--backbone", "vit_micro-"], "unknown backbone 'vit_micro-'; did you mean 'vit-micro'?"),
    (["--eval", "linaer"], "unknown evaluator 'linaer'; did you mean 'linear'?"),
    (["--features", "agee"], "unknown feature 'agee'; did you mean 'age'?"),
    (["--set", "preset=smoke", "--preset", "demoo"], "--preset is given more than once; give it once"),
    (["--set", "pretrain.epoch=3"], "unknown key 'pretrain.epoch' of the configuration; did you mean 'epochs'?"),
    (["--set", "method.prototype=3"], "unknown key 'prototype' of method 'msn-ehr'; did you mean 'prototypes'?"),
    (["--set", "epochs"], "--set expects KEY=VALUE such as pretrain.epochs=5, found 'epochs'"),
    (["--seed", "-1"], "'seed' of the configuration: input should be greater than or equal to 0, found -1"),
    (["--config", "nowhere.yaml"], "config nowhere.yaml cannot be read: no such file or directory"),
    (["--method", "msn", "--fusion", "concat"], "fusion 'concat' needs EHR features; add --features"),
    (["--method", "msn", "--ehr-control", "shuffled"], "--ehr-control shuffled needs EHR features; add --features"),
    (["--fuse-branches", "both"], "method 'msn-ehr' has no two equal branches: EHR joins every view that is trained"),
    (["--method", "random", "--features", "age"], "method 'random' is not trained, so it can join no features"),
    (["--backbone", "resnet18"], "method 'msn-ehr' drops patches and needs a ViT; backbone 'resnet18'"),
    (["--set", "backbone.image_size=64"], "backbone 'vit-micro' sees 64 px, the prepared images have 40 px"),
    (["--set", "backbone.image_size=36"], "backbone.image_size must be a multiple of the patch size 8, found 36"),
    (["--data", "nih14"], "dataset 'nih14' needs the folder of its download; give it by --root"),
    (["--root", "somewhere"], "dataset 'synthetic' is generated and takes no --root"),
    (["--resume", "elsewhere"], "--resume names the run directory; leave out --out"),
]


@pytest.mark.parametrize(("arguments", "sentence"), NAMES, ids=[" ".join(arguments) for arguments, _ in NAMES])
def test_wrong_names_keys_and_combinations_exit_2(
    sslbench: Cli, tmp_path: Path, untouched: Callable[[], bool], arguments: list[str], sentence: str
) -> None:
    answer = refused(sslbench, tmp_path, *arguments)
    assert answer.code == 2
    assert answer.sentence.startswith(sentence)
    assert untouched()


def test_fault_12_a_feature_that_the_dataset_lacks_is_refused_before_it_is_read(
    sslbench: Cli, tmp_path: Path, untouched: Callable[[], bool]
) -> None:
    answer = refused(sslbench, tmp_path, "--data", "nih14", "--root", tmp_path / "nowhere", "--features", "icu,age")
    assert answer.code == 2
    assert answer.sentence == "dataset 'nih14' has no feature 'icu'; it has age, sex, view"
    assert untouched()


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def drop_images(root: Path) -> None:
    for path in sorted((root / "images").iterdir())[:25]:
        path.unlink()


def share_a_patient(root: Path) -> None:
    replace_in(root / TEST, "00000005_000.png\n", "")
    with (root / TRAIN).open("a") as train:
        train.write("\n00000005_000.png")


def empty_the_test_list(root: Path) -> None:
    with (root / TRAIN).open("a") as train:
        train.write("\n" + (root / TEST).read_text())
    (root / TEST).write_text("")


def climb_out(root: Path) -> None:
    shutil.copy(root / "images" / "00000001_000.png", root.parent / "secret.png")
    for name in (LABELS, TRAIN):
        replace_in(root / name, "00000001_000.png", "../../secret.png")


def start_at_the_top(root: Path) -> None:
    for name in (LABELS, TRAIN):
        replace_in(root / name, "00000001_000.png", "C:/secret.png")
    (root / "images").rename(root / "kept")


def link_out(root: Path) -> None:
    image = root / "images" / "00000001_000.png"
    shutil.move(image, root.parent / f"{root.name}-secret.png")
    image.symlink_to(root.parent / f"{root.name}-secret.png")


def repeat_an_image(root: Path) -> None:
    lines = (root / LABELS).read_text().splitlines()
    (root / LABELS).write_text("\n".join([*lines, lines[1]]))


def lose_a_column(root: Path) -> None:
    replace_in(root / LABELS, "Patient Age", "Patients Age")


SPOILT: list[tuple[Callable[[Path], object], list[str]]] = [
    (
        drop_images,
        ["25 of 120 images are not below ", "00000010_001.png and 5 more; ", "25 do not exist: complete the download"],
    ),
    (share_a_patient, ["no patient may be in two splits; 1 are: 5; split by patient"]),
    (empty_the_test_list, ["every split needs images; 'nih14' has none in test"]),
    (climb_out, ["image paths must stay below ", "refused: images/../../secret.png"]),
    (start_at_the_top, ["120 of 120 images are not below "]),
    (link_out, ["1 of 120 images are not below ", "00000001_000.png"]),
    (repeat_an_image, ["image ids must be unique; 1 occur twice: 00000001_000.png"]),
    (lose_a_column, ["lacks Patient Age (did you mean 'Patients Age'?)"]),
    (shutil.rmtree, ["dataset 'nih14' expects a folder at "]),
]


@pytest.mark.parametrize(("spoil", "parts"), SPOILT, ids=[spoil.__name__ for spoil, _ in SPOILT])
def test_faults_2_3_4_8_11_13_of_the_files_exit_3(
    sslbench: Cli,
    tiny_nih: Make,
    tmp_path: Path,
    untouched: Callable[[], bool],
    spoil: Callable[[Path], object],
    parts: list[str],
) -> None:
    root = tiny_nih(fresh=True)
    spoil(root)
    answer = refused(sslbench, tmp_path, "--data", "nih14", "--root", root)
    assert answer.code == 3
    assert all(part in answer.sentence for part in parts), answer.sentence
    assert untouched()


def test_fault_11_a_batch_larger_than_the_split_exits_3(
    sslbench: Cli, tiny_nih: Make, tmp_path: Path, untouched: Callable[[], bool]
) -> None:
    answer = refused(sslbench, tmp_path, "--data", "nih14", "--root", tiny_nih(), "--batch-size", 500)
    assert answer.code == 3
    assert answer.sentence.startswith("a batch of 500 needs as many training images, 'nih14' has 88")
    assert untouched()


def test_several_problems_are_listed_at_once(
    sslbench: Cli, tiny_nih: Make, tmp_path: Path, untouched: Callable[[], bool]
) -> None:
    root = tiny_nih(fresh=True)
    drop_images(root)
    share_a_patient(root)
    answer = refused(sslbench, tmp_path, "--data", "nih14", "--root", root, "--batch-size", 500)
    assert answer.code == 3
    lines = answer.err.splitlines()
    assert lines[0] == "sslbench: error: 3 problems"
    assert [line[:5] for line in lines[1:]] == ["  1. ", "  2. ", "  3. "]
    assert untouched()


UNBUILDABLE = [
    (["--backbone", "vit_tiny_patch16_2244"], "unknown timm model 'vit_tiny_patch16_2244'"),
    (["--set", "method.focal_size=17"], "method 'msn-ehr' has focal views of 17 px, which is no multiple of"),
]


@pytest.mark.parametrize(("arguments", "sentence"), UNBUILDABLE, ids=[names[1] for names, _ in UNBUILDABLE])
def test_what_cannot_be_built_is_told_before_anything_is_written(
    sslbench: Cli, tiny_nih: Make, tmp_path: Path, untouched: Callable[[], bool], arguments: list[str], sentence: str
) -> None:
    answer = refused(sslbench, tmp_path, "--data", "nih14", "--root", tiny_nih(), "--set", "data.size=224", *arguments)
    assert answer.code == 2
    assert answer.sentence.startswith(sentence)
    assert untouched()


def test_weights_that_are_not_there_exit_3(
    sslbench: Cli, tiny_nih: Make, tmp_path: Path, untouched: Callable[[], bool]
) -> None:
    answer = refused(sslbench, tmp_path, "--data", "nih14", "--root", tiny_nih(), "--init", tmp_path / "nowhere")
    assert answer.code == 3
    assert answer.sentence.startswith(f"weights {tmp_path / 'nowhere'} do not exist; give")
    assert untouched()


def test_a_folder_that_holds_a_run_is_not_written_over(sslbench: Cli, tiny_nih: Make, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("seed: 1\n")
    answer = refused(sslbench, tmp_path, "--data", "nih14", "--root", tiny_nih())
    assert answer.code == 2
    assert answer.sentence.endswith("already holds a run; continue with --resume "
                                    f"{tmp_path / 'run'} or choose another --out")  # fmt: skip
    assert os.listdir(tmp_path / "run") == ["config.yaml"]
    assert (tmp_path / "run" / "config.yaml").read_text() == "seed: 1\n"


def test_a_dry_run_prints_the_plan_and_writes_no_run(
    sslbench: Cli, tiny_nih: Make, tmp_path: Path, untouched: Callable[[], bool]
) -> None:
    answer = refused(sslbench, tmp_path, "--data", "nih14", "--root", tiny_nih(), "--features", "age,sex", "--dry-run")
    assert answer.code == 0
    lines = dict(line.split(": ", 1) for line in answer.out.splitlines())
    plan = {key: value.strip() for key, value in lines.items()}
    assert plan["data"] == "nih14, 120 images of 60 patients"
    assert plan["splits"] == (
        "train 88 images of 44 patients; validate 8 images of 4 patients; test 24 images of 12 patients"
    )
    assert plan["features"] == "age, sex as 3 columns: age, sex=M, sex=F"
    assert plan["fusion"] == "concat"
    assert plan["method"].startswith("msn-ehr, recipe reference; prototypes ")
    assert plan["encoder"].startswith("vit-micro at 32 px, ")
    assert plan["steps"] == "10 = 2 epochs in batches of 16"
    assert plan["evaluation"] == "linear, knn"
    assert " GiB for training in float32, and " in plan["memory"]
    assert untouched()


def test_every_flag_arrives_in_the_configuration(
    sslbench: Cli, monkeypatch: pytest.MonkeyPatch, tiny_nih: Make, tmp_path: Path
) -> None:
    plans: list[Plan] = []
    claims: list[Path] = []
    monkeypatch.setattr(
        command, "carry_out", lambda plan, directory, **_: (plans.append(plan), claims.append(directory.path))
    )
    (tmp_path / "work" / "more.toml").write_text("[evaluate]\nreplicates = 200\n")
    answer = sslbench(
        "run", "--method", "msn", "--features", "age,view", "--fusion", "concat", "--backbone", "vit-micro",
        "--data", "nih14", "--root", tiny_nih(), "--labels", "nih14", "--preset", "smoke", "--config", "more.toml",
        "--set", "method.prototypes=8", "--set", "data.fit=pad", "--epochs", 3, "--batch-size", 8, "--lr", 0.01,
        "--seed", 7, "--eval", "linear,knn", "--out", "here", "--cache", tmp_path / "cache", "--init", "encoder",
        "--on-bad", "quarantine", "--ehr-control", "noise", "--ehr-dropout", 0.1, "--ehr-from", 0.2, "--ehr-until", 0.8,
        "--ehr-at-eval",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    config: RunConfig = plans[0].config
    assert (config.method.name, config.method.options["prototypes"]) == ("msn", 8)
    assert (config.ehr.features, config.fusion and config.fusion.name) == (("age", "view"), "concat")
    assert (config.backbone.name, config.data.name, config.data.root) == ("vit-micro", "nih14", tiny_nih())
    assert (config.data.labels, config.preset, config.data.fit) == ("nih14", "smoke", "pad")
    assert (config.pretrain.epochs, config.pretrain.batch_size, config.pretrain.lr) == (3, 8, 0.01)
    assert (config.seed, config.evaluate.protocols, config.evaluate.replicates) == (7, ("linear", "knn"), 200)
    ehr = config.ehr
    assert config.evaluate.ehr
    assert [part.name for part in plans[0].parts.evaluators] == ["linear", "linear-ehr", "ehr-only", "knn"]
    assert (ehr.control, ehr.dropout, ehr.start, ehr.until) == ("noise", 0.1, 0.2, 0.8)
    assert (config.backbone.init, config.data.on_bad) == (Path("encoder"), "quarantine")
    assert claims == [Path("here")]
    assert plans[0].cache == tmp_path / "cache"


def test_resume_takes_its_configuration_from_the_folder(
    sslbench: Cli, monkeypatch: pytest.MonkeyPatch, tiny_nih: Make
) -> None:
    told: list[tuple[int, Path, dict[str, Any]]] = []
    monkeypatch.setattr(
        command, "carry_out", lambda plan, directory, **how: told.append((plan.config.seed, directory.path, how))
    )
    directory = RunDirectory(Path("begun"))
    directory.path.mkdir()
    values = {"seed": 5, "data": {"name": "nih14", "root": str(tiny_nih())}, "pretrain": {"batch_size": 8}}
    directory.write_config(load(values).model_dump(mode="json"))
    assert sslbench("run", "--resume", "begun").code == 0
    assert sslbench("run", "--resume", "begun", "--allow-inexact-resume").code == 0
    assert [(*rest, how.pop("tell") and how) for *rest, how in told] == [
        (5, Path("begun"), {"resume": True, "allow_inexact": False, "report": True}),
        (5, Path("begun"), {"resume": True, "allow_inexact": True, "report": True}),
    ]
    answer = sslbench("run", "--resume", "begun", "--seed", 6)
    assert answer.code == 2
    assert "(seed: 5 -> 6)" in answer.sentence


def test_a_run_without_out_gets_a_folder_of_its_own(
    sslbench: Cli, monkeypatch: pytest.MonkeyPatch, tiny_nih: Make
) -> None:
    claims: list[Path] = []
    monkeypatch.setattr(command, "carry_out", lambda plan, directory, **_: claims.append(directory.path))
    arguments = ("run", "--method", "msn", "--preset", "smoke", "--data", "nih14", "--root", tiny_nih())
    sslbench(*arguments)
    Path("runs/msn-nih14-seed0").mkdir(parents=True)
    sslbench(*arguments)
    assert claims == [Path("runs/msn-nih14-seed0"), Path("runs/msn-nih14-seed0-2")]


def test_from_files_to_a_record(sslbench: Cli, tiny_nih: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "report_or_warn", lambda directory, terminal: None)  # its pictures take seconds
    out = tmp_path / "run"
    arguments = ("--method", "msn-ehr", "--features", "age,sex", "--data", "nih14", "--root", tiny_nih())
    answer = sslbench("run", "--preset", "smoke", "--set", "evaluate.replicates=100", "--out", out, *arguments)
    assert answer.code == 0, answer.err
    record = json.loads((out / "record.json").read_text())
    macro = {
        (row["encoder"], row["protocol"], row["metric"]): row
        for row in record["metrics"]
        if row["label"] == "macro" and row["split"] == "test" and row["subgroup"] == "all"
    }
    for encoder in ("trained", "random"):
        for protocol in ("linear", "knn"):
            for metric in ("auroc", "auprc"):
                row = macro[encoder, protocol, metric]
                assert 0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1
                assert (row["n_images"], row["n_patients"]) == (24, 12)
    assert "msn-ehr with age, sex (concat) on nih14, test split, seed 0" in answer.out
    cost = record["cost"]
    assert cost["crops_per_image"] * record["pretraining"]["images_seen"] == record["pretraining"]["crops_seen"]
    assert cost["flops"] == cost["step_flops"] * record["pretraining"]["steps"] > 0
    assert {"name": "msn-ehr", "kind": "method"}.items() <= record["components"][0].items()
    again = sslbench("run", "--resume", out)
    assert (again.code, again.sentence) == (2, f"{out} holds a finished run; there is nothing to resume")
