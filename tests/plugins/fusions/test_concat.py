"""The paper's fusion."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import Tensor

from ssl_bench import FusionSpec
from ssl_bench.plugin.contracts import Encoding, Fusion
from ssl_bench.plugin.features import learn_schema
from sslbench_fusions import sslbench_components
from sslbench_fusions.concat import Concat
from sslbench_fusions.options import ConcatOptions

ROWS, DIM, COLUMNS = 5, 6, 3
SCHEMA = learn_schema(pd.DataFrame(), ("age", "sex"))


@pytest.fixture
def fusion() -> Concat:
    torch.manual_seed(0)
    made = Concat(ConcatOptions(ehr_dim=4), DIM, SCHEMA).double()
    with torch.no_grad():
        made.absence.normal_()
    return made


@pytest.fixture
def encoding() -> Encoding:
    pooled = torch.randn(ROWS, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return Encoding(pooled, pooled[:, None])


@pytest.fixture
def ehr() -> Tensor:
    return torch.rand(ROWS, COLUMNS, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def test_with_everything_present_it_is_the_papers(fusion: Concat, encoding: Encoding, ehr: Tensor) -> None:
    fused = fusion.fuse(encoding, ehr, torch.ones_like(ehr))
    embedded = ehr @ fusion.embed.weight.T + fusion.embed.bias
    wanted = torch.cat([encoding.pooled, embedded], dim=1) @ fusion.project.weight.T + fusion.project.bias
    torch.testing.assert_close(fused.features, wanted, rtol=1e-12, atol=1e-12)
    assert fused.losses == {}


def test_shapes(fusion: Concat) -> None:
    assert isinstance(fusion, Fusion)
    assert fusion.out_dim == DIM
    assert fusion.embed.weight.shape == (4, COLUMNS)
    assert fusion.project.weight.shape == (DIM, DIM + 4)
    assert Concat(ConcatOptions(), DIM, SCHEMA).embed.out_features == 128


def test_a_missing_value_is_learnt_and_not_read(fusion: Concat, encoding: Encoding, ehr: Tensor) -> None:
    present = torch.ones_like(ehr)
    present[2, 1:] = 0
    other = ehr.clone()
    other[2, 1:] = 99
    fused = fusion.fuse(encoding, ehr, present).features
    torch.testing.assert_close(fusion.fuse(encoding, other, present).features, fused, rtol=0, atol=0)
    filled = torch.where(present.bool(), ehr, fusion.absence)
    torch.testing.assert_close(fusion.fuse(encoding, filled, torch.ones_like(ehr)).features, fused)
    fused.sum().backward()
    assert fusion.absence.grad is not None
    assert fusion.absence.grad[0] == 0
    assert fusion.absence.grad[1:].all()


def test_missing_is_not_zero(fusion: Concat, encoding: Encoding) -> None:
    nothing = torch.zeros(ROWS, COLUMNS, dtype=torch.float64)
    absent, zero = (fusion.fuse(encoding, nothing, present).features for present in (nothing, nothing + 1))
    assert not torch.allclose(absent, zero)


def test_named_shifts_move_every_row_alike(fusion: Concat, encoding: Encoding, ehr: Tensor) -> None:
    names = {spec.name: spec.offset_parameters for spec in sslbench_components() if isinstance(spec, FusionSpec)}
    assert names["concat"] == ("embed.bias", "project.bias")
    for name in names["concat"]:
        before = fusion.fuse(encoding, ehr, torch.ones_like(ehr)).features
        with torch.no_grad():
            fusion.get_parameter(name).add_(1.0)
        moved = fusion.fuse(encoding, ehr, torch.ones_like(ehr)).features - before
        torch.testing.assert_close(moved, moved[:1].expand_as(moved))
        assert moved.abs().min() > 0
