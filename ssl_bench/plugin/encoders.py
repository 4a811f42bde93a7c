"""What the author of an encoder plugin derives from: weights of others behind the backbone's interface."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from ssl_bench.errors import DataError, HandledError, UsageError, because
from ssl_bench.plugin.contracts import Encoding
from ssl_bench.plugin.preprocessing import Preprocessing, normalised_by
from ssl_bench.plugin.weights import read_weights

Grey = npt.NDArray[np.uint8]


class Features(NamedTuple):
    """What a network makes of images, before pooling.

    Attributes:
        tokens: ``(B, N, D)`` without class or register tokens; None where the network gives one vector alone.
        class_token: ``(B, D)`` after the last norm, where there is one.
        own: ``(B, D)`` the network's own pooled output (attention pool, pooled and projected head).
    """

    tokens: Tensor | None = None
    class_token: Tensor | None = None
    own: Tensor | None = None


POOLINGS = ("class", "mean", "own", "class+mean")
"""Class token, mean of the tokens, the network's own pooled output, class token and mean side by side."""


class BaseEncoder(nn.Module):
    """An encoder with weights of its own; a subclass supplies :meth:`features`, and mostly nothing else.

    Args:
        model: the network, as its package made it.
        preprocessing: what it expects.
        pooling: one of :data:`POOLINGS`, as its authors evaluate it.
        patch_size: side of a patch in px, 0 where the network has none.
        multiple: the sizes in px that it accepts are multiples of this; 0: its own size alone.

    Attributes:
        dim: width D of the pooled feature, measured on one black image.
    """

    masks = False

    def __init__(
        self, model: nn.Module, preprocessing: Preprocessing, *, pooling: str, patch_size: int = 0, multiple: int = 0
    ) -> None:
        super().__init__()
        self.model = model.eval()
        self.preprocessing, self.pooling = preprocessing, pooling
        self.patch_size, self.multiple = patch_size, multiple
        self._own = preprocessing
        self.dim = self._measured()

    @property
    def image_size(self) -> int:
        """Side of the input in px."""
        return self.preprocessing.size

    def features(self, images: Tensor) -> Features:
        """What the network makes of ``images (B, C, S, S)``."""
        raise NotImplementedError

    def prepare(self, grey: Grey) -> Tensor:
        """A picture ``(H, W)`` of 8-bit grey as input ``(C, S, S)``; by the publisher's own code where it has some."""
        return standard_input(grey, self.preprocessing)

    def forward(self, images: Tensor, keep: Tensor | None = None, *, tokens: bool = True) -> Encoding:
        """Encode ``images (B, C, S, S)``.

        Raises:
            ValueError: patches are to be dropped, which weights of others do not do.
        """
        if keep is not None:
            raise ValueError("an external encoder drops no patches")
        found = self.features(images)
        pooled = pool(found, self.pooling)
        sequence = found.tokens if found.tokens is not None else pooled.new_empty(len(pooled), 0, pooled.shape[1])
        return Encoding(pooled, sequence)

    def changed(self, *, normalise: str = "", image_size: int = 0, pooling: str = "") -> Self:
        """The same encoder with a user's choices instead of its own.

        Raises:
            UsageError: it has no such pooling, takes no such size, or the statistics cannot be read.
        """
        given = self.preprocessing
        if image_size and image_size != given.size:
            self._check_size(image_size)
            given = replace(
                given, size=image_size, resize=round((given.resize or given.size) * image_size / given.size)
            )
        if normalise and normalise != "encoder":
            given = normalised_by(given, normalise)
        if given != self.preprocessing:
            self.preprocessing = given
            self.prepare = lambda grey: standard_input(grey, given)  # type: ignore[method-assign]
        if pooling:
            if pooling not in POOLINGS:
                raise UsageError(f"--pooling takes {', '.join(POOLINGS)}, found '{pooling}'")
            self.pooling = pooling
        self.dim = self._measured()
        return self

    def _check_size(self, size: int) -> None:
        if not self.multiple or size % self.multiple:
            takes = f"multiples of {self.multiple} px" if self.multiple else f"{self._own.size} px alone"
            raise UsageError(f"this encoder takes {takes}, found --image-size {size}")

    @torch.inference_mode()
    def _measured(self) -> int:
        black = torch.tensor(self.preprocessing.black)[None, :, None, None]
        size = self.preprocessing.size
        try:
            return int(self(black.expand(1, -1, size, size).contiguous()).pooled.shape[1])
        except HandledError:
            raise
        except Exception as error:  # networks of any package
            told = " ".join(str(error).split())[-160:]
            raise DataError(
                f"the encoder refuses an input of {self.preprocessing.channels} channels and {size} px ({told}); state "
                "the preprocessing that it was made for"
            ) from None

    def patches(self, size: int) -> int:
        """Patches of a square image of ``size`` px."""
        return (size // self.patch_size) ** 2 if self.patch_size else 0

    def export(self) -> None:
        """The publisher's weights are not written again: a run keeps their hash and where they came from."""


def pool(found: Features, pooling: str) -> Tensor:
    """The pooled feature ``(B, D)``.

    Raises:
        UsageError: the network does not give what the pooling needs.
    """
    has = {"class": found.class_token, "own": found.own,
           "mean": found.tokens.mean(1) if found.tokens is not None else None}  # fmt: skip
    parts = [has.get(name) for name in pooling.split("+")]
    if any(part is None for part in parts):
        able = [name for name in POOLINGS if all(has.get(part) is not None for part in name.split("+"))]
        raise UsageError(f"this encoder gives no '{pooling}' features; choose --pooling {' or '.join(able)}")
    return torch.cat([part for part in parts if part is not None], dim=1)


def standard_input(grey: Grey, how: Preprocessing) -> Tensor:
    """A picture ``(H, W)`` of 8-bit grey as the input ``(C, S, S)``, resized by Pillow in 8 bits."""
    image = Image.fromarray(grey)
    filter_ = Image.Resampling[how.interpolation.upper()]
    image = image.resize((how.size, how.size), filter_) if how.fit == "squash" else _square(image, how, filter_)
    return normalised(torch.from_numpy(np.array(image))[None, None].float() / 255, how)[0]


def _square(image: Image.Image, how: Preprocessing, filter_: Image.Resampling) -> Image.Image:
    """The middle of the resized picture, or all of it on black."""
    width, height = image.size
    wanted = how.resize or how.size
    side = min(width, height) if how.fit == "crop" else max(width, height)
    # Rounded down as torchvision's Resize does, which timm and open_clip call.
    scaled = max(1, int(width * wanted / side)), max(1, int(height * wanted / side))
    image = image.resize(scaled, filter_)
    left, top = (round((length - how.size) / 2) for length in image.size)
    return image.crop((left, top, left + how.size, top + how.size))


def normalised(view: Tensor, how: Preprocessing) -> Tensor:
    """Grey images ``(B, 1, H, W)`` in [0, 1] as input ``(B, C, H, W)``."""
    mean, std = (torch.tensor(values, device=view.device).view(1, -1, 1, 1) for values in (how.mean, how.std))
    return (view * (how.high - how.low) + how.low - mean) / std


def read_tensors(path: Path, allow: Sequence[Any] = ()) -> dict[str, Tensor]:
    """Tensors by the names that the file gives them, without a leading ``module.``; as :func:`read_weights`."""
    return {name.removeprefix("module."): value for name, value in read_weights(path, allow).items()}


def check_finite(weights: Mapping[str, Tensor], source: object) -> None:
    """Weights are numbers.

    Raises:
        DataError: naming the first that are not.
    """
    bad = [name for name, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
    if bad:
        raise DataError(f"the weights of {source} are not finite ({', '.join(bad[:5])}); download them again")


def fill_whole(model: nn.Module, weights: Mapping[str, Tensor], source: object) -> None:
    """Put weights into a model that they must fill to the last key.

    Raises:
        DataError: keys are missing, left over or of another shape, or values are not finite.
    """
    check_finite(weights, source)
    try:
        model.load_state_dict(dict(weights), strict=True)
    except RuntimeError as error:
        told = " ".join(str(error).split())
        raise DataError(f"the weights of {source} do not fit the encoder: {told[:300]}") from None


def read_json(path: Path, what: str) -> dict[str, Any]:
    """A JSON file as a table.

    Raises:
        DataError: it is not there or holds none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path.parent} is not {what}: {path.name} is not there; give the folder as published"
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {because(error)}; download it again") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} must hold keys and values, found {type(found).__name__}")
    return found
