"""From the stored values of a DICOM image to grey: modality, VOI and presentation.

DICOM PS3.3 C.11.1 (modality LUT), C.11.2 (windows and VOI LUT), C.11.6 and C.8.11.3.1.2 (presentation LUT shape),
C.7.5.1.1.2 (padding): https://dicom.nema.org
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.datadict import dictionary_VR

from ssl_bench.data.scaling import Grey, Unreadable, check_finite, eight_bits, windowed

Floats = npt.NDArray[np.float64]

THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?|.*,.*[.,].*")
"""Numbers whose comma may separate thousands."""

MASK = npt.NDArray[np.bool_]


def shown(stored: npt.NDArray[Any], dataset: Any, *, inverted: bool) -> Grey:
    """Grey as the file wants it shown.

    Through the modality LUT or the rescaling, then the VOI LUT or the first window. Without either, 8 bits that were
    not rescaled are taken as they are, fewer are spread over the whole range, and all others are scaled between
    percentiles. Pixels that pad the image are black and count for nothing.

    Args:
        stored: ``(H, W)`` values.
        dataset: the header.
        inverted: the lowest value is white.

    Raises:
        Unreadable: the header contradicts itself, or has a number that is none.
    """
    _check_shape(dataset, inverted)
    check_finite(stored)
    padding = _padding(stored, dataset)
    values, changed = _modality(stored, dataset)
    shares = _by_lut(values, dataset)
    if shares is None:
        shares = _by_window(values, dataset)
    if shares is not None:
        grey = eight_bits(1.0 - shares if inverted else shares)
    else:
        grey = _unwindowed(-values if inverted else values, dataset, changed, padding, inverted=inverted)
    if padding is not None:
        grey[padding] = 0
    return grey


def _unwindowed(values: Floats, dataset: Any, changed: bool, padding: MASK | None, *, inverted: bool) -> Grey:
    bits = number(dataset, "BitsStored")
    if not changed and bits is not None and bits <= 8 and number(dataset, "PixelRepresentation") == 0:
        top = 2.0**bits - 1
        return eight_bits(values / top + inverted)
    return windowed(values, None if padding is None else ~padding)


def _check_shape(dataset: Any, inverted: bool) -> None:
    if dataset.get("PresentationLUTSequence"):
        raise Unreadable("it has a PresentationLUTSequence, which is not read; store it as it should be shown")
    shape = str(dataset.get("PresentationLUTShape") or "").strip().upper()
    if shape == "INVERSE" and not inverted:
        raise Unreadable("its PresentationLUTShape INVERSE contradicts its PhotometricInterpretation MONOCHROME2")


def _padding(stored: npt.NDArray[Any], dataset: Any) -> MASK | None:
    """Pixels that only fill the rectangle; None where there are none."""
    found = [number(dataset, name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if found[0] is None or stored.dtype.kind == "f":
        return None
    bits = int(number(dataset, "BitsStored") or 16)
    signed = number(dataset, "PixelRepresentation") == 1
    ends = [_signed(one, bits, stored) if signed else one % (1 << bits) for one in found if one is not None]
    mask = (stored >= min(ends)) & (stored <= max(ends))
    return mask if mask.any() and not mask.all() else None


def _signed(value: float, bits: int, values: npt.NDArray[Any]) -> float:
    """A number that may have been written without its sign."""
    for width in (16, bits):
        if value >= 1 << (width - 1) and value > values.max():
            value -= 1 << width
    return value


def _modality(stored: npt.NDArray[Any], dataset: Any) -> tuple[Floats, bool]:
    """Values after the modality LUT or the rescaling, and whether these changed any."""
    item = _item(dataset, "ModalityLUTSequence")
    if item is not None:
        table, first = _table(item, stored, dataset)
        return table[_index(stored, first, len(table))].astype(np.float64), True
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    slope = 1.0 if slope is None else slope
    if slope == 0:
        raise Unreadable("its RescaleSlope is 0")
    values = stored.astype(np.float64) * slope + (intercept or 0.0)
    return values, (slope, intercept or 0.0) != (1.0, 0.0)


def _by_lut(values: Floats, dataset: Any) -> Floats | None:
    """Through the file's VOI LUT, as shares of white; None where it has none."""
    item = _item(dataset, "VOILUTSequence")
    if item is None:
        return None
    table, first = _table(item, values, dataset)
    low, high = float(table.min()), float(table.max())
    top = 2.0 ** int(item.LUTDescriptor[2]) - 1
    if high > top or high - low < top / 2:  # it promises other bits than it holds: its own range counts
        return np.asarray((table[_index(values, first, len(table))] - low) / max(high - low, 1.0))
    return np.asarray(table[_index(values, first, len(table))] / top)


