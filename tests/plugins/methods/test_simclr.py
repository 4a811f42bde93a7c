import pytest
import torch
from torch import nn

from sslbench_methods.simclr import nt_xent
from sslbench_methods.two_views import fuse_views


def test_loss_and_gradients_are_the_official_ones(golden, precision):
    wanted = golden("simclr")
    a, b = precision.input(wanted["a"]), precision.input(wanted["b"])
    loss = nt_xent(a, b, temperature=float(wanted["temperature"]))
    loss.backward()
    precision.assert_equal(loss, wanted["total"])
    # Rounding the inputs to float32 moves the gradient by 6e-7 already: the softmax multiplies errors by 1 / 0.1.
    precision.assert_equal(a.grad, wanted["grad_a"], slack=2)
    precision.assert_equal(b.grad, wanted["grad_b"], slack=2)


def test_autocast_does_not_touch_the_loss():
    a, b = torch.randn(6, 8), torch.randn(6, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(nt_xent(a, b, temperature=0.1), nt_xent(a.clone(), b.clone(), temperature=0.1))
        inside = nt_xent(a, b, temperature=0.1)
    assert torch.equal(inside, nt_xent(a, b, temperature=0.1))


@pytest.mark.parametrize("kind", ["vit", "cnn"])
@pytest.mark.parametrize("branches", [None, "one", "both"])
def test_every_parameter_learns(checks, kind, branches):
    options = {"fuse_branches": branches} if branches else {}
    checks.learns_everywhere("simclr", kind, fused=branches is not None, **options)


def test_it_overfits_and_repeats(checks):
    checks.overfits("simclr")
    checks.repeats("simclr")


def test_evaluated_is_the_backbone(checks):
    method = checks.build("simclr")
    assert method.encoder is method.backbone


def test_head_is_the_official_one(checks):
    head = checks.build("simclr").head
    linear = [layer for layer in head if isinstance(layer, nn.Linear)]
    norms = [layer for layer in head if isinstance(layer, nn.BatchNorm1d)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(32, 32), (32, 32), (32, 32)]
    assert all(layer.bias is None for layer in linear)
    assert [norm.bias is None for norm in norms] == [False, False, True]
    assert all(norm.weight is not None for norm in norms)


@pytest.mark.parametrize("branches", ["one", "both"])
def test_ehr_joins_the_stated_branches(checks, branches):
    method = checks.build("simclr", fused=True)
    batch = checks.batch(method)
    encodings = [method.backbone(batch.views[name]) for name in ("first", "second")]
    features, _ = fuse_views(method.fusion, encodings, batch, branches=branches)
    joined = [not torch.equal(feature, encoding.pooled) for feature, encoding in zip(features, encodings, strict=True)]
    assert joined == [True, branches == "both"]
