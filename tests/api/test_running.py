"""``ssl_bench.run``: its arguments are keys of the configuration, told wrong in the words of the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

import ssl_bench
from ssl_bench.api import start as starting
from ssl_bench.config.config import RunConfig
from ssl_bench.errors import UsageError
from ssl_bench.report.frozen import FrozenEncoder


def test_arguments_for_scale_arrive_in_the_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[RunConfig] = []
    monkeypatch.setattr(starting, "start", lambda config, *rest, **further: asked.append(config) or tmp_path)
    ssl_bench.run(preset="smoke", accumulate=4, checkpoint_activations=True, residency="sharded", accelerator="cpu")
    ssl_bench.run(preset="smoke")
    given, plain = asked
    assert (given.pretrain.accumulate, given.pretrain.checkpoint_activations) == (4, True)
    assert (given.data.residency, given.pretrain.accelerator) == ("sharded", "cpu")
    assert (plain.pretrain.accumulate, plain.pretrain.checkpoint_activations) == (1, False)
    assert (plain.data.residency, plain.pretrain.accelerator) == ("auto", "auto")


@pytest.mark.parametrize(("wrong", "key"), [
    ({"accumulate": 0}, "accumulate"), ({"residency": "gpu"}, "residency"), ({"accelerator": "tpu"}, "accelerator"),
])  # fmt: skip
def test_wrong_values_are_one_sentence(wrong: dict[str, object], key: str) -> None:
    with pytest.raises(UsageError, match=key) as caught:
        ssl_bench.run(preset="smoke", **wrong)
    assert "\n" not in str(caught.value)


def test_a_dataset_may_be_a_path_and_is_told_as_a_name() -> None:
    with pytest.raises(UsageError, match="unknown dataset 'nih'; did you mean 'nih14'"):
        ssl_bench.run(preset="smoke", data=Path("nih"))


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(UsageError, match="a table is expected as a file or a pandas DataFrame, found list"):
        ssl_bench.score([1, 2])  # type: ignore[arg-type]


class Mean(nn.Module):
    num_features = 1

    def forward(self, images: np.ndarray) -> np.ndarray:
        return images.mean((2, 3))


@pytest.mark.parametrize(("images", "told"), [
    ("film.png", "expects a list of images, found 'film.png'; put it into brackets"),
    (Path("film.png"), "expects a list of images"),
    (np.zeros((2, 8, 8), np.float32), r"grey values \(N, 8, 8\) in uint8, found \(2, 8, 8\) in float32"),
    (np.zeros((2, 7, 7), np.uint8), r"found \(2, 7, 7\) in uint8"),
    (np.zeros((8, 8), np.uint8), r"found \(8, 8\) in uint8"),
])  # fmt: skip
def test_an_encoder_refuses_what_it_would_misread(images: object, told: str) -> None:
    encoder = FrozenEncoder(Mean(), 8, 0.5, 0.25)
    with pytest.raises(UsageError, match=told):
        encoder.embed(images)  # type: ignore[arg-type]
    assert encoder.embed(np.full((3, 8, 8), 255, np.uint8)) == pytest.approx(np.full((3, 1), 2.0))
