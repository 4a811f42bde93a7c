"""Faults of files that hold weights: 16, 17, 18, 19 and 27."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors import SafetensorError
from safetensors import torch as writer
from safetensors.torch import load_file, save_file

from ssl_bench.pretrain.checkpoint import load_latest

PRETRAINED = ("--method", "pretrained")
"""Evaluates weights that the user brings."""


def environment(bench: Any) -> dict[str, str]:
    """Of a process that runs the program as this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": str(torch.get_num_threads()), "SSLBENCH_CACHE": str(bench.home / "cache")}  # fmt: skip


def flip(path: Path, place: float) -> None:
    """Flip one bit at a relative place of a file."""
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(bytes(content))


def last(bench: Any, suffix: str) -> Path:
    return max((bench.out / "checkpoints").glob(f"*{suffix}"))


def final(out: Path) -> tuple[bytes, bytes]:
    """Encoder and last checkpoint of a finished run."""
    checkpoint = max((out / "checkpoints").glob("*.safetensors"))
    return (out / "encoder" / "model.safetensors").read_bytes(), checkpoint.read_bytes()


@pytest.fixture
def interrupted(bench: Any, at_step: Any) -> Any:
    """A run that was interrupted at step 8 of 10, with checkpoints at 5 and 8."""
    at_step(8, signal.SIGTERM)
    answer = bench.run()
    assert answer.code == 130, answer.err
    assert [path.stem for path in sorted((bench.out / "checkpoints").glob("*.json"))] == [
        "step-00000005", "step-00000008"
    ]  # fmt: skip
    return bench


@pytest.fixture
def alone(bench: Any) -> tuple[bytes, bytes]:
    """What the same run holds that was left alone."""
    out = bench.home / "alone"
    answer = bench.run(out=out)
    assert answer.code == 0, answer.err
    return final(out)


# --- 16: malicious or foreign checkpoints -----------------------------------------------------------------------------


