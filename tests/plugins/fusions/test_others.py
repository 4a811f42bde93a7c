"""Gated, FiLM, cross-attention, concatenation without projection, prediction, and none: what each one computes."""

from __future__ import annotations

import math

import pandas as pd
import pytest
import torch
from torch import Tensor

from ssl_bench.plugin.contracts import Encoding
from ssl_bench.plugin.features import learn_schema
from ssl_bench.plugin.options import Options
from sslbench_fusions.concat import ConcatNoProjection
from sslbench_fusions.cross_attention import CrossAttention, heads
from sslbench_fusions.film import Film
from sslbench_fusions.gated import Gated
from sslbench_fusions.nothing import Nothing
from sslbench_fusions.options import ConcatOptions, CrossAttentionOptions, FilmOptions, PredictOptions
from sslbench_fusions.predict import Predict

ROWS, DIM, TOKENS = 5, 6, 4
SCHEMA = learn_schema(pd.DataFrame(), ("age", "sex"))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def encoding() -> Encoding:
    return Encoding(noise(ROWS, DIM), noise(ROWS, TOKENS, DIM, seed=1))


@pytest.fixture
def ehr() -> Tensor:
    return torch.tensor([[0.2, 1, 0], [0.9, 0, 1], [0.5, 1, 0], [0.1, 0, 1], [0.7, 1, 0]], dtype=torch.float64)


def test_without_a_projection_the_image_feature_stays(encoding: Encoding, ehr: Tensor) -> None:
    fusion = ConcatNoProjection(ConcatOptions(ehr_dim=4), DIM, SCHEMA).double()
    fused = fusion.fuse(encoding, ehr, torch.ones_like(ehr)).features
    assert fusion.out_dim == DIM + 4
    torch.testing.assert_close(fused[:, :DIM], encoding.pooled)
    torch.testing.assert_close(fused[:, DIM:], fusion.embed(ehr))


def test_a_gate_mixes_and_begins_with_the_image(encoding: Encoding, ehr: Tensor) -> None:
    fusion = Gated(Options(), DIM, SCHEMA).double()
    torch.nn.init.zeros_(fusion.gate.weight)
    share = 1 / (1 + math.exp(-2.0))
    fused = fusion.fuse(encoding, ehr, torch.ones_like(ehr)).features
    torch.testing.assert_close(fused, share * encoding.pooled + (1 - share) * fusion.embed(ehr))
    assert share > 0.85


def test_film_begins_as_the_image_alone(encoding: Encoding, ehr: Tensor) -> None:
    fusion = Film(FilmOptions(), DIM, SCHEMA).double()
    fused = fusion.fuse(encoding, ehr, torch.ones_like(ehr)).features
    torch.testing.assert_close(fused, encoding.pooled, rtol=0, atol=0)
    torch.nn.init.constant_(fusion.scale.bias, 2.0)
    torch.testing.assert_close(fusion.fuse(encoding, ehr, torch.ones_like(ehr)).features, 3 * encoding.pooled)


def test_features_attend_tokens(encoding: Encoding, ehr: Tensor) -> None:
    """One head by hand: the tokens of age and sex weigh the image tokens by a softmax of their products."""
    fusion = CrossAttention(CrossAttentionOptions(heads=1), DIM, SCHEMA).double()
    found = fusion.fuse(encoding, ehr, torch.ones_like(ehr)).features
    age = ehr[:, :1] * fusion.embed[0] + fusion.kind[0]
    sex = ehr[:, 1:] @ fusion.embed[1:] + fusion.kind[1]
    wanted = encoding.pooled
    for asking in (age, sex):
        scores = torch.einsum("bd,bnd->bn", fusion.query(asking), fusion.key(encoding.tokens)) / DIM**0.5
        answer = torch.einsum("bn,bnd->bd", scores.softmax(1), fusion.value(encoding.tokens))
        wanted = wanted + fusion.out(asking + answer) / 2
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("dim", "most", "wanted"), [(192, 4, 4), (192, 5, 4), (7, 4, 1), (8, 16, 8)])
def test_heads_divide_the_width(dim: int, most: int, wanted: int) -> None:
    assert heads(dim, most) == wanted


def test_prediction_scores_known_values_alone(encoding: Encoding, ehr: Tensor) -> None:
    fusion = Predict(PredictOptions(weight=3.0), DIM, SCHEMA).double()
    present = torch.ones_like(ehr)
    present[0, 0] = 0
    present[1, 1:] = 0
    losses = fusion.fuse(encoding, ehr, present).losses
    guess = fusion.head(encoding.pooled)
    age = 12 * (guess[1:, 0] - ehr[1:, 0]).square().mean()
    kept = torch.tensor([0, 2, 3, 4])
    sex = torch.nn.functional.cross_entropy(guess[kept, 1:], ehr[kept, 1:].argmax(1))
    torch.testing.assert_close(losses["age"], 1.5 * age)
    torch.testing.assert_close(losses["sex"], 1.5 * sex)
    assert not any(fusion.fuse(encoding, ehr, 0 * present).losses.values())


def test_none_is_the_image_alone(encoding: Encoding, ehr: Tensor) -> None:
    fusion = Nothing(Options(), DIM, SCHEMA)
    assert fusion.fuse(encoding, ehr, torch.ones_like(ehr)).features is encoding.pooled
    assert not list(fusion.parameters())
