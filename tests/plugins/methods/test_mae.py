import pytest
import torch
from torch import nn

from ssl_bench.config.config import load
from ssl_bench.errors import UsageError
from ssl_bench.plan.parts import choose_parts
from ssl_bench.plugin.contracts import Encoding
from ssl_bench.plugin.methods import random_keep
from sslbench_methods.mae import mae_loss, patchify


def test_patches_are_in_the_order_of_the_vits_tokens(checks):
    vit = checks.build("mae").backbone.model
    images = torch.randn(2, 1, 32, 32, dtype=torch.float64)
    kernel = vit.patch_embed.proj.weight.flatten(1)
    tokens = patchify(images, 8) @ kernel.T + vit.patch_embed.proj.bias
    torch.testing.assert_close(tokens, vit.patch_embed(images).flatten(1, -2))


def test_only_hidden_patches_count():
    torch.manual_seed(0)
    rebuilt, wanted = torch.randn(2, 3, 16, 4, dtype=torch.float64).unbind()
    rebuilt.requires_grad_()
    keep = random_keep(3, 16, 0.75, rebuilt.device)
    loss = mae_loss(rebuilt, wanted, keep, norm_pixels=False)
    loss.backward()
    hidden = torch.ones(3, 16, dtype=torch.bool).scatter(1, keep, False)
    torch.testing.assert_close(loss, (rebuilt - wanted)[hidden].square().mean())
    assert (rebuilt.grad[~hidden] == 0).all()
    assert (rebuilt.grad[hidden] != 0).all()


def test_pixels_are_normalised_patch_by_patch():
    wanted = torch.randn(2, 4, 9, dtype=torch.float64)
    keep = torch.zeros(2, 1, dtype=torch.int64)
    one = (wanted - wanted.mean(-1, keepdim=True)) / (wanted.var(-1, keepdim=True) + 1e-6).sqrt()
    assert mae_loss(one, wanted, keep) < 1e-20
    assert mae_loss(one, 3 * wanted + 5, keep) < 1e-9


def test_seen_tokens_keep_their_place(checks):
    """A decoder without blocks must put what it was given back where it was."""
    decoder = checks.build("mae").decoder
    decoder.blocks, decoder.norm, decoder.pixels = (nn.Identity() for _ in range(3))
    tokens = torch.randn(2, 4, 32, dtype=torch.float64)
    keep = torch.tensor([[1, 5, 9, 15], [0, 2, 3, 14]])
    out = decoder(Encoding(tokens.mean(1), tokens), keep) - decoder.positions
    for row in range(2):
        torch.testing.assert_close(out[row, keep[row]], decoder.embed(tokens[row]))
    hidden = torch.ones(2, 16, dtype=torch.bool).scatter(1, keep, False)
    assert torch.allclose(out[hidden], decoder.hidden)


@pytest.mark.parametrize("fused", [False, True])
def test_every_parameter_learns(checks, fused):
    checks.learns_everywhere("mae", fused=fused)


def test_it_overfits_and_repeats(checks):
    checks.overfits("mae")
    checks.repeats("mae")


def test_evaluated_is_the_encoder_alone(checks):
    method = checks.build("mae")
    assert method.encoder is method.backbone


def test_the_encoder_sees_the_kept_patches_alone(checks):
    method = checks.build("mae")
    sizes = []
    method.backbone.model.blocks.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[1]))
    method.training_loss(checks.batch(method), 0.0)
    assert sizes == [1 + 4]  # the class token and a quarter of 16 patches


def test_a_cnn_is_refused(registry):
    config = load({"method": "mae", "backbone": {"name": "resnet18"}}, name="smoke")
    with pytest.raises(UsageError, match=r"^method 'mae' drops patches and needs a ViT; backbone 'resnet18'"):
        choose_parts(config, registry)
