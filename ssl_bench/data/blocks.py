"""What a store knows of its images, block by block: ``blocks.jsonl`` has a line a block, and each carries its own hash.

A line that is torn or damaged counts for nothing, so that its block alone is prepared again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ssl_bench.files import write_text

NAME = "blocks.jsonl"

OF_PARTS = "blocks-*.jsonl"
"""Files of the same kind, each of a process that prepares a part of a store."""

HASH = 32
"""Hexadecimal digits of SHA-256 that are kept: 128 bits."""


def digest(content: bytes | memoryview) -> str:
    """The first :data:`HASH` digits of SHA-256, for which processors have instructions of their own."""
    return hashlib.sha256(content).hexdigest()[:HASH]


def file_time(status: os.stat_result) -> str:
    """When a file last changed; the second number also tells of contents whose first was put back."""
    return f"{status.st_mtime_ns}.{status.st_ctime_ns}"


@dataclass(frozen=True)
class Block:
    """Consecutive images of a store.

    Args:
        first: row of the first of them.
        pixels: hash of each image's prepared pixels.
        files: hash of each image's file, as it was when the pixels were made of it; empty where it could not be read.
        times: of the files, by :func:`file_time`.
        rejected: reasons by image id.
    """

    first: int
    pixels: tuple[str, ...]
    files: tuple[str, ...]
    times: tuple[str, ...]
    rejected: Mapping[str, str]

    def line(self) -> str:
        """As a line of the file."""
        text = json.dumps(asdict(self))
        return f"{digest(text.encode())} {text}\n"


def _parsed(line: str) -> Block | None:
    signed, _, text = line.partition(" ")
    if digest(text.encode()) != signed:
        return None
    fields: dict[str, Any] = json.loads(text)
    pixels, files, times = (tuple(fields[name]) for name in ("pixels", "files", "times"))
    return Block(fields["first"], pixels, files, times, fields["rejected"])


def read_blocks(folder: Path, name: str = NAME) -> dict[int, Block]:
    """The whole lines of a store's file, by first row; of two with one row the later."""
    path = folder / name
    text = path.read_bytes().decode(errors="replace") if path.is_file() else ""
    found = (_parsed(line) for line in text.split("\n"))
    return {block.first: block for block in found if block}


def read_all_blocks(folder: Path) -> dict[int, Block]:
    """The same of the store's file and of those of processes that prepare a part of it each."""
    found = read_blocks(folder)
    for path in sorted(folder.glob(OF_PARTS)):
        found |= read_blocks(folder, path.name)
    return found


def write_blocks(folder: Path, blocks: Iterable[Block], name: str = NAME) -> None:
    """The file anew, whole or not at all."""
    write_text(folder / name, "".join(block.line() for block in sorted(blocks, key=lambda block: block.first)))


def content_hash(settings: Mapping[str, Any], image_ids: Sequence[str], blocks: Sequence[Block]) -> str:
    """A hash of what a store holds: images by id, pixel by pixel, and who is left out.

    Args:
        settings: how images became squares.
        image_ids: of all images, in order.
        blocks: of all images, in order.
    """
    hashed = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    pixels = (pixel for block in blocks for pixel in block.pixels)
    left_out = {image for block in blocks for image in block.rejected}
    for image_id, pixel in zip(image_ids, pixels, strict=True):
        hashed.update(f"{image_id}\t{'' if image_id in left_out else pixel}\n".encode())
    return hashed.hexdigest()[:HASH]
