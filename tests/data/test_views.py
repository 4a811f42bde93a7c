"""Views: what is drawn, in which order, on which device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import gaussian_blur, solarize

from ssl_bench.data import views as module
from ssl_bench.data.views import draw_boxes, draw_group, draw_views, whole_view
from ssl_bench.errors import HandledError
from ssl_bench.plugin.contracts import Photometric, ViewGroup

JITTER = Photometric(0.4, 0.4, 0.8, 0.5, (0.1, 2.0), 0.2)
GLOBAL = ViewGroup("global", 2, 32, (0.3, 1.0), JITTER, flip=0.5)
LOCAL = ViewGroup("local", 3, 16, (0.05, 0.3), JITTER, flip=0.5)
PLAIN = ViewGroup("plain", 2, 24, (0.3, 1.0))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(count: int = 4, side: int = 40) -> torch.Tensor:
    return torch.randint(0, 256, (count, 1, side, side), dtype=torch.uint8, generator=seeded(9))


def make(images: torch.Tensor, *groups: ViewGroup, seed: int = 0, dtype: torch.dtype = torch.float32) -> dict:
    return draw_views(images, groups, seeded(seed), mean=0.5, std=0.25, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shapes_and_dtype(dtype: torch.dtype) -> None:
    views = make(random_images(), GLOBAL, LOCAL, dtype=dtype)
    assert {name: tuple(view.shape) for name, view in views.items()} == {
        "global": (8, 1, 32, 32),
        "local": (12, 1, 16, 16),
    }
    assert all(view.dtype == dtype for view in views.values())
    torch.testing.assert_close(
        views["local"].float(), make(random_images(), GLOBAL, LOCAL)["local"], atol=0.02, rtol=0.01
    )


def test_views_are_view_major_and_normalised() -> None:
    levels = torch.tensor([0, 51, 204, 255])
    images = levels.to(torch.uint8)[:, None, None, None].expand(4, 1, 40, 40)
    view = make(images, PLAIN)["plain"]
    expected = ((levels / 255 - 0.5) / 0.25).repeat(2)
    torch.testing.assert_close(view, expected[:, None, None, None].expand(8, 1, 24, 24), atol=1e-5, rtol=0)


def test_a_seed_gives_the_same_views_and_another_seed_others() -> None:
    first, again, other = (make(random_images(), GLOBAL, LOCAL, seed=seed) for seed in (1, 1, 2))
    for name in first:
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])
    assert not torch.equal(first["global"][:4], first["global"][4:])


def test_crops_do_not_depend_on_photometric_settings_or_on_later_groups() -> None:
    plain = replace(GLOBAL, photometric=Photometric())
    with_changes, without = (draw_group(group, 5, 40, seeded()) for group in (GLOBAL, plain))
    assert torch.equal(with_changes.boxes, without.boxes)
    assert torch.equal(with_changes.flip, without.flip)
    assert torch.equal(make(random_images(), PLAIN)["plain"], make(random_images(), PLAIN, LOCAL)["plain"])
    assert torch.equal(make(random_images(), GLOBAL, PLAIN)["plain"], make(random_images(), plain, PLAIN)["plain"])


def test_the_draw_is_the_same_on_another_device() -> None:
    states = []
    for device in ("cpu", "meta"):
        generator = seeded()
        views = draw_views(random_images().to(device), [GLOBAL, LOCAL], generator, mean=0.5, std=0.25)
        assert views["global"].device.type == device
        assert views["global"].shape == (8, 1, 32, 32)
        states.append(generator.get_state())
    assert torch.equal(*states)
    draws = draw_group(GLOBAL, 4, 40, seeded())
    assert all(part.device.type == "cpu" for part in (draws.owner, draws.boxes, draws.flip, draws.changes.sigma))


@pytest.mark.parametrize("group", [GLOBAL, LOCAL], ids=lambda group: group.name)
def test_the_working_set_is_bounded_and_does_not_change_the_result(
    group: ViewGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = make(random_images(), group)[group.name]
    handled = []
    resized_crops = module.resized_crops
    monkeypatch.setattr(module, "CPU_PIXELS", 5000)
    monkeypatch.setattr(module, "resized_crops", lambda *part: handled.append(len(part[1])) or resized_crops(*part))
    in_parts = make(random_images(), group)[group.name]
    assert sum(handled) == len(at_once)
    assert max(handled) * group.size * 48 <= 5000
    torch.testing.assert_close(in_parts, at_once, atol=1e-5, rtol=0)


def test_flips_have_their_probability() -> None:
    group = ViewGroup("flipped", 1, 8, (0.2, 1.0), flip=0.3)
    assert float(draw_group(group, 4000, 40, seeded()).flip.float().mean()) == pytest.approx(0.3, abs=0.03)
    ramp = torch.arange(0, 240, 6, dtype=torch.uint8).expand(64, 1, 40, 40)  # brighter to the right
    for probability, brighter in ((0.0, True), (1.0, False)):
        view = make(ramp, replace(group, flip=probability))["flipped"]
        assert bool(((view[..., -1] > view[..., 0]) == brighter).all())


def test_photometric_changes_reach_the_views() -> None:
    sharp = make(random_images(), PLAIN)["plain"] * 0.25 + 0.5
    for change, expected in (
        (Photometric(blur_probability=1.0, blur_sigma=(14.0, 14.0)), gaussian_blur(sharp, 11, 14 * 24 / 224)),
        (Photometric(solarize_probability=1.0), solarize(sharp, 0.5)),
    ):
        changed = make(random_images(), replace(PLAIN, photometric=change))["plain"] * 0.25 + 0.5
        inside = (..., slice(5, -5), slice(5, -5))  # torchvision reflects at the border
        torch.testing.assert_close(changed[inside], expected[inside], atol=1e-5, rtol=0)
    jittered = make(random_images(), replace(PLAIN, photometric=Photometric(0.5, 0.5, 1.0)))["plain"]
    assert not torch.allclose(jittered, (sharp - 0.5) / 0.25, atol=0.1)


def test_areas_and_ratios_are_distributed_as_torchvisions() -> None:
    torch.manual_seed(0)
    scale, ratio, side, count = (0.3, 1.0), (3 / 4, 4 / 3), 256, 3000
    boxes = draw_boxes(scale, ratio, count, side, seeded()).numpy()
    blank = torch.zeros(1, side, side)
    theirs = np.array([RandomResizedCrop.get_params(blank, scale, ratio) for _ in range(count)])[:, [1, 0, 3, 2]]
    for measure in (
        lambda box: box[:, 2] * box[:, 3],
        lambda box: np.log(box[:, 2] / box[:, 3]),
        lambda box: box[:, 0],
        lambda box: box[:, 1],
    ):
        grid = np.quantile(measure(theirs), np.linspace(0.05, 0.95, 19))
        shares = [(measure(box)[:, None] <= grid).mean(0) for box in (boxes, theirs)]
        assert np.abs(shares[0] - shares[1]).max() < 0.045  # Kolmogorov-Smirnov, p about 0.005


@pytest.mark.parametrize("scale", [(0.05, 0.3), (0.3, 1.0), (1.0, 1.0), (1e-5, 1e-4)])
def test_boxes_are_whole_pixels_inside_the_image(scale: tuple[float, float]) -> None:
    boxes = draw_boxes(scale, (3 / 4, 4 / 3), 500, 30, seeded())
    assert torch.equal(boxes, boxes.round())
    assert bool((boxes >= 0).all())
    assert bool((boxes[:, 2:] >= 1).all())
    assert int((boxes[:, :2] + boxes[:, 2:]).max()) == 30
    assert int(boxes[:, :2].min()) == 0


@pytest.mark.parametrize(("ratio", "box"), [((4.0, 4.0), [0, 15, 40, 10]), ((0.25, 0.25), [15, 0, 10, 40])])
def test_a_crop_that_never_fits_becomes_the_largest_in_the_centre(ratio: tuple[float, float], box: list[int]) -> None:
    assert draw_boxes((0.9, 1.0), ratio, 3, 40, seeded()).tolist() == [box] * 3


@pytest.mark.parametrize("size", [16, 40, 61])
def test_the_whole_view_is_pillows(size: int) -> None:
    images = random_images()
    view = whole_view(images, size, mean=0.5, std=0.25)
    for image, result in zip(images[:, 0].numpy(), view[:, 0].numpy(), strict=True):
        expected = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR), dtype=float)
        assert np.abs((result * 0.25 + 0.5) * 255 - expected).max() < 1.1
    assert whole_view(images, size, mean=0.5, std=0.25, dtype=torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 1, 8, 9, dtype=torch.uint8),
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(2, 8, 8, dtype=torch.uint8),
        torch.zeros(2, 1, 8, 8),
        torch.zeros(0, 1, 8, 8, dtype=torch.uint8),
    ],
    ids=["not square", "three channels", "no channel", "float", "empty"],
)
def test_other_images_are_refused(images: torch.Tensor) -> None:
    with pytest.raises(HandledError, match="square uint8 images"):
        make(images, PLAIN)
    with pytest.raises(HandledError, match="square uint8 images"):
        whole_view(images, 8, mean=0.5, std=0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "at least one view"),
        ({"size": 0}, "at least one view"),
        ({"scale": (0.5, 1.2)}, "for scale"),
        ({"scale": (0.5, 0.3)}, "for scale"),
        ({"ratio": (0.0, 1.0)}, "for ratio"),
        ({"flip": 1.5}, "flip in"),
        ({"photometric": Photometric(brightness=-0.1)}, "brightness in"),
        ({"photometric": Photometric(blur_sigma=(2.0, 1.0))}, "for blur_sigma"),
    ],
)
def test_impossible_groups_are_refused(change: dict, message: str) -> None:
    with pytest.raises(HandledError, match=message):
        make(random_images(), replace(PLAIN, **change))


def test_two_groups_of_one_name_are_refused() -> None:
    with pytest.raises(HandledError, match="distinct names"):
        make(random_images(), PLAIN, PLAIN)
