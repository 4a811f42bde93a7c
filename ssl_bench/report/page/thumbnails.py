"""Small images for the map of the page, of data that permit showing them and of no other."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ssl_bench.data.store import find_store
from ssl_bench.errors import HandledError, UsageError
from ssl_bench.plugin.registry import Registry, discover
from ssl_bench.results.record import Record

SIDE = 64
"""Of a thumbnail, in px."""


def check_permitted(records: Iterable[Record], flag: str, registry: Registry | None = None) -> None:
    """Refuse to show images unless every run's data are synthetic or their dataset says that images may be shown.

    Args:
        records: of the runs.
        flag: that asks for images.
        registry: of the plugins; None: the installed ones.

    Raises:
        UsageError: naming the datasets.
    """
    registry = registry or discover()
    refused = sorted({record.data.name for record in records if not _permitted(record, registry)})
    if refused:
        raise UsageError(
            f"{flag} shows images, and nothing says that those of {', '.join(refused)} may be shown; leave it "
            "out, or declare thumbnails=True in the dataset's plugin if its licence permits it"
        )


def _permitted(record: Record, registry: Registry) -> bool:
    if len(record.data.datasets) > 1:  # synthetic in part says nothing of the rest
        return False
    if record.synthetic:
        return True
    try:
        return bool(registry.get("dataset", record.settings.data.name).thumbnails)
    except (HandledError, KeyError):  # no plugin that would know, or embeddings without a dataset
        return False


def thumbnails(record: Record, images: Sequence[str], cache: Path) -> list[str]:
    """Thumbnails of some images of a run, as JPEG in base64.

    Args:
        record: of the run.
        images: ids.
        cache: folder of prepared stores.

    Raises:
        UsageError: the prepared images are no longer there.
    """
    data = record.data
    store = find_store(cache, data.fingerprint or "")
    if store is None:
        raise UsageError(
            f"the prepared images of {data.name} ({data.fingerprint}) are not in {cache}; name their folder "
            "by --cache, or leave out --thumbnails"
        )
    row_of = {image: row for row, image in enumerate(store.image_ids)}
    return [_encoded(store.images[row_of[image]]) for image in images]


def _encoded(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    buffer = BytesIO()
    Image.fromarray(np.asarray(pixels)).resize((SIDE, SIDE), Image.Resampling.BOX).save(buffer, "JPEG", quality=80)
    return b64encode(buffer.getvalue()).decode()
