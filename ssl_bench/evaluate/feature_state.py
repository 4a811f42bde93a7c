"""What is known of one encoder's features in a folder, and how far they are. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_bench.errors import DataError
from ssl_bench.files import write_json

if TYPE_CHECKING:
    from ssl_bench.plugin.encoders import BaseEncoder


@dataclass(frozen=True)
class Wanted:
    """Features to be computed.

    Args:
        name: of the encoder in the folder.
        network: the encoder.
        card: what a record says of it (:func:`ssl_bench.results.encoder_card.encoder_card`).
    """

    name: str
    network: BaseEncoder
    card: Mapping[str, Any]


def read_state(path: Path) -> dict[str, Any]:
    """What is known of one encoder's features.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        found["images"], found["done"], found["of"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read ({error}); delete it, and embed again") from None
    return dict(found)


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Keep what is known, whole or not at all."""
    write_json(path, state)
