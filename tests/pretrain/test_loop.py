"""The training loop: it learns, it stops itself, and it goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ssl_bench.build.backbones import build
from ssl_bench.config.config import PretrainConfig
from ssl_bench.data.prefetch import Prefetch
from ssl_bench.data.source import BatchStream, ImageSource, PixelStatistics
from ssl_bench.errors import Interrupted, TrainingStopped
from ssl_bench.plugin.contracts import Batch, Loss, ViewGroup
from ssl_bench.plugin.methods import BaseMethod, ema_update, frozen_copy
from ssl_bench.pretrain import signals
from ssl_bench.pretrain.checkpoint import Checkpoint, load_latest, state_tensors
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.pretrain.loop import Trainer
from ssl_bench.pretrain.watch import Watch, as_evaluated
from ssl_bench.results.training import Summary
from ssl_bench.seeds import seed_torch
from sslbench_methods.msn import MSN
from sslbench_methods.options import MSNOptions

IMAGES, SIDE, BATCH = 26, 12, 8
STEPS = 3
"""Of an epoch."""


class Toy(BaseMethod):
    """Regresses a label; with random noise, a BatchNorm and a moving average, everything that a checkpoint must hold.

    Args:
        fault: called with the progress and the hidden features, returns what is used in their stead.
    """

    views = (ViewGroup("x", 1, 8, (0.9, 1.0)), ViewGroup("unused", 2, 4, (0.3, 0.5)))
    schedule_stretch = 1.25

    def __init__(self, seed: int = 0, fault: Callable[[float, Tensor], Tensor] | None = None) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.net = nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.GELU())
        self.head = nn.Linear(16, 1)
        self.average = frozen_copy(self.net)
        self.average.patch_size = 0
        self.fault = fault

    @property
    def encoder(self) -> Any:
        return self.average

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        hidden = self.net(batch.views["x"].flatten(1))
        if self.fault:
            hidden = self.fault(progress, hidden)
        loss = (self.head(hidden + 0.01 * torch.randn_like(hidden)) - batch.labels).square().mean()
        seen = hidden.detach()
        return Loss(loss, {"half": loss.detach() / 2}, features=seen, probabilities=seen.softmax(1))

    def after_step(self, progress: float) -> Mapping[str, float]:
        ema_update(self.average, self.net, 0.9)
        return {"momentum": 0.9}


@dataclass
class Told:
    """A reporter that remembers, and that can act at a step."""

    act: Mapping[int, Callable[[], None]] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def step(self, done: int, total: int, entry: Mapping[str, Any]) -> None:
        self.entries.append(dict(entry))
        self.act.get(done, lambda: None)()

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)


def stream(views: Any, residency: Any = "auto") -> BatchStream:
    generator = np.random.default_rng(0)
    brightness = generator.integers(40, 200, IMAGES)
    images = (brightness[:, None, None] + generator.integers(-40, 40, (IMAGES, SIDE, SIDE))).astype(np.uint8)
    labels = (brightness[:, None] - 120) / 50
    nothing = np.zeros((IMAGES, 0))
    return BatchStream(
        ImageSource(images, torch.device("cpu"), residency),
        np.arange(IMAGES),
        (nothing, nothing, labels),
        views,
        PixelStatistics(0.5, 0.2),
        batch_size=BATCH,
        seed=0,
        image_ids=[f"i{row}" for row in range(IMAGES)],
    )


def trainer(folder: Path, method: Any, told: Told | None = None, **config: Any) -> Trainer:
    defaults: dict[str, Any] = {
        "epochs": 4,
        "batch_size": BATCH,
        "lr": 1e-2,
        "warmup_epochs": 0.5,
        "log_every": 1,
        "accelerator": "cpu",
        "precision": "32-true",
    }
    settings = PretrainConfig(**defaults | config)
    return Trainer(
        method, stream(method.views), settings, build_fabric(settings), folder / "checkpoints", told or Told(),
        seed=0, identity={"config": "c"},
    )  # fmt: skip


def state(of: Trainer) -> dict[str, Tensor]:
    return state_tensors(of.module, of.optimizer)


def assert_same_bits(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different


def last(folder: Path) -> Checkpoint:
    found, refused = load_latest(folder / "checkpoints")
    assert found is not None
    assert refused == []
    return found


def stopped(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "stopped.json").read_text()))


def send(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def numbers(told: Told) -> list[dict[str, Any]]:
    """Log entries without the speed."""
    return [{name: value for name, value in entry.items() if name != "images_per_second"} for entry in told.entries]


# --- fair weather -----------------------------------------------------------------------------------------------------


def test_the_loss_falls(tmp_path: Path) -> None:
    told = Told()
    trainer(tmp_path, Toy(), told, epochs=30, checkpoint_every=100.0).run()
    assert told.entries[-1]["loss"] < 0.2 * told.entries[0]["loss"]
    assert told.warnings == []


def test_every_value_in_use_is_logged(tmp_path: Path) -> None:
    told = Told()
    trainer(tmp_path, Toy(), told, log_every=5).run()
    assert [entry["step"] for entry in told.entries] == [5, 10, 12]  # the last step, too
    assert [entry["epoch"] for entry in told.entries] == pytest.approx([5 / 3, 10 / 3, 4])
    expected = {"loss", "half", "grad_norm", "lr", "weight_decay", "momentum", "images_per_second"}
    monitors = {"embedding_std", "effective_rank", "prototype_entropy"}
    for entry in told.entries:
        assert entry.keys() == {"step", "epoch"} | expected | monitors
        assert all(isinstance(value, int | float) and np.isfinite(value) for value in entry.values())
    json.dumps(told.entries)


def test_the_summary_counts_images_and_crops(tmp_path: Path) -> None:
    summary = trainer(tmp_path, Toy()).run()
    assert isinstance(summary, Summary)
    assert (summary.steps, summary.images_seen, summary.crops_seen) == (12, 96, 288)
    assert (summary.precision, summary.device, summary.resumed_at) == ("32-true", "cpu", 0)
    assert summary.final["step"] == 12
    assert summary.images_per_second > 0


def test_checkpoints_come_by_the_epoch_and_two_stay(tmp_path: Path) -> None:
    trainer(tmp_path, Toy()).run()
    kept = sorted(path.name for path in (tmp_path / "checkpoints").glob("*.json"))
    assert kept == ["step-00000009.json", "step-00000012.json"]


def test_the_last_step_is_saved_whatever_the_interval(tmp_path: Path) -> None:
    made = trainer(tmp_path, Toy(), checkpoint_every=100.0)
    made.run()
    assert last(tmp_path).step == 12
    assert_same_bits(last(tmp_path).tensors, state(made))


def test_training_in_bf16(tmp_path: Path) -> None:
    told, seen = Told(), set[torch.dtype]()
    method = Toy()
    method.net[0].register_forward_hook(lambda module, given, out: seen.add(out.dtype))
    summary = trainer(tmp_path, method, told, epochs=1, precision="bf16-mixed").run()
    assert summary.precision == "bf16-mixed"
    assert seen == {torch.bfloat16}
    assert np.isfinite(told.entries[-1]["loss"])


def test_the_same_seed_gives_the_same_bits(tmp_path: Path) -> None:
    runs = [trainer(tmp_path / name, Toy()) for name in ("a", "b")]
    torch.rand(3)
    for run in runs:
        run.run()
    assert_same_bits(*map(state, runs))


# --- resume -----------------------------------------------------------------------------------------------------------


def msn(seed: int = 0) -> MSN:
    seed_torch(seed, "backbone")
    backbone = build(16, "vit_tiny_patch16_224", patch_size=4, embed_dim=16, depth=1, num_heads=2)
    options = MSNOptions(prototypes=8, hidden_dim=16, output_dim=8, focal_views=2, focal_size=8)
    return MSN(options, backbone, None)


@pytest.mark.parametrize("make", [Toy, msn])
@pytest.mark.parametrize("step", [1, STEPS, 7, 11])
def test_a_resumed_training_ends_in_the_same_bits(tmp_path: Path, make: Callable[[int], Any], step: int) -> None:
    alone, told = trainer(tmp_path / "alone", make(0), all_told := Told()), Told({step: send(signal.SIGTERM)})
    alone.run()
    with pytest.raises(Interrupted, match=rf"SIGTERM: saved at step {step} of 12; continue with --resume .*cut"):
        trainer(tmp_path / "cut", make(0), told).run()
    assert last(tmp_path / "cut").step == step
    again_told = Told()
    again = trainer(tmp_path / "cut", make(1), again_told)  # other initial weights: the checkpoint holds everything
    torch.rand(5)
    summary = again.run(last(tmp_path / "cut"))
    assert (summary.resumed_at, summary.steps) == (step, 12)
    assert_same_bits(state(again), state(alone))
    assert numbers(told) + numbers(again_told) == numbers(all_told)


def test_a_killed_training_goes_on_from_the_last_epoch(tmp_path: Path) -> None:
    alone = trainer(tmp_path / "alone", Toy())
    alone.run()

    def die() -> None:
        raise SystemError("kill -9")

    with pytest.raises(SystemError):
        trainer(tmp_path / "cut", Toy(), Told({8: die})).run()
    assert last(tmp_path / "cut").step == 6
    again = trainer(tmp_path / "cut", Toy(1))
    again.run(last(tmp_path / "cut"))
    assert_same_bits(state(again), state(alone))


def test_a_finished_training_stays_as_it_is(tmp_path: Path) -> None:
    first, told = trainer(tmp_path, Toy()), Told()
    first.run()
    again = trainer(tmp_path, Toy(1), told)
    summary = again.run(last(tmp_path))
    assert (summary.steps, summary.resumed_at) == (12, 12)
    assert told.entries == []
    assert_same_bits(state(again), state(first))


def test_images_that_are_read_ahead_train_to_the_same_bits_and_resume(tmp_path: Path) -> None:
    def from_disk(name: str, seed: int, told: Told | None = None) -> Trainer:
        made = trainer(tmp_path / name, Toy(seed), told)
        made.stream = stream(made.method.views, "disk")
        return made

    alone = trainer(tmp_path / "alone", Toy())
    alone.run()
    with pytest.raises(Interrupted, match="saved at step 5 of 12"):
        from_disk("cut", 0, Told({5: send(signal.SIGTERM)})).run()
    again = from_disk("cut", 1)
    again.run(last(tmp_path / "cut"))
    assert isinstance(again.batches, Prefetch)
    assert_same_bits(state(again), state(alone))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_at_the_step_boundary(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=number.name):
        trainer(tmp_path, Toy(), Told({5: send(number)})).run()
    assert last(tmp_path).step == 5
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(("second", "echo"), [(signal.SIGTERM, -1.0), (signal.SIGINT, 60.0)])
def test_a_second_signal_leaves_without_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: signal.Signals, echo: float
) -> None:
    monkeypatch.setattr(signals, "ECHO_S", echo)

    def twice() -> None:
        send(signal.SIGTERM)()
        send(second)()

    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, Toy(), Told({5: twice})).run()
    assert last(tmp_path).step == 3  # of the epoch before


def test_a_signal_that_comes_twice_at_once_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "ECHO_S", 60.0)

    def twice() -> None:
        send(signal.SIGTERM)()
        send(signal.SIGTERM)()

    with pytest.raises(Interrupted, match="SIGTERM: saved at step 5 of 12"):
        trainer(tmp_path, Toy(), Told({5: twice})).run()


# --- foul weather -----------------------------------------------------------------------------------------------------


def at(step: int, value: float) -> Callable[[float, Tensor], Tensor]:
    return lambda progress, hidden: hidden * (value if round(progress * 12) + 1 >= step else 1.0)


@pytest.mark.parametrize("step", [5, 6, 12])
@pytest.mark.parametrize("value", [float("nan"), 1e38])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, step: int, value: float) -> None:
    made = trainer(tmp_path, Toy(fault=at(step, value)), log_every=100)
    with pytest.raises(TrainingStopped, match=rf"the loss is (nan|inf) and .* at step {step}; lower pretrain\.lr"):
        made.run()
    assert stopped(tmp_path)["step"] == step
    assert stopped(tmp_path)["image_ids"] == made.stream.names(step - 1)
    assert len(stopped(tmp_path)["image_ids"]) == BATCH
    kept = last(tmp_path)
    assert kept.step == (step - 1) // STEPS * STEPS
    assert all(tensor.isfinite().all() for tensor in kept.tensors.values())


def test_a_gradient_that_is_not_finite_stops_the_run_before_it_is_saved(tmp_path: Path) -> None:
    def fault(progress: float, hidden: Tensor) -> Tensor:
        return hidden + (hidden - hidden).sqrt() if round(progress * 12) + 1 == 6 else hidden  # 0, with slope infinity

    with pytest.raises(TrainingStopped, match=r"the loss is \d.* and its gradient's norm (nan|inf) at step 6"):
        trainer(tmp_path, Toy(fault=fault)).run()
    assert last(tmp_path).step == 3


def test_collapse_warns_then_stops_and_replaces_no_good_checkpoint(tmp_path: Path) -> None:
    told = Told()
    made = trainer(tmp_path, Toy(fault=at(5, 0.0)), told)
    with pytest.raises(TrainingStopped, match=r"features collapsed: .* up to step 9"):
        made.run()
    assert told.warnings == ["features look collapsed at step 5"]
    assert stopped(tmp_path)["image_ids"] == made.stream.names(8)
    assert last(tmp_path).step == 3


def test_lack_of_memory_names_the_batch_size(tmp_path: Path) -> None:
    def fault(progress: float, hidden: Tensor) -> Tensor:
        torch.empty(1 << 46, dtype=torch.uint8)
        return hidden

    with pytest.raises(TrainingStopped, match=rf"out of memory at batch size {BATCH} .* it is never lowered for you"):
        trainer(tmp_path, Toy(fault=fault)).run()


def test_msn_learns_a_few_images(tmp_path: Path) -> None:
    told = Told()
    trainer(tmp_path, msn(), told, epochs=20, lr=3e-3, checkpoint_every=100.0).run()
    losses = [entry["cross_entropy"] for entry in told.entries]
    assert np.mean(losses[-6:]) < np.mean(losses[:3]) - 0.1


def test_watching_and_probing_change_no_bit_of_the_training(tmp_path: Path) -> None:
    def look(encoder: Any) -> dict[str, float]:
        with as_evaluated(encoder), torch.no_grad():
            return {"probe": float(encoder(torch.rand(4, 64)).mean())}  # draws random numbers, as a careless one might

    plain, told = Told(), Told()
    alone = trainer(tmp_path / "a", Toy(), plain)
    alone.run()
    watched = trainer(tmp_path / "b", Toy(), told, probe_every=2)
    watched.probe, watched.probed_every, watched.watch = (
        look,
        2 * watched.stream.steps_per_epoch,
        Watch(torch.ones(1, 1, 8, 8)),
    )
    watched.watch.look = lambda encoder: {"watched": look(encoder)["probe"]}  # type: ignore[method-assign]
    watched.run()
    assert_same_bits(state(alone), state(watched))
    assert [entry["epoch"] for entry in told.entries if "probe" in entry] == [2.0, 4.0]
    assert [entry["loss"] for entry in told.entries] == [entry["loss"] for entry in plain.entries]
    assert all("watched" in entry for entry in told.entries)
