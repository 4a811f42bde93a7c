import pytest
import torch
from torch import nn

from sslbench_methods.vicreg import vicreg_loss


def test_parts_and_gradients_are_the_official_ones(golden, precision):
    wanted = golden("vicreg")
    a, b = precision.input(wanted["a"]), precision.input(wanted["b"])
    invariance, variance, covariance = vicreg_loss(a, b)
    total = 25 * invariance + 25 * variance + covariance
    total.backward()
    for found, name in ((invariance, "invariance"), (variance, "variance"), (covariance, "covariance")):
        precision.assert_equal(found, wanted[name])
    precision.assert_equal(total, wanted["total"])
    precision.assert_equal(a.grad, wanted["grad_a"])
    precision.assert_equal(b.grad, wanted["grad_b"])


def test_a_constant_output_stays_finite():
    a = torch.ones(6, 8, requires_grad=True)
    sum(vicreg_loss(a, a + 0.0)).backward()
    assert a.grad.isfinite().all()


def test_autocast_does_not_touch_the_loss():
    a, b = torch.randn(2, 6, 8).unbind()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = vicreg_loss(a, b)
    assert all(torch.equal(part, same) for part, same in zip(inside, vicreg_loss(a, b), strict=True))


@pytest.mark.parametrize("kind", ["vit", "cnn"])
@pytest.mark.parametrize("branches", [None, "one", "both"])
def test_every_parameter_learns(checks, kind, branches):
    options = {"fuse_branches": branches} if branches else {}
    checks.learns_everywhere("vicreg", kind, fused=branches is not None, **options)


def test_it_overfits_and_repeats(checks):
    checks.overfits("vicreg")
    checks.repeats("vicreg")


def test_total_is_weighted(checks):
    method = checks.build("vicreg", invariance=2.0, variance=3.0, covariance=5.0)
    loss = method.training_loss(checks.batch(method), 0.0)
    weighted = 2 * loss.parts["invariance"] + 3 * loss.parts["variance"] + 5 * loss.parts["covariance"]
    torch.testing.assert_close(loss.total, weighted)


def test_evaluated_is_the_backbone(checks):
    method = checks.build("vicreg")
    assert method.encoder is method.backbone


def test_head_is_the_official_one(checks):
    linear = [layer for layer in checks.build("vicreg").head if isinstance(layer, nn.Linear)]
    assert [layer.bias is not None for layer in linear] == [True, True, False]
