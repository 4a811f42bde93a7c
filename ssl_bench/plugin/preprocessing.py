"""What an encoder expects of its images: it belongs to the weights and travels with them. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ssl_bench.errors import DataError, UsageError

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Fit = Literal["crop", "pad", "squash"]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
STATISTICS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": IMAGENET,
    "half": HALF,
    "clip": CLIP,
}
"""Means and deviations by the names that ``--normalise`` takes."""


@dataclass(frozen=True)
class Preprocessing:
    """The way from an 8-bit grey picture to the input of an encoder.

    The picture is resized (``resize`` px), made square (``fit``), scaled from [0, 255] to [``low``, ``high``], repeated
    on as many channels as there are means, and ``(value - mean) / std`` is taken channel by channel.

    Args:
        size: side of the input in px.
        mean: of each channel, on the scale of ``low`` and ``high``.
        std: of each channel.
        low: value of black.
        high: value of white.
        interpolation: of the resize, antialiased where the picture shrinks.
        fit: ``crop`` the middle of the resized picture, ``pad`` it with black, or ``squash`` both sides to ``size``.
        resize: px of the short side before the crop; 0 for ``size``.

    Raises:
        DataError: a size, a mean or a deviation cannot be.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: float = 0.0
    high: float = 1.0
    interpolation: Interpolation = "bilinear"
    fit: Fit = "crop"
    resize: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.resize < 0 or (self.resize and self.resize < self.size):
            raise DataError(
                f"an input of {self.size} px cut from {self.resize or self.size} px cannot be; the picture must be "
                "resized to at least the size of the input"
            )
        if not self.mean or len(self.mean) != len(self.std) or min(self.std) <= 0 or self.high <= self.low:
            raise DataError(
                f"an encoder's input needs one mean and one positive deviation a channel and white above black, found "
                f"mean {list(self.mean)}, std {list(self.std)}, range {self.low:g} to {self.high:g}"
            )

    @property
    def channels(self) -> int:
        """Input channels."""
        return len(self.mean)

    @property
    def black(self) -> tuple[float, ...]:
        """What a black pixel becomes, channel by channel."""
        return tuple((self.low - mean) / std for mean, std in zip(self.mean, self.std, strict=True))

    def describe(self) -> dict[str, Any]:
        """As a record has it."""
        return {"channels": self.channels, **asdict(self), "mean": list(self.mean), "std": list(self.std)}


def normalised_by(given: Preprocessing, how: str) -> Preprocessing:
    """Preprocessing with other statistics: a name of :data:`STATISTICS`, or ``MEAN,STD`` of every channel.

    Raises:
        UsageError: neither, or a deviation that is not positive.
    """
    if how in STATISTICS:
        mean, std = STATISTICS[how]
        return replace(given, mean=mean[: given.channels], std=std[: given.channels], low=0.0, high=1.0)
    try:
        mean_all, std_all = (float(part) for part in how.split(","))
        return replace(given, mean=(mean_all,) * given.channels, std=(std_all,) * given.channels, low=0.0, high=1.0)
    except (ValueError, DataError):
        raise UsageError(
            f"--normalise takes encoder, {', '.join(STATISTICS)}, or MEAN,STD on the scale 0 to 1, found '{how}'"
        ) from None


def preprocessing_of(values: Mapping[str, Any], source: object) -> Preprocessing:
    """Preprocessing from a file's or a user's values.

    Raises:
        DataError: keys are unknown or lacking, or values are of the wrong type.
    """
    fields = Preprocessing.__dataclass_fields__
    unknown = sorted(set(values) - {*fields, "channels"})
    lacking = [name for name in ("size", "mean", "std") if name not in values]
    if unknown or lacking:
        told = "; ".join(
            f"{what}: {', '.join(names)}" for what, names in (("unknown", unknown), ("lacking", lacking)) if names
        )
        raise DataError(f"the preprocessing of {source} must say size, mean and std ({told})")
    given = {name: value for name, value in values.items() if name in fields}
    try:
        given |= {name: tuple(map(float, as_sequence(given[name]))) for name in ("mean", "std")}
        return Preprocessing(**given)
    except (TypeError, ValueError) as error:
        raise DataError(f"the preprocessing of {source} cannot be read: {error}") from None


def as_sequence(value: Any) -> Sequence[Any]:
    """A value as a list of one, a list as it is."""
    return value if isinstance(value, list | tuple) else [value]
