"""The run directory: append-only, one writer, every path of it in one place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from ssl_bench.errors import DataError, UsageError
from ssl_bench.files import TORN, check_unlocked, csv_text, locked, replacing, write_json, write_text
from ssl_bench.files import sha256 as file_hash
from ssl_bench.results import record_file
from ssl_bench.results.mapped import is_mapped, mapped
from ssl_bench.results.record import Record
from ssl_bench.results.row import Located, RowIdentity


@dataclass(frozen=True)
class RunDirectory:
    """Files of one run.

    Args:
        path: the folder.
        hashes: of the files in it by their place, as far as they were written or the record was read here.
    """

    path: Path
    hashes: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def log(self) -> Path:
        """Training log, one JSON object a line."""
        return self.path / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Training checkpoints."""
        return self.path / "checkpoints"

    @property
    def encoder(self) -> Path:
        """The trained encoder, as timm opens it."""
        return self.path / "encoder"

    @property
    def record(self) -> Path:
        """The record: written last, so a run that has it is finished."""
        return self.path / "record.json"

    @property
    def cohort(self) -> Path:
        """One row per image: identifiers, split, EHR features, labels."""
        return self.path / "cohort.parquet"

    def check_free(self) -> None:
        """Refuse a folder in which another process works, before anything takes time.

        Raises:
            DataError: naming that process.
        """
        check_unlocked(self.path / ".lock", f"run {self.path}")

    def what_next(self) -> str:
        """What somebody who interrupted a run here is told, now that nothing runs any more."""
        if self.record.is_file():
            return f"the run is finished and on record; its report comes by: sslbench report {self.path}"
        if self.config.is_file():
            return f"stopped, with every whole file kept; continue with --resume {self.path}"
        return "stopped before the run began; images prepared so far are kept; start it again"

    def check(self, *, resume: bool = False) -> None:
        """Refuse to write over a run, or to resume one that is not there.

        Raises:
            UsageError: the folder holds a run and this one is to be new, or it holds none and is to be resumed.
        """
        if resume and not self.config.exists():
            raise UsageError(f"{self.path} holds no run to resume; leave out --resume or name its folder")
        if resume and self.record.exists():
            raise UsageError(f"{self.path} holds a finished run; there is nothing to resume")
        if not resume and self.config.exists():
            raise UsageError(
                f"{self.path} already holds a run; continue with --resume {self.path} or choose another --out"
            )
        strangers = [path for path in self.path.glob("*") if not _ours(path.name)] if self.path.exists() else []
        if not resume and strangers:
            raise UsageError(f"{self.path} is not empty; choose another --out")
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is a file, a run needs a folder; choose another --out")

    @contextmanager
    def claimed(self, *, resume: bool = False) -> Iterator[None]:
        """Create the folder and hold its lock.

        Raises:
            UsageError: as :meth:`check`, or the folder cannot be made.
            DataError: another process writes there.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"run directory {self.path} cannot be made: {error.strerror}; choose another --out"
            ) from None
        with self.locked():
            self.check(resume=resume)
            try:
                yield
            finally:
                self._leave_no_trace()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of an existing folder, and clear away what a kill in the middle of a write left there.

        Raises:
            DataError: another process writes there.
        """
        with locked(self.path / ".lock", f"run {self.path}"):
            for pattern in TORN:
                for torn in self.path.rglob(pattern):
                    torn.unlink(missing_ok=True)
            yield

    def _leave_no_trace(self) -> None:
        """Remove a folder in which nothing was written but the lock."""
        if [path.name for path in self.path.iterdir()] == [".lock"]:
            (self.path / ".lock").unlink()
            self.path.rmdir()

    def embeddings(self, encoder: str, name: str) -> Path:
        """Where the embeddings of one split lie; ``name`` is ``<dataset>-<split>``."""
        return self.path / "embeddings" / encoder / f"{name}.npz"

    def predictions(self, encoder: str, name: str, rest: Mapping[str, Any]) -> Path:
        """Where per-image predictions lie; arguments as :meth:`write_predictions`."""
        key = sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()[:8]
        return self.path / "predictions" / encoder / f"{name}-{key}.parquet"

    def write_config(self, values: Mapping[str, Any]) -> None:
        """Write the resolved configuration."""
        write_text(self.config, yaml.safe_dump(dict(values), sort_keys=False))
        self.remember(self.config)

    def append_log(self, entry: Mapping[str, Any]) -> None:
        """Add a line to the training log."""
        with self.log.open("a") as log:
            log.write(json.dumps(entry) + "\n")

    def forget_log_after(self, step: int) -> None:
        """Drop log entries beyond a step: a resumed run writes them again."""
        if self.log.is_file():
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            kept = [line for line in lines if _step(line) <= step]
            write_text(self.log, "".join(f"{line}\n" for line in kept))

    def write_embeddings(self, encoder: str, name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Path:
        """Keep the embeddings of one split as ``embeddings/<encoder>/<name>.npz``."""
        path = self.embeddings(encoder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as handle:
            np.savez(handle, **dict(arrays))  # type: ignore[arg-type]  # allow_pickle is an array name to numpy < 2.1
        return self.remember(path)

    def read_embeddings(
        self, encoder: str, name: str, images: npt.NDArray[Any], fingerprint: str = ""
    ) -> npt.NDArray[np.float32] | None:
        """Kept embeddings, None where there are none for just these images in this order, from a store of this name.

        A damaged file, and one that the record was not written with, is none.
        """
        path = self.embeddings(encoder, name)
        if not path.is_file() or self.hashes.get(self._place(path)) not in (None, file_hash(path)):
            return None
        try:
            with np.load(path, allow_pickle=False) as kept:
                of_store = not fingerprint or "fingerprint" not in kept or str(kept["fingerprint"]) == fingerprint
                if not (of_store and np.array_equal(kept["image_id"], images)):
                    return None
                return mapped(path, "embeddings") if is_mapped(path) else kept["embeddings"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None

    def remember(self, path: Path) -> Path:
        """Take a file that is whole into the record: its hash is written with it."""
        self.hashes[self._place(path)] = file_hash(path)
        return path

    def _place(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def checked(self, path: Path, content: Record) -> Path:
        """A kept file, once it is known to be the one that a record speaks of.

        Args:
            path: of the file.
            content: the record; one of an older version knows no hashes.

        Raises:
            DataError: it is gone, or its bytes are others.
        """
        expected = (content.files or {}).get(self._place(path))
        if not path.is_file():
            raise DataError(f"{path} is missing, although the record of the run lists it; restore it, or create it "
                            f"again with sslbench evaluate {self.path}")  # fmt: skip
        if content.files is not None and file_hash(path) != expected:
            raise DataError(f"{path} is not the file that the record of the run was written with; restore it, or make "
                            f"it again by sslbench evaluate {self.path}")  # fmt: skip
        return path

    def write_predictions(self, encoder: str, name: str, rest: Mapping[str, Any], frame: pd.DataFrame) -> Path:
        """Keep per-image predictions; ``rest`` (settings, fraction, draw) becomes the key of the file name."""
        path = self.predictions(encoder, name, rest)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            frame.to_parquet(temporary, index=False)
        return self.remember(path)

    def write_cohort(self, frame: pd.DataFrame) -> None:
        """Keep who the images are of: identifiers, split, EHR features and labels, without paths."""
        with replacing(self.cohort) as temporary:
            frame.to_parquet(temporary, index=False)
        self.remember(self.cohort)

    def write_content(self, hashes: pd.DataFrame, name: str = "") -> None:
        """Keep hashes of what every image is, so that a later difference can be named; ``name`` of another dataset."""
        path = self._content(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            hashes.reset_index().to_parquet(temporary, index=False)

    def read_content(self, name: str = "") -> pd.DataFrame | None:
        """The hashes of :meth:`write_content` by image; None where they are not there, or damaged."""
        try:
            return pd.read_parquet(self._content(name)).set_index("image_id")
        except (OSError, ValueError, KeyError):
            return None

    def _content(self, name: str) -> Path:
        return self.path / "content" / f"{name or 'run'}.parquet"

    def write_record(self, content: Record) -> None:
        """Write the record, with the hashes of the files that were kept, and its rows as ``metrics.csv``."""
        write_text(self.path / "metrics.csv", csv_text(pd.DataFrame([row.as_json() for row in content.metrics])))
        self.remember(self.path / "metrics.csv")
        record_file.write(self.record, content.but(files={**(content.files or {}), **self.hashes}))

    def read_record(self) -> Record:
        """The record of a finished run.

        Raises:
            UsageError: this is no run, it is not finished, or another version wrote it.
            DataError: the record is damaged, or was changed after it was written.
        """
        if not self.config.is_file():
            raise UsageError(f"{self.path} holds no run (no config.yaml); give the folder that a run wrote")
        if not self.record.is_file():
            raise UsageError(f"{self.path} holds no finished run (no record.json); finish it with --resume {self.path}")
        found = record_file.read(self.record)
        self.hashes.update(found.files or {})
        return found

    def write_kept_json(self, name: str, content: Any) -> None:
        """Keep a JSON file beside the record, whose hash the record will have."""
        write_json(self.path / name, content)
        self.remember(self.path / name)

    def write_split_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Keep the patients of every split."""
        self.write_kept_json("splits.json", manifest)


def prediction_file(row: RowIdentity) -> tuple[str, dict[str, Any]]:
    """Name and key of the file with the predictions behind a row; see :meth:`RunDirectory.write_predictions`."""
    rest: dict[str, Any] = {"settings": row.settings, "fraction": row.fraction, "draw": row.draw}
    if row.fitted_on != row.dataset:
        rest["fitted_on"] = row.fitted_on
    return f"{row.dataset}-{row.split}-{row.protocol}", rest


def place_name(row: Located, internal: str) -> str:
    """``linear``, or ``linear, tested on nih14, fitted on nih14``: what is not the run's own dataset is named."""
    parts = [row.protocol]
    if row.dataset != internal:
        parts.append(f"tested on {row.dataset}")
    if row.fitted_on != internal:
        parts.append(f"fitted on {row.fitted_on}")
    return ", ".join(parts)


def check_trained(record: Record, path: Path) -> None:
    """Refuse a folder of ``sslbench probe``, which holds predictions and no run.

    Raises:
        UsageError: it is one.
    """
    if record.probed is not None:
        raise UsageError(
            f"{path} holds what sslbench probe made of {record.probed}, and no run; it can be used by compare and "
            "tables, or be probed again"
        )


def _ours(name: str) -> bool:
    """Whether a file is what a run leaves that was killed before it began."""
    return name == ".lock" or any(fnmatch(name, pattern) for pattern in TORN)


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # a line torn by a kill


def new_run_path(runs: Path, stem: str) -> Path:
    """The first free folder of ``stem``, ``stem-2``, ``stem-3``, ..."""
    number = 1
    while (path := runs / (stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return path
