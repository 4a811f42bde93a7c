import pytest
import torch
from torch import nn

from sslbench_methods.byol import byol_loss


def test_loss_and_gradients_are_the_official_ones(golden, precision):
    wanted = golden("byol")
    p1, p2 = precision.input(wanted["prediction_1"]), precision.input(wanted["prediction_2"])
    z1, z2 = precision.input(wanted["target_1"]), precision.input(wanted["target_2"])
    loss = byol_loss(p1, p2, z1, z2)
    loss.backward()
    precision.assert_equal(loss, wanted["total"])
    precision.assert_equal(p1.grad, wanted["grad_prediction_1"])
    precision.assert_equal(p2.grad, wanted["grad_prediction_2"])
    assert z1.grad is None
    assert z2.grad is None


def test_autocast_does_not_touch_the_loss():
    tensors = torch.randn(4, 6, 8).unbind()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = byol_loss(*tensors)
    assert torch.equal(inside, byol_loss(*tensors))


@pytest.mark.parametrize("kind", ["vit", "cnn"])
@pytest.mark.parametrize("fused", [False, True])
def test_every_parameter_learns(checks, kind, fused):
    checks.learns_everywhere("byol", kind, fused=fused)


def test_it_overfits_and_repeats(checks):
    checks.overfits("byol")
    checks.repeats("byol")


def test_target_follows_and_never_sees_ehr(checks):
    checks.follows("byol", "target_backbone", "backbone")
    checks.follows("byol", "target_projector", "projector")
    checks.keeps_ehr_out("byol", "target_projector")


def test_momentum_is_the_official_schedule(checks):
    method = checks.build("byol", momentum=0.99)
    assert method.after_step(0.0)["momentum"] == pytest.approx(0.99)
    assert method.after_step(0.5)["momentum"] == pytest.approx(0.995)
    assert method.after_step(1.0)["momentum"] == pytest.approx(1.0)


def test_evaluated_is_the_online_backbone(checks):
    method = checks.build("byol")
    assert method.encoder is method.backbone


def test_heads_are_the_official_ones(checks):
    method = checks.build("byol")
    for head in (method.projector, method.predictor):
        linear = [layer for layer in head if isinstance(layer, nn.Linear)]
        assert [layer.bias is not None for layer in linear] == [True, False]
        assert sum(isinstance(layer, nn.BatchNorm1d) for layer in head) == 1


def test_official_views_differ_in_blur(checks):
    first, second = checks.build("byol").views
    assert (first.photometric.blur_probability, second.photometric.blur_probability) == (1.0, 0.1)
    assert (first.scale, first.flip, first.photometric.solarize_probability) == ((0.08, 1.0), 0.0, 0.0)
