"""Checkpoints that survive kills, flipped bytes and full disks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from ssl_bench.errors import DataError
from ssl_bench.pretrain import checkpoint as module
from ssl_bench.pretrain.checkpoint import conditions, load_latest, restore, save, state_tensors

META = {"identity": {"config": {"seed": 0}, "splits": "abc"}, "conditions": {"threads": 1}}


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {"method.weight": torch.full((3, 2), value), "method.steps": torch.tensor(int(value))}


def saved(folder: Path, *steps: int) -> Path:
    for step in steps:
        save(folder, step, tensors(step), META)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))


def trained(seed: int, steps: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1), nn.Linear(2, 2))  # the last is unused
    tables = [{"params": model[0].parameters(), "lr": 1e-2}, {"params": [*model[1:].parameters()], "lr": 1e-3}]
    optimizer = torch.optim.AdamW(tables, fused=True)
    for _ in range(steps):
        train(model, optimizer)
    return model, optimizer


def train(model: nn.Sequential, optimizer: torch.optim.Optimizer) -> None:
    rows = torch.rand(6, 4)
    (model[:3](rows) - rows.sum(1, keepdim=True)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_what_is_loaded_equals_what_was_saved(tmp_path: Path) -> None:
    found, refused = load_latest(saved(tmp_path, 7))
    assert found is not None
    assert refused == []
    assert found.step == 7
    assert found.meta["identity"] == META["identity"]
    for name, value in tensors(7).items():
        assert torch.equal(found.tensors[name], value)
        assert found.tensors[name].dtype == value.dtype


def test_model_and_optimiser_go_on_bit_by_bit(tmp_path: Path) -> None:
    model, optimizer = trained(seed=0, steps=3)
    save(tmp_path, 3, state_tensors(model, optimizer), META)
    other, other_optimizer = trained(seed=1, steps=1)
    found, _ = load_latest(tmp_path)
    assert found is not None
    restore(found, other, other_optimizer)
    assert [table["lr"] for table in other_optimizer.param_groups] == [1e-2, 1e-3]
    for pair in ((model, optimizer), (other, other_optimizer)):
        torch.manual_seed(5)
        for _ in range(3):
            train(*pair)
    one, two = state_tensors(model, optimizer), state_tensors(other, other_optimizer)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    slots = {name.rpartition(".")[2] for name in one if name.startswith("optimizer.")}
    assert slots == {"step", "exp_avg", "exp_avg_sq"}


def test_saved_tensors_do_not_move_with_the_model() -> None:
    model, optimizer = trained(seed=0, steps=1)
    kept = state_tensors(model, optimizer)
    before = {name: value.clone() for name, value in kept.items()}
    train(model, optimizer)
    assert all(torch.equal(kept[name], before[name]) for name in kept)


def test_only_two_are_kept(tmp_path: Path) -> None:
    saved(tmp_path, 5, 10, 15, 20)
    assert names(tmp_path) == [f"step-000000{step}.{kind}" for step in (15, 20) for kind in ("json", "safetensors")]


def test_nothing_saved_is_no_error(tmp_path: Path) -> None:
    assert load_latest(tmp_path / "absent") == (None, [])


@pytest.mark.parametrize("kind", ["json", "safetensors"])
def test_a_flipped_byte_anywhere_is_refused_and_the_previous_one_is_used(tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path, 5, 10) / f"step-00000010.{kind}"
    content = path.read_bytes()
    for position in range(0, len(content) - 1, max(1, len(content) // 40)):
        flip(path, position)
        if kind == "json" and json_values(path) == json.loads(content):
            continue  # white space
        found, refused = load_latest(tmp_path)
        assert found is not None
        assert found.step == 5, position
        assert len(refused) == 1
        assert refused[0].startswith("step-00000010: ")
        path.write_bytes(content)
    assert load_latest(tmp_path)[0].step == 10


def json_values(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def test_another_step_in_the_description_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, 5, 10) / "step-00000010.json"
    path.write_text(path.read_text().replace('"step": 10', '"step": 11'))
    found, refused = load_latest(tmp_path)
    assert found.step == 5
    assert "its hash is" in refused[0]


@pytest.mark.parametrize("content", ["", "null", "[]", '{"step": 10}', '{"sha256": 3}'])
def test_a_description_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (saved(tmp_path, 5, 10) / "step-00000010.json").write_text(content)
    assert load_latest(tmp_path)[0].step == 5


def test_lost_weights_are_refused(tmp_path: Path) -> None:
    (saved(tmp_path, 5, 10) / "step-00000010.safetensors").unlink()
    assert load_latest(tmp_path)[0].step == 5


def test_when_all_are_damaged_the_message_names_them(tmp_path: Path) -> None:
    saved(tmp_path, 5, 10)
    for step in (5, 10):
        flip(tmp_path / f"step-{step:08d}.safetensors", 60)
    sentence = r"no checkpoint in .* is intact: step-00000010: .*; step-00000005: .*start again"
    with pytest.raises(DataError, match=sentence):
        load_latest(tmp_path)


FULL = "No space left on device"


@pytest.mark.parametrize("error", [OSError(28, FULL), SafetensorError(f"I/O error: {FULL} (os error 28)")])
def test_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    saved(tmp_path, 5)
    before = names(tmp_path)

    def full(given: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match=FULL):
        saved(tmp_path, 10)
    assert names(tmp_path) == before
    assert load_latest(tmp_path)[0].step == 5


def test_a_kill_between_the_two_files_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, 5)

    def killed(path: Path, value: object) -> None:
        raise SystemError

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_json", killed)
        with pytest.raises(SystemError):
            saved(tmp_path, 10)
    found, refused = load_latest(tmp_path)
    assert (found.step, refused) == (5, [])
    saved(tmp_path, 10)
    assert load_latest(tmp_path)[0].step == 10


def test_what_kills_leave_behind_is_removed(tmp_path: Path) -> None:
    saved(tmp_path, 5, 10)
    (tmp_path / ".step-00000015.safetensors.123.tmp").write_bytes(b"half")  # killed while writing
    (tmp_path / "step-00000015.safetensors").write_bytes(b"whole")  # killed before its description
    (tmp_path / "step-00000020.json").write_text("damaged")  # refused when the run was resumed at step 10
    saved(tmp_path, 12)
    assert names(tmp_path) == [f"step-000000{step}.{kind}" for step in (10, 12) for kind in ("json", "safetensors")]


def test_numbers_as_keys_survive_json(tmp_path: Path) -> None:
    save(tmp_path, 1, tensors(1), {"identity": {10: "a", 9: "b"}, "conditions": {}})
    assert load_latest(tmp_path)[0].meta["identity"] == {"10": "a", "9": "b"}


def test_conditions_name_what_the_bits_depend_on() -> None:
    here = conditions()
    assert here["threads"] == torch.get_num_threads()
    assert here["torch"] == torch.__version__
    assert json.loads(json.dumps(here)) == here
