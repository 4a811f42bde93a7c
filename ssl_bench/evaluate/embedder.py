"""Splits as protocols see them: embeddings of one encoder, kept in the run directory and used again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from ssl_bench.build.prepared import PreparedData
from ssl_bench.data.boxes import PART, SIDES, in_square
from ssl_bench.data.source import PixelStatistics
from ssl_bench.data.views import whole_view
from ssl_bench.distributed import is_first
from ssl_bench.evaluate.embed import embed, embed_files
from ssl_bench.plugin.boxes import Box
from ssl_bench.plugin.cohort import SPLITS
from ssl_bench.plugin.contracts import Backbone, EvalContext, Fusion, Split
from ssl_bench.plugin.encoders import BaseEncoder, normalised
from ssl_bench.plugin.feature_specs import SHARED, FeatureSpec
from ssl_bench.plugin.features import FeatureSchema, column_of, encode
from ssl_bench.results.mapped import is_mapped, mapped
from ssl_bench.results.rundir import RunDirectory


@dataclass(frozen=True)
class Embedder:
    """Embeds splits with one encoder.

    Args:
        encoder: its name in the table.
        network: the encoder.
        run: where embeddings are kept.
        batch_size: images embedded at once.
        reuse: take the embeddings that the run directory holds for the same prepared images.
        pixel_limit: a whole picture of more pixels is refused.
        schema: of the run's EHR vectors; None in a run without features.
        fusion: makes a fresh fusion for features of a width; None where the run has none that joins them.
        withhold: a split that stays unseen. Protocols predict two held-out splits, so the validation images stand
            there once more, and what is said of them under that name counts nowhere.
    """

    encoder: str
    network: Backbone
    run: RunDirectory
    batch_size: int
    reuse: bool = False
    pixel_limit: int = 100_000_000
    schema: FeatureSchema | None = None
    fusion: Callable[[int, FeatureSchema], Fusion] | None = None
    withhold: str | None = None

    def context(self, prepared: PreparedData, dataset: str, seed: int) -> EvalContext:
        """All splits of a dataset.

        Args:
            prepared: prepared images and cohort.
            dataset: its name in the run directory.
            seed: of the run.
        """
        splits = {name: self.split(prepared, dataset, name) for name in SPLITS if name != self.withhold}
        if self.withhold:
            splits[self.withhold] = replace(splits["validate"], name=self.withhold)
        device, grey = str(prepared.source.device), prepared.grey
        return EvalContext(
            splits,
            prepared.cohort.labels,
            self.network,
            device,
            seed,
            partial(whole_images, prepared, self.network),
            black=black_of(self.network, grey),
            fusion=partial(self.fusion, self.network.dim, self.schema) if self.fusion and self.schema else None,
        )

    def split(self, prepared: PreparedData, dataset: str, name: str) -> Split:
        """One split of a dataset; arguments as :meth:`context`."""
        chosen = (prepared.cohort.frame["split"] == name).to_numpy()
        frame = prepared.cohort.frame[chosen]
        images, patients = (frame[column].to_numpy(dtype=str) for column in ("image_id", "patient_id"))
        features = self._features(prepared, prepared.rows[chosen], f"{dataset}-{name}", images, patients)
        return Split(
            name,
            images,
            patients,
            features,
            frame[list(prepared.cohort.labels)].to_numpy(dtype=np.float32),
            prepared.rows[chosen],
            raw_ehr(frame[list(prepared.cohort.features)], prepared.cohort.specs),
            *self._ehr(frame),
            frame["study_id"].to_numpy(dtype=str),
            boxes_of(prepared, images),
            prepared.cohort.specs,
        )

    def _ehr(self, frame: pd.DataFrame) -> tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.float32] | None]:
        """The run's EHR vectors with what is known of them, absent where a dataset lacks a feature."""
        if not self.schema:
            return None, None
        columns = [column_of(feature) for feature in self.schema.features]
        return encode(frame.reindex(columns=columns), self.schema)

    def _embedded(
        self, prepared: PreparedData, rows: npt.NDArray[np.int64], images: npt.NDArray[Any]
    ) -> npt.NDArray[np.float32]:
        """Embeddings of some rows: of the prepared images, or of whole pictures that the encoder prepares itself."""
        if isinstance(self.network, BaseEncoder):
            files = [prepared.files[row] for row in rows]
            return embed_files(self.network, files, prepared.source.device, self.pixel_limit, self.batch_size)
        return embed(self.network, prepared.source, rows, prepared.grey, batch_size=self.batch_size, names=images)

    def _features(
        self,
        prepared: PreparedData,
        rows: npt.NDArray[np.int64],
        file: str,
        images: npt.NDArray[Any],
        patients: npt.NDArray[Any],
    ) -> npt.NDArray[np.float32]:
        """Embeddings of some rows, kept under a name."""
        kept = self.run.read_embeddings(self.encoder, file, images, prepared.fingerprint) if self.reuse else None
        if kept is not None:
            return kept
        found = self._embedded(prepared, rows, images)
        arrays = {"image_id": images, "patient_id": patients, "embeddings": found,
                  "fingerprint": np.array(prepared.fingerprint)}  # fmt: skip
        if is_first():
            path = self.run.write_embeddings(self.encoder, file, arrays)
            return mapped(path, "embeddings") if is_mapped(path) else found
        return found


def boxes_of(prepared: PreparedData, images: npt.NDArray[Any]) -> list[Box]:
    """Boxes of some images by their place among them, in the square that was prepared of each."""
    if prepared.cohort.boxes is None:
        return []
    boxes = in_square(prepared.cohort.boxes, prepared.fit)
    place = pd.Series(np.arange(len(images)), index=images)
    held = boxes[boxes["image_id"].isin(place.index)]
    parts = held[PART].eq(True) if PART in held else np.zeros(len(held), bool)  # joined datasets may lack it
    sides = (held[side] for side in SIDES)
    rows = zip(place[held["image_id"]], held["finding"], *sides, parts, strict=True)
    return [
        Box(int(image), str(finding), float(left), float(top), float(right), float(bottom), bool(part))
        for image, finding, left, top, right, bottom, part in rows
    ]


def whole_images(prepared: PreparedData, network: Backbone, rows: npt.NDArray[Any]) -> Tensor:
    """The views ``(B, C, H, W)`` of some store rows, normalised as the encoder expects."""
    grey = prepared.grey
    if isinstance(network, BaseEncoder):
        view = whole_view(prepared.source.read(rows), network.image_size, mean=0.0, std=1.0)
        return normalised(view, network.preprocessing)
    return whole_view(prepared.source.read(rows), network.image_size, mean=grey.mean, std=grey.std)


def black_of(network: Backbone, grey: PixelStatistics) -> float | Tensor:
    """What a black pixel is in the views of an encoder, channel by channel where they differ."""
    if isinstance(network, BaseEncoder):
        return torch.tensor(network.preprocessing.black)[:, None, None]
    return -grey.mean / grey.std


def raw_ehr(frame: pd.DataFrame, specs: Mapping[str, FeatureSpec] = SHARED) -> dict[str, npt.NDArray[Any]]:
    """EHR features as :class:`Split` holds them: numbers with NaN, text with None."""
    return {
        str(name): column.to_numpy(dtype=np.float64, na_value=np.nan)
        if specs[str(name)].number
        else column.astype(object).where(column.notna(), None).to_numpy()
        for name, column in frame.items()
    }
