"""What makes a store complete: its table and its manifest, each with a hash that tells whether it is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ssl_bench.data.array import array_file
from ssl_bench.data.blocks import NAME, Block, content_hash, digest, file_time, read_blocks, write_blocks
from ssl_bench.data.decode import DecodeOptions
from ssl_bench.files import replacing, sha256, write_json
from ssl_bench.plugin.cohort import Cohort

TABLE, MANIFEST = "cohort.parquet", "manifest.json"


@dataclass(frozen=True)
class Sealed:
    """What a complete store says of itself; the array itself is not looked at.

    Args:
        manifest: of the store.
        blocks: all of them, in order.
        image_ids: of all images, in order.
    """

    manifest: Mapping[str, Any]
    blocks: tuple[Block, ...]
    image_ids: tuple[str, ...]

    @property
    def rejected(self) -> dict[str, str]:
        """Reasons by image id."""
        return {image: reason for block in self.blocks for image, reason in block.rejected.items()}

    @property
    def pixels(self) -> tuple[str, ...]:
        """Hash of every image."""
        return tuple(pixel for block in self.blocks for pixel in block.pixels)


def seal(folder: Path, cohort: Cohort, options: DecodeOptions, layout: int, blocks: Sequence[Block]) -> Sealed:
    """Write the table, the blocks in order, and at last the manifest.

    Args:
        folder: of the store, its array finished.
        cohort: whose images they are.
        options: how they became squares.
        layout: version of the store's files.
        blocks: of all images.
    """
    with replacing(folder / TABLE) as temporary:
        cohort.frame.to_parquet(temporary, index=False)
    ids, square = list(cohort.frame["image_id"]), {"size": options.size, "fit": options.fit}
    ordered = tuple(sorted(blocks, key=lambda block: block.first))
    manifest = _sign(folder, ordered, {
        "format": layout, "fingerprint": content_hash(square, ids, ordered), "dataset": cohort.name,
        "options": asdict(options), "images": len(cohort),
        "rejected": {image: reason for block in ordered for image, reason in block.rejected.items()},
        "table": sha256(folder / TABLE),
    })  # fmt: skip
    return Sealed(manifest, ordered, tuple(ids))


def sign_again(folder: Path, sealed: Sealed, blocks: Sequence[Block]) -> None:
    """Note newer times of files and array whose contents are known to be the same."""
    _sign(folder, blocks, sealed.manifest)


def _sign(folder: Path, blocks: Sequence[Block], manifest: Mapping[str, Any]) -> dict[str, Any]:
    write_blocks(folder, blocks)
    told = {key: value for key, value in manifest.items() if key != "sha256"}
    told |= {"blocks": sha256(folder / NAME), "array_time": file_time(array_file(folder).stat())}
    told |= {"sha256": _signature(told)}
    write_json(folder / MANIFEST, told)
    return told


def _signature(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return digest(json.dumps(rest, sort_keys=True).encode())


def read_sealed(folder: Path) -> Sealed | None:
    """What a complete store says of itself; None where something is missing or damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if manifest["sha256"] != _signature(manifest) or manifest["blocks"] != sha256(folder / NAME):
            return None
        if manifest["table"] != sha256(folder / TABLE):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    found = read_blocks(folder)
    ids = pd.read_parquet(folder / TABLE, columns=["image_id"])["image_id"]
    return Sealed(manifest, tuple(found[first] for first in sorted(found)), tuple(ids))
