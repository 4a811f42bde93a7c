"""The image files of a cohort: how large they are, when they changed, and whether they are those of a store."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ssl_bench.data.blocks import HASH, Block, file_time
from ssl_bench.data.decode import DecodeOptions
from ssl_bench.errors import DataError
from ssl_bench.files import sha256
from ssl_bench.plugin.cohort import Cohort


@dataclass(frozen=True)
class ImageFiles:
    """Files of a cohort, in its order.

    Args:
        image_ids: text.
        relative: paths below the root.
        paths: whole paths.
        sizes: in bytes.
        times: of the last change, by :func:`ssl_bench.data.blocks.file_time`.
    """

    image_ids: tuple[str, ...]
    relative: tuple[str, ...]
    paths: tuple[str, ...]
    sizes: tuple[int, ...]
    times: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def key(self, options: DecodeOptions, layout: int) -> str:
        """A hash of ids, relative paths, sizes and options: the same wherever the files lie and however new they are.

        Args:
            options: how images become squares.
            layout: version of the store's files.
        """
        hashed = hashlib.sha256(json.dumps({"format": layout, **asdict(options)}, sort_keys=True).encode())
        for image_id, path, size in zip(self.image_ids, self.relative, self.sizes, strict=True):
            hashed.update(f"{image_id}\t{path}\t{size}\n".encode())
        return hashed.hexdigest()


def image_files(cohort: Cohort) -> ImageFiles:
    """The files of a cohort as they are now.

    Raises:
        DataError: one cannot be asked for its size.
    """
    relative = tuple(cohort.frame["image_path"])
    paths = tuple(os.path.join(cohort.root, path) for path in relative)
    try:
        found = [os.stat(path) for path in paths]
    except OSError as error:
        raise DataError(f"image {error.filename} cannot be read: {error.strerror}") from None
    ids = tuple(str(image_id) for image_id in cohort.frame["image_id"])
    return ImageFiles(ids, relative, paths, tuple(one.st_size for one in found), tuple(map(file_time, found)))


def renewed(block: Block, files: ImageFiles, pool: ThreadPoolExecutor) -> Block | None:
    """A block with the times of the files as they are now; None where a file holds something else than it did.

    Only files that were touched, copied or written since are read.

    Args:
        block: of a store.
        files: of the cohort.
        pool: to read them in.
    """
    here = slice(block.first, block.first + len(block.times))
    times, paths = files.times[here], files.paths[here]
    if times == block.times:
        return block
    other = [row for row, time in enumerate(times) if time != block.times[row]]
    hashes: Sequence[str] = list(pool.map(_file_hash, [paths[row] for row in other]))
    if hashes != [block.files[row] for row in other]:
        return None
    return replace(block, times=times)


def _file_hash(path: str) -> str:
    try:
        return sha256(Path(path))[:HASH]
    except OSError:
        return ""
