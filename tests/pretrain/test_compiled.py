"""``pretrain.compile``: the same step, through what torch compiles, and a plain backbone afterwards."""

from __future__ import annotations

import shutil

import pytest
import torch

from ssl_bench.config.config import PretrainConfig
from ssl_bench.errors import UsageError
from ssl_bench.pretrain.compiled import check_compiler, compiled
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.seeds import seed_torch
from ssl_bench.testing import tiny
from sslbench_methods.msn import MSN
from sslbench_methods.options import MSNOptions


def test_it_is_off_unless_asked_for() -> None:
    assert PretrainConfig().compile is False


def test_a_compiled_step_is_the_same_and_the_backbones_stay_as_they_were() -> None:
    seed_torch(0, "backbone")
    options = MSNOptions(prototypes=8, hidden_dim=16, output_dim=8, focal_views=2, focal_size=16)
    method = MSN(options, tiny.backbone("vit"), None).train()
    batch, graphs = tiny.batch(method.views, dtype=torch.float32), []
    state = {name: value.clone() for name, value in method.state_dict().items()}

    def backend(graph: torch.fx.GraphModule, inputs: object) -> object:  # inductor itself takes a minute
        graphs.append(graph)
        return graph.forward

    losses = []
    for within in (False, True, False):
        method.load_state_dict(state)
        torch.manual_seed(1)
        if within:
            with compiled(method, backend=backend):
                losses.append(method.training_loss(batch, 0.0).total)
            assert len(graphs) >= 3  # target, masked anchor, focal views
        else:
            losses.append(method.training_loss(batch, 0.0).total)
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=0)
    assert torch.equal(losses[2], losses[0])
    assert "forward" not in vars(method.backbone)
    assert list(method.state_dict()) == list(state)


@pytest.mark.parametrize(
    ("accelerator", "sentence"),
    [
        ("cpu", r"pretrain\.compile needs a C\+\+ compiler, found none of .*; install one, or leave"),
        ("cuda", r"pretrain\.compile needs a C compiler, found none of gcc, clang; install one, or leave"),
    ],
)
def test_a_compiler_that_is_not_there(monkeypatch: pytest.MonkeyPatch, accelerator: str, sentence: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(UsageError, match=sentence):
        check_compiler(accelerator)
    build_fabric(PretrainConfig(accelerator="cpu"))
    with pytest.raises(UsageError, match=r"pretrain\.compile needs"):
        build_fabric(PretrainConfig(accelerator="cpu", compile=True))
