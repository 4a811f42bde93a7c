"""Thumbnails of the images as a baseline."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from ssl_bench.build.backbones import TimmViT, build
from ssl_bench.errors import UsageError
from sslbench_methods.baselines import Pixels
from sslbench_methods.options import PixelsOptions
from sslbench_methods.thumbnails import principal_axes


@pytest.fixture
def backbone() -> TimmViT:
    found = build(16, "vit_tiny_patch16_224", patch_size=8, embed_dim=16, depth=1, num_heads=2)
    assert isinstance(found, TimmViT)
    return found


def test_a_thumbnail_holds_the_means_of_its_squares(backbone: TimmViT) -> None:
    images = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    encoder = Pixels(PixelsOptions(size=4), backbone, None).encoder
    pooled, tokens = encoder(images)
    expected = images.reshape(3, 4, 4, 4, 4).mean((2, 4)).flatten(1)
    torch.testing.assert_close(pooled, expected)
    assert torch.equal(tokens, pooled[:, None])
    assert encoder.dim == 16
    assert encoder(images, tokens=False).tokens.shape == (3, 0, 16)
    assert encoder.export() is None


def test_principal_axes_are_those_of_the_training_images(backbone: TimmViT) -> None:
    generator = torch.Generator().manual_seed(1)
    parts = [torch.randn(40, 1, 16, 16, generator=generator).cumsum(-1) for _ in range(3)]
    method = Pixels(PixelsOptions(size=4, components=5), backbone, None)
    method.fit(iter(parts))
    found = method.encoder(parts[1]).pooled.numpy()
    rows = torch.cat(parts).reshape(120, 4, 4, 4, 4).mean((2, 4)).flatten(1).numpy()
    expected = PCA(5, svd_solver="full").fit(rows).transform(rows[40:80])
    assert found.shape == (40, 5) == (40, method.encoder.dim)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-3, atol=1e-4)


def test_axes_do_not_depend_on_how_the_images_come(backbone: TimmViT) -> None:
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(2))
    whole, parts = principal_axes([rows]), principal_axes(iter(rows.split(7)))
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="need rows"):
        principal_axes([])


def test_grey_values_need_no_training_images(backbone: TimmViT) -> None:
    def read() -> torch.Tensor:
        raise AssertionError("images were read that nothing is learnt of")

    Pixels(PixelsOptions(), backbone, None).fit(read() for _ in range(1))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 32}, "a thumbnail is smaller than the image, found 32 px of 16 px; choose a smaller size"),
        ({"size": 2, "components": 5}, "a thumbnail of 2 px has 4 principal axes, found 5; choose fewer components"),
    ],
)
def test_a_thumbnail_that_cannot_be_is_refused(options: dict[str, int], sentence: str, backbone: TimmViT) -> None:
    with pytest.raises(UsageError) as caught:
        Pixels(PixelsOptions(**options), backbone, None)
    assert str(caught.value) == sentence


def test_a_thumbnail_drops_no_patches(backbone: TimmViT) -> None:
    with pytest.raises(ValueError, match="no patches to drop"):
        Pixels(PixelsOptions(), backbone, None).encoder(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, dtype=torch.int64))
