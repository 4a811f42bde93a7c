"""``sslbench data``: check, stats and prepare."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from ssl_bench.config.config import load
from ssl_bench.data import filling
from ssl_bench.data import store as module
from ssl_bench.data.imagefiles import image_files
from ssl_bench.data.preparing import decode_options
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.registry import Registry
from ssl_bench.report.preparing import Preparing

Cli = Callable[..., Any]


def test_check_of_a_subset_is_a_table_and_exit_code_0(sslbench: Cli, tiny_nih: Callable[..., Path]) -> None:
    answer = sslbench("data", "check", "nih14", "--root", tiny_nih(), "--sample", 5, "--seed", 3)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("nih14: ")
    assert "0 problem" in answer.out.splitlines()[0]
    assert "120, published are 112,120; is it a subset?" in answer.out
    assert "5 of 5 drawn images can be decoded" in answer.out


def test_check_of_a_broken_download_tells_all_and_exits_3(sslbench: Cli, tiny_nih: Callable[..., Path]) -> None:
    root = tiny_nih(fresh=True)
    (root / "images/00000001_000.png").unlink()
    with (root / "train_val_list.txt").open("a") as file:
        file.write("\n00000005_000.png")
    table = root / "Data_Entry_2017_v2020.csv"
    table.write_text(table.read_text().replace("Patient Age", "Patients Age"))
    answer = sslbench("data", "check", "nih14", "--root", root)
    assert answer.code == 3
    assert answer.err == "sslbench: error: dataset 'nih14' has 2 problems, listed above; fix them first\n"
    text = " ".join(answer.out.replace("│", " ").split())
    assert "lacks Patient Age (did you mean 'Patients Age'?)" in text
    assert "1 are in both: 00000005_000.png" in text
    table.write_text(table.read_text().replace("Patients Age", "Patient Age"))
    (root / "train_val_list.txt").write_text((root / "train_val_list.txt").read_text().rpartition("\n")[0])
    answer = sslbench("data", "check", "nih14", "--root", root)
    assert answer.code == 3
    assert "1 of 120 images are not below" in " ".join(answer.out.replace("│", " ").split())


def test_a_wrong_name_or_option_is_a_usage_error(sslbench: Cli) -> None:
    assert "unknown dataset 'nih15'; did you mean 'nih14'?" in sslbench("data", "check", "nih15").sentence
    answer = sslbench("data", "check", "nih14", "--set", "data.options.labels=x.csv")
    assert answer.code == 2
    assert "unknown key 'labels' of dataset 'nih14'" in answer.sentence


def test_stats_print_tables_and_leave_files(sslbench: Cli, tiny_nih: Callable[..., Path], tmp_path: Path) -> None:
    answer = sslbench("data", "stats", "nih14", "--root", tiny_nih(), "--out", tmp_path / "stats", "--seed", 1)
    assert answer.code == 0, answer.err
    for title in ("demographics by split", "positive images by finding", "share of the images without a feature"):
        assert title in answer.out
    tables = {path.stem: pd.read_csv(path, index_col=0) for path in (tmp_path / "stats").glob("*.csv")}
    assert set(tables) == {"demographics", "prevalence", "missing"}
    assert tables["demographics"].loc["images", "all"] == 120
    assert tables["prevalence"].loc["Hernia", "all"] == 0
    with Image.open(tmp_path / "stats/grid.png") as image:
        assert image.width > 1000
        assert image.height > 600  # rows: Effusion, Mass, none of them


def test_statistics_of_generated_pictures_say_so(sslbench: Cli) -> None:
    answer = sslbench("data", "stats", "synthetic", "--preset", "smoke", "--set", "data.options.images=150",
                      "--set", "data.options.size=32")  # fmt: skip
    assert answer.code == 0, answer.err
    assert "synthetic (SYNTHETIC DATA): demographics" in answer.out


def prepare(sslbench: Cli, root: Path, *arguments: object) -> Any:
    return sslbench("data", "prepare", "nih14", "--root", root, "--preset", "smoke", "--workers", 1, *arguments)


def test_prepare_makes_the_store_that_a_run_uses(
    sslbench: Cli, tiny_nih: Callable[..., Path], tmp_path: Path, registry: Registry
) -> None:
    answer = prepare(sslbench, tiny_nih())
    assert answer.code == 0, answer.err
    assert "120/120  " in answer.err
    assert " images/s, 0 s left" in answer.err
    config = load({"data": {"name": "nih14", "root": str(tiny_nih())}}, name="smoke")
    plan = make_plan(config, registry, tmp_path / "cache")
    key = image_files(plan.cohort).key(decode_options(config.data), module.FORMAT)[:16]
    assert answer.out == f"120 images in {tmp_path}/cache/stores/nih14-40px-{key}\n"
    again = prepare(sslbench, tiny_nih())
    assert "nothing to do: the store is complete" in again.err
    assert again.out == answer.out


def test_prepare_goes_on_after_a_kill_between_chunks(
    sslbench: Cli, tiny_nih: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 16)
    killed = RuntimeError("killed")

    def flaky(content: bytes, path: str, options: Any, *, real: Any = filling.decode_content) -> Any:
        if path.endswith("00000030_000.png"):
            raise killed
        return real(content, path, options)

    with monkeypatch.context() as patch:
        patch.setattr(filling, "decode_content", flaky)
        with pytest.raises(RuntimeError, match="killed"):
            prepare(sslbench, tiny_nih(), "--cache", tmp_path / "c")
    answer = prepare(sslbench, tiny_nih(), "--cache", tmp_path / "c")
    assert "48 were prepared earlier" in answer.err  # image 58 was never read; whole chunks of 16 are kept
    assert answer.code == 0


def test_parts_are_prepared_by_commands_of_their_own(sslbench: Cli, tiny_nih: Callable[..., Path]) -> None:
    first = prepare(sslbench, tiny_nih(), "--shard", "2/1")
    assert (first.code, "--shard expects K/N" in first.sentence) == (2, True)
    assert prepare(sslbench, tiny_nih(), "--shard", "1/1").out.startswith("120 images in ")
    refused = prepare(sslbench, tiny_nih(), "--shard", "1/1", "--verify")
    assert (refused.code, "--verify looks at the whole store" in refused.sentence) == (2, True)


def test_what_is_left_of_other_parts_is_told(
    sslbench: Cli, tiny_nih: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 16)
    answer = prepare(sslbench, tiny_nih(), "--shard", "2/3")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("40 of 120 images in ")
    assert answer.out.endswith("the last part that is prepared makes the store whole\n")


def test_size_and_fit_have_stores_of_their_own_and_copies_share_one(
    sslbench: Cli, tiny_nih: Callable[..., Path]
) -> None:
    twin = tiny_nih(fresh=True)
    folders = [
        prepare(sslbench, tiny_nih()).out.split()[-1],
        prepare(sslbench, tiny_nih(), "--size", 24).out.split()[-1],
        prepare(sslbench, tiny_nih(), "--fit", "pad").out.split()[-1],
        prepare(sslbench, twin).out.split()[-1],  # the same files in another folder
    ]
    assert len(set(folders)) == 3
    assert folders[3] == folders[0]


def test_prepare_verify_looks_at_every_image_and_mends(sslbench: Cli, tiny_nih: Callable[..., Path]) -> None:
    folder = Path(prepare(sslbench, tiny_nih()).out.split()[-1])
    answer = prepare(sslbench, tiny_nih(), "--verify")
    assert "nothing to do: the store is complete" in answer.err
    with (folder / "images.npy").open("r+b") as file:
        file.seek(5000)
        file.write(b"\0\1")
    assert "120/120  " in prepare(sslbench, tiny_nih(), "--verify").err
    assert "nothing to do" in prepare(sslbench, tiny_nih(), "--verify").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_prepare_ends_in_one_sentence_on_a_signal(
    sslbench: Cli, tiny_nih: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def advance(self: Preparing, done: int, total: int) -> None:
        if done == 20:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(module, "CHUNK", 16)
    with monkeypatch.context() as patch:
        patch.setattr(Preparing, "advance", advance)
        answer = prepare(sslbench, tiny_nih(fresh=True))
    assert answer.code == 130
    assert answer.err.splitlines()[1:] == [
        f"sslbench: error: {number.name}: stopped; images prepared so far are kept; continue with the same command"
    ]
    assert "16 were prepared earlier" in prepare(sslbench, tiny_nih()).err


def test_prepare_refuses_what_a_run_would(sslbench: Cli, tiny_nih: Callable[..., Path]) -> None:
    root = tiny_nih(fresh=True)
    (root / "images/00000001_000.png").write_bytes(b"")
    answer = prepare(sslbench, root)
    assert answer.code == 3
    assert "1 of 120 images cannot be read" in answer.err
    answer = prepare(sslbench, root, "--on-bad", "quarantine")
    assert answer.code == 0
    assert answer.out.startswith("120 images, of which 1 cannot be read, in ")
    shutil.rmtree(root / "images")
    assert prepare(sslbench, root).code == 3


def test_the_column_map_by_its_flag(sslbench: Cli, tmp_path: Path) -> None:
    Image.new("L", (40, 40), 7).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("file,who,Edema\na.png,1,1\n")
    (tmp_path / "map.yaml").write_text("root: .\ntable: t.csv\nimage_path: file\npatient_id: who\nlabels: [Edema]\n")
    answer = sslbench("data", "check", "table", "--columns", tmp_path / "map.yaml")
    assert answer.code == 3
    assert "1 of 1 drawn images can be decoded" in answer.out
    run = sslbench("run", "--method", "random", "--data", "table", "--columns", tmp_path / "map.yaml")
    assert run.sentence == "every split needs images; 'table' has none in train, validate"