class Bomb:
    """Runs code where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("method", [PRETRAINED, ("--method", "simclr")])
def test_fault_16_malicious_checkpoint_is_refused_and_runs_nothing(bench: Any, method: tuple[str, ...]) -> None:
    file, trap = bench.home / "weights.pth", bench.home / "executed"
    torch.save({"state_dict": {"w": torch.zeros(2)}, "hook": Bomb(trap)}, file)
    sentence = bench.refused(3, "--init", file, method=method)
    assert sentence.startswith(f"weights {file} hold more than tensors, or are damaged, and running code of a file is")
    assert not trap.exists()


def test_fault_16_malicious_checkpoint_in_a_run_directory_is_refused_and_runs_nothing(interrupted: Any) -> None:
    trap = interrupted.home / "executed"
    torch.save({"hook": Bomb(trap)}, last(interrupted, ".safetensors"))
    answer = interrupted.resume()
    assert answer.code == 0, answer.err
    assert "warning: checkpoint refused, using the one before it: step-00000008: its hash is " in answer.err
    assert not trap.exists()


FOREIGN: dict[str, Callable[[Path], object]] = {
    "text.pth": lambda path: path.write_text("no weights"),
    "empty.safetensors": lambda path: path.write_bytes(b""),
    "cut.pth": lambda path: (torch.save({"a": torch.zeros(999)}, path), path.write_bytes(path.read_bytes()[:700])),
    "tensor.pt": lambda path: torch.save(torch.zeros(3), path),
    "list.pt": lambda path: torch.save([1, 2], path),
    "nothing.pt": lambda path: torch.save({"epoch": 3}, path),
    "model.onnx": lambda path: path.write_bytes(b"\x08\x07"),
    "absent.pth": lambda path: None,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_fault_16_foreign_checkpoint_is_refused(bench: Any, name: str) -> None:
    FOREIGN[name](bench.home / name)
    sentence = bench.refused(3, "--init", bench.home / name, method=PRETRAINED)
    assert name in sentence
    assert sentence.startswith("weights ")


def test_fault_16_foreign_checkpoint_with_weights_that_are_no_numbers_is_refused(bench: Any) -> None:
    out = bench.home / "source"
    assert bench.run(out=out, method=("--method", "random")).code == 0
    weights = load_file(out / "encoder" / "model.safetensors")
    weights["norm.weight"][0] = float("nan")
    save_file(weights, bench.home / "nan.safetensors")
    answer = bench.run("--init", bench.home / "nan.safetensors", method=PRETRAINED)
    assert answer.code == 3
    assert "do not fit the encoder (not finite: norm.weight)" in bench.sentence(answer)
    assert not bench.out.exists()


def packed(path: Path) -> None:
    """A checkpoint of a sixteenth of a GiB that is a few hundred bytes long."""
    torch.save({"w": torch.zeros(2**24)}, path.with_suffix(".whole"))
    with (
        zipfile.ZipFile(path.with_suffix(".whole")) as whole,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for part in whole.infolist():
            small.writestr(part.filename, whole.read(part))


@pytest.mark.parametrize("make", [packed, lambda path: torch.save({"w": torch.zeros(1).expand(2**40)}, path)])
def test_fault_14_weights_that_inflate_are_refused(bench: Any, make: Callable[[Path], None]) -> None:
    file = bench.home / "weights.pth"
    make(file)
    sentence = bench.refused(3, "--init", file, method=PRETRAINED)
    assert sentence.startswith(f"weights {file} would take ")
    assert sentence.endswith("that is no checkpoint, so they are refused")


# --- 17: flipped bytes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_fault_17_flipped_byte_in_a_checkpoint_is_refused_and_the_previous_one_used(
    interrupted: Any, alone: tuple[bytes, bytes], suffix: str, place: float
) -> None:
    flip(last(interrupted, suffix), place)
    answer = interrupted.resume()
    assert answer.code == 0, answer.err
    assert "warning: checkpoint refused, using the one before it: step-00000008: " in answer.err
    assert json.loads((interrupted.out / "record.json").read_text())["pretraining"]["resumed_at"] == 5
    assert final(interrupted.out) == alone


def test_fault_17_flipped_byte_in_every_checkpoint_is_an_error_that_loses_nothing(interrupted: Any) -> None:
    for path in (interrupted.out / "checkpoints").glob("*.safetensors"):
        flip(path, 0.7)
    before = interrupted.files(interrupted.out)
    answer = interrupted.resume()
    assert answer.code == 3
    sentence = interrupted.sentence(answer)
    assert sentence.startswith(f"no checkpoint in {interrupted.out / 'checkpoints'} is intact: step-00000008: its hash")
    assert "; step-00000005: its hash is " in sentence
    assert interrupted.files(interrupted.out) == before


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_fault_17_flipped_byte_in_an_encoder_is_refused(bench: Any, name: str) -> None:
    source = bench.home / "source"
    assert bench.run(out=source, method=("--method", "random")).code == 0
    flip(source / "encoder" / name, 0.0 if name == "config.json" else 0.9)
    for given in (source / "encoder", source / "encoder" / "model.safetensors"):
        answer = bench.run("--init", given, method=PRETRAINED)
        assert answer.code == 3
        assert bench.sentence(answer).startswith(f"weights {source / 'encoder'} are damaged: ")
        assert not bench.out.exists()


# --- 18: kill -9 ------------------------------------------------------------------------------------------------------

KILL_AT_RENAME = """
import os, signal, sys
from ssl_bench import files
from ssl_bench.cli import main
victim, rename = sys.argv.pop(1), os.replace

def dying(source, target):
    if os.path.basename(target) == victim:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)

