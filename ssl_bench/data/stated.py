"""Grey statistics that weights bring with them: what an encoder was trained on is what it must see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ssl_bench.data.source import PixelStatistics
from ssl_bench.errors import DataError, UsageError, because


def stated_grey(weights: Path | None, *, trains: bool) -> PixelStatistics | None:
    """Mean and deviation from the ``config.json`` of weights to start from; None where they state none.

    Args:
        weights: a run, its ``encoder`` folder, another timm folder, or a file in one of these.
        trains: a training starts from them; statistics of RGB images then give way to the training images' own.

    Raises:
        UsageError: weights that expect RGB images are to be evaluated on grey ones.
        DataError: ``config.json`` cannot be read.
    """
    if weights is None:
        return None
    folder = weights if weights.is_dir() else weights.parent
    path = next((place / "config.json" for place in (folder, folder / "encoder") if (place / "config.json").is_file()),
                None)  # fmt: skip
    known = _pretrained(path) if path else {}
    mean, std = known.get("mean"), known.get("std")
    if not (isinstance(mean, list) and isinstance(std, list) and len(mean) == len(std) and mean):
        return None
    if len(mean) == 1:
        return PixelStatistics(float(mean[0]), float(std[0]))
    if trains:
        return None
    raise UsageError(
        f"weights {weights} expect {len(mean)} channels with means {mean}, the backbone has 1; evaluate them as they "
        f"are by --encoder timm={folder}"
    )


def _pretrained(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        known = found.get("pretrained_cfg") or {}
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{path} cannot be read: {because(error)}; restore it") from None
    return known if isinstance(known, dict) else {}
