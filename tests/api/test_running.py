"""``ssl_bench.run``: its arguments are keys of the configuration, told wrong in the words of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

import ssl_bench
from ssl_bench.api import start as starting
from ssl_bench.config.config import RunConfig
from ssl_bench.errors import UsageError


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