files.os.replace = dying
main()
"""
"""The program, killed when the bytes of a file are written and its name is not yet there."""


@pytest.mark.parametrize("victim", ["step-00000010.safetensors", "step-00000010.json"])
def test_fault_18_kill_in_the_middle_of_a_write_leaves_the_previous_checkpoint(
    bench: Any, alone: tuple[bytes, bytes], victim: str
) -> None:
    config = bench.home / "alone" / "config.yaml"
    killed = subprocess.run(
        [sys.executable, "-c", KILL_AT_RENAME, victim, "run", "--config", str(config), "--out", str(bench.out)],
        env=environment(bench), capture_output=True, text=True, check=False, cwd=bench.home / "work",
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list((bench.out / "checkpoints").glob(f".{victim}.*.tmp"))
    found, refused = load_latest(bench.out / "checkpoints")
    assert (found and found.step, refused) == (5, [])
    (bench.out / "checkpoints" / ".tmpUY72oO").touch()  # as safetensors leaves it when it is killed itself
    answer = bench.resume()
    assert answer.code == 0, answer.err
    assert not [path for path in bench.out.rglob(".*") if path.name != ".lock"]
    assert final(bench.out) == alone


def test_fault_18_kill_at_random_moments_ends_in_the_same_bytes(bench: Any) -> None:
    script = Path(__file__).parents[1] / "kill_and_resume.py"
    flags = ["--eval", "linear", "--set", "data.options={images: 160, size: 40}"]
    done = subprocess.run(
        [sys.executable, str(script), "--kills", "5", "--", *flags],
        env=environment(bench), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 kills, ")


# --- 19: full disk ----------------------------------------------------------------------------------------------------


def test_fault_19_disk_full_keeps_the_previous_checkpoint_and_removes_the_temporary(
    bench: Any, alone: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    save = writer.save_file

    def full(tensors: Any, path: Path) -> None:
        if "step-00000010" in str(path):
            Path(path).write_bytes(b"half")
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        save(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "save_file", full)
        answer = bench.run()
    assert answer.code == 3
    assert bench.sentence(answer).startswith("the disk is full (")
    assert not list(bench.out.rglob("*.tmp"))
    found, refused = load_latest(bench.out / "checkpoints")
    assert (found and found.step, refused) == (5, [])
    assert bench.resume().code == 0
    assert final(bench.out) == alone


def test_fault_19_disk_full_while_preparing_is_told_before_it_happens(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 10**12, 1000))  # type: ignore[attr-defined]
    answer = bench.run()
    assert answer.code == 3
    assert "the prepared images need 0.0 GiB, the disk of " in bench.sentence(answer)
    assert not bench.out.exists()


def test_fault_19_disk_full_for_the_log_is_one_sentence(bench: Any, at_step: Any) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "log.jsonl")

    at_step(8, full)
    answer = bench.run()
    assert answer.code == 3
    assert bench.sentence(answer).startswith("the disk is full (log.jsonl); what was finished is kept; free some space")


# --- 27: weights that fit only partly ---------------------------------------------------------------------------------


def test_fault_27_weights_that_fit_only_partly_are_an_error_unless_allowed_by_name(bench: Any) -> None:
    source = bench.home / "source"
    assert bench.run(out=source, method=("--method", "random")).code == 0
    weights = load_file(source / "encoder" / "model.safetensors")
    del weights["norm.bias"]
    weights |= {"decoder.mask": torch.zeros(3), "norm.weight": torch.zeros(5)}
    file = bench.home / "partly.safetensors"
    save_file(weights, file)
    answer = bench.run("--init", file, method=PRETRAINED)
    assert answer.code == 3
    assert (
        f"weights {file} do not fit the encoder (missing: norm.bias; left over: decoder.mask; "
        "of another shape: norm.weight (5,) instead of (16,))"
    ) in bench.sentence(answer)
    assert not bench.out.exists()
    save_file({**weights, "norm.weight": torch.ones(16)}, file)
    answer = bench.run("--init", file, "--set", "backbone.init_allow=norm.*,decoder.*", method=PRETRAINED)
    assert answer.code == 0, answer.err


def test_fault_27_weights_of_another_architecture_are_an_error(bench: Any) -> None:
    file = bench.home / "resnet.pth"
    torch.save(timm.create_model("resnet18", num_classes=3).state_dict(), file)
    answer = bench.run("--init", file, method=PRETRAINED)
    assert answer.code == 3
    assert "do not fit the encoder (missing: cls_token, pos_embed" in bench.sentence(answer)
    assert not bench.out.exists()