def _item(dataset: Any, name: str) -> Any:
    """The first item of a sequence of tables that has one; None where there is none."""
    items = dataset.get(name) or ()
    return next((item for item in items if item.get("LUTDescriptor") and item.get("LUTData")), None)


def _table(item: Any, values: npt.NDArray[Any], dataset: Any) -> tuple[Floats, float]:
    """Entries of a table, and the value that the first of them is for."""
    count, first, bits = (int(one) for one in item.LUTDescriptor)
    data, count = item.LUTData, count or 1 << 16
    if isinstance(data, bytes):
        little = dataset.original_encoding[1] is not False
        kind = "u1" if bits <= 8 and len(data) < 2 * count else "<u2" if little else ">u2"
        entries = np.frombuffer(data, kind, count=min(count, len(data) // np.dtype(kind).itemsize))
    else:
        entries = np.atleast_1d(np.asarray(data))[:count]
    if len(entries) < count:
        raise Unreadable(f"a table of its header announces {count} entries and has {len(entries)}")
    if first >= 1 << 15 and values.min() < 0:  # written without its sign
        first -= 1 << 16
    return (entries.astype(np.int64) & 0xFFFF).astype(np.float64), first


def _index(values: npt.NDArray[Any], first: float, count: int) -> npt.NDArray[np.int64]:
    """Which entry of a table a value takes: beyond its ends the nearest."""
    return np.asarray(np.clip(np.rint(values - first), 0, count - 1), dtype=np.int64)


def _by_window(values: Floats, dataset: Any) -> Floats | None:
    """Through the file's first window, as shares of white; None where it has none (C.11.2.1.2 and C.11.2.1.3)."""
    center, width = (number(dataset, name) for name in ("WindowCenter", "WindowWidth"))
    kind = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if kind not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise Unreadable(f"its VOILUTFunction is {kind}, expected LINEAR, LINEAR_EXACT or SIGMOID")
    if center is None or width is None or width <= (1 if kind == "LINEAR" else 0):
        return None
    if kind == "SIGMOID":
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700, 700))))
    if kind == "LINEAR_EXACT":
        return np.asarray((values - center) / width + 0.5)
    return np.asarray((values - (center - 0.5)) / (width - 1.0) + 0.5)


def number(dataset: Any, name: str) -> float | None:
    """The first number of an element; None where it is absent or blank. A decimal comma is read as a point.

    Raises:
        Unreadable: it is no finite number.
    """
    value = _first(dataset, name)
    if isinstance(value, str):
        value = value.split("\\")[0].strip(" \0")
        if not THOUSANDS.fullmatch(value):
            value = value.replace(",", ".")
    if value in (None, ""):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise Unreadable(f"its {name} is no number: {value}")
    return found


def _first(dataset: Any, name: str) -> Any:
    """The first value of an element; of numbers that are kept as text, the text as the file has it."""
    if name not in dataset:
        return None
    raw = dataset.get_item(name).value
    if isinstance(raw, bytes) and dictionary_VR(name) in ("DS", "IS"):
        return raw.decode("ascii", "replace")
    value = dataset[name].value
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return value
    return next(iter(value), None)
