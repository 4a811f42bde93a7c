"""A mistake is answered by the thing that was meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.config.config import RunConfig
from ssl_bench.plugin.places import option_places, places


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "--method", "msn,simclr"), "for a run of each use sslbench sweep --method msn,simclr"),
        (("ablate", "--out", "a", "--method", "msn,simclr"), "use sslbench sweep --method msn,simclr"),
        (("run", "--backbone", "vit-tiny,vit-small"), "use sslbench sweep --backbone vit-tiny,vit-small"),
        (("run", "--backbone", "resnet18,resnet50"), "use sslbench sweep --backbone resnet18,resnet50"),
        (("run", "--features", "age", "--fusion", "concat,film"), "use sslbench sweep --fusion concat,film"),
        (("run", "--data", "nih14,chexpert"), "repeat --data for several at once"),
        (("run", "--seed", "0,1,2"), "for several use sslbench sweep --seeds 3"),
        (("run", "--set", "prototypes=5"), "key 'prototypes' of the configuration; did you mean 'method.prototypes'?"),
        (("run", "--set", "epochs=5"), "did you mean 'pretrain.epochs'?"),
        (("run", "--set", "replicates=100"), "did you mean 'evaluate.replicates'?"),
        (("run", "--set", "pretrain.size=224"), "key 'pretrain.size' of the configuration; did you mean 'data.size'"),
        (("run", "--set", "data.prototypes=5"), "did you mean 'method.prototypes'?"),
        (("run", "--set", "method.epochs=5"), "of method 'msn-ehr'; did you mean 'pretrain.epochs'?"),
        (("run", "--set", "method.prototype=5"), "did you mean 'prototypes'?"),
        (("run", "--set", "pretrain.epoch=5"), "did you mean 'epochs'?"),
        (("run", "--backbone", "vit_small"), "did you mean 'vit-small'?"),
        (("run", "--backbone", "ViT-Small"), "did you mean 'vit-small'?"),
        (("run", "--label-fraction", "0.1"), "sslbench run has no --label-fraction; set it by --set evaluate.label_fr"),
        (("sweep", "--ehr-control", "noise"), "sslbench sweep has no --ehr-control; set it by --set ehr.control=VALUE"),
        (("run", "--backbone", "resnet-50"), ", or 'resnet50', as timm's names have no '-'"),
    ],
)  # fmt: skip
def test_what_was_meant_is_named(sslbench: Any, arguments: tuple[str, ...], told: str) -> None:
    answer = sslbench(*arguments)
    assert answer.code == 2
    assert told in answer.sentence


@pytest.mark.parametrize("up", [True, False])
def test_a_root_one_level_off(sslbench: Any, tiny_nih: Callable[..., Path], tmp_path: Path, up: bool) -> None:
    root = tiny_nih(fresh=True)
    (tmp_path / "outer").mkdir()
    held = root.rename(tmp_path / "outer" / "nih")
    answer = sslbench("run", "--data", "nih14", "--root", tmp_path / "outer" if up else held / "images", "--dry-run")
    assert answer.code == 3
    assert f"give --root {held}" in answer.err


def test_a_key_has_its_places() -> None:
    assert places("epochs", RunConfig) == ["pretrain.epochs"]
    assert places("no-such", RunConfig) == []
    assert option_places("prototypes") == ["method.prototypes"]
