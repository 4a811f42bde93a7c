import pytest
import torch
import torch.nn.functional as F

from ssl_bench.config.config import PRESETS, load
from ssl_bench.errors import UsageError
from ssl_bench.plan.parts import choose_parts
from sslbench_methods.supervised import known_cross_entropy
from sslbench_methods.two_views import view_groups


def test_unknown_labels_do_not_count():
    logits = torch.tensor([[0.3, -2.0], [1.5, 0.1]], requires_grad=True)
    labels = torch.tensor([[1.0, torch.nan], [0.0, 1.0]])
    loss = known_cross_entropy(logits, labels)
    loss.backward()
    known = ~labels.isnan()
    torch.testing.assert_close(loss, F.binary_cross_entropy_with_logits(logits[known], labels[known]))
    assert logits.grad[0, 1] == 0


def test_a_batch_without_labels_gives_no_gradient():
    logits = torch.randn(3, 2, requires_grad=True)
    loss = known_cross_entropy(logits, torch.full((3, 2), torch.nan))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("kind", ["vit", "cnn"])
@pytest.mark.parametrize("fused", [False, True])
def test_every_parameter_learns(checks, kind, fused):
    checks.learns_everywhere("supervised", kind, fused=fused)


def test_it_overfits_and_repeats(checks):
    checks.overfits("supervised")
    checks.repeats("supervised")


@pytest.mark.parametrize("preset", PRESETS)
def test_it_sees_the_crops_of_simclr(registry, preset):
    ours, simclrs = (view_groups(registry.options("method", name, {}, preset), 64) for name in ("supervised", "simclr"))
    assert ours == simclrs


def test_evaluated_is_the_backbone(checks):
    method = checks.build("supervised")
    assert method.encoder is method.backbone


def test_test_labels_stay_out(registry):
    config = load({"method": "supervised", "data": {"allow_test_in_pretraining": True}}, name="smoke")
    with pytest.raises(UsageError, match=r"^method 'supervised' trains on labels, so test patients must stay out"):
        choose_parts(config, registry)
