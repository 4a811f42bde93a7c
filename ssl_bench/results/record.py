"""The record of a run as types: what was run on what, every number, every difference. No torch.

:mod:`ssl_bench.results.record_file` reads and writes it; ``docs/record.schema.json`` is made of these models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, field_validator

from ssl_bench.plugin.notes import Note, note_of
from ssl_bench.plugin.training import recipe_name
from ssl_bench.results.row import MACRO, Comparison, Count, MetricRow, Number, Part, Truth
from ssl_bench.results.settings import Settings

__all__ = ["MACRO", "SCHEMA", "Comparison", "MetricRow", "Note", "Part", "Record", "Settings"]

SCHEMA = 2
"""Version of ``record.json``; docs/record.md describes it."""

NOTE_SCHEMA = {
    "type": "object",
    "properties": {
        "code": {"type": "string"}, "text": {"type": "string"}, "numbers": {"type": "object"},
        "details": {"type": "array", "items": {"type": "string"}}, "shown": {"type": "string"},
    },
    "required": ["code", "text"],
}  # fmt: skip

RecordedNote = Annotated[
    Note,
    PlainValidator(note_of),
    PlainSerializer(lambda note: note_of(note).parts()),
    WithJsonSchema(NOTE_SCHEMA),
]
"""A note, in the file a table of its parts."""


class Size(Part):
    """Images and patients of a split."""

    images: Count
    patients: Count = 0


class Data(Part):
    """The run's own data."""

    name: str = ""
    """as in the rows"""
    fingerprint: str | None = None
    """of the prepared images"""
    content: dict[str, str] | None = None
    """hashes of pixels, labels, features and split of all images"""
    splits_sha256: str | None = None
    """of the split manifest (``splits.json``)"""
    official_split: Truth = False
    """whether the split is the dataset's own"""
    splits: dict[str, Size] = {}
    labels: tuple[str, ...] = ()
    label_space: str | None = None
    datasets: tuple[str, ...] = ()
    """those that it consists of"""
    counts: dict[str, Any] = {}
    """what the reader noticed"""
    rejected: dict[str, Any] = {}
    """images that were left out, with the reason"""
    grey: dict[str, Any] = {}
    """mean and deviation of the grey values"""


class RecordedComponent(Part):
    """Where a component comes from."""

    kind: str = ""
    name: str = ""
    distribution: str = ""
    version: str = ""


class External(Part):
    """Another dataset that was tested on."""

    name: str = ""
    """as in the rows"""
    dataset: str = ""
    mode: str = ""
    """``head``: protocols fitted on the run's own dataset; ``refit``: on this one"""
    synthetic: Truth = False
    labels: tuple[str, ...] = ()
    splits: dict[str, Size] = {}
    splits_sha256: str = ""
    official_split: Truth = False
    counts: dict[str, Any] = {}
    fingerprint: str | None = None
    content: dict[str, str] | None = None
    rejected: dict[str, Any] = {}
    component: RecordedComponent | None = None
    options: dict[str, Any] = {}


class TrainedSource(Part):
    """A dataset of the pretraining."""

    name: str = ""
    splits: tuple[str, ...] | None = ()
    """those that were seen; empty: unknown"""
    splits_sha256: str | None = ""
    """hash of the split manifest; empty: none is there"""
    images: Count | None = None
    """null: unknown"""
    test_patients: Count | None = None
    """patients of its own test split that were seen; null: unknown"""


class TrainedOn(Part):
    """What the encoder was pretrained on."""

    complete: Truth
    """nothing else was; false: unknown"""
    images: Count | None = None
    datasets: tuple[TrainedSource, ...] = ()


class EncoderCard(Part):
    """Weights of others."""

    name: str = ""
    file: str = ""
    sha256: str = ""
    licence: str | None = None
    revision: str | None = None
    source: str | None = None
    verified: Truth = False
    """whether the facts were verified with the weights"""
    trained_on: tuple[str, ...] | None = None
    """null: unknown"""
    preprocessing: dict[str, Any] = {}
    pooling: str = ""
    width: Count | None = None
    parameters: Count | None = None
    image_flops: Number | None = None
    """null: not counted"""


class Footprint(Part):
    """What an encoder costs in use and what it was given."""

    parameters: Count | None = None
    image_flops: Number | None = None
    """floating-point operations of one image, forward; null where the graph runs outside of torch"""
    image_size: Count | None = None
    """px"""
    width: Count | None = None
    """of the features"""
    pretraining_images: Count | None = None
    """null: unknown"""


class Environment(Part):
    """Where the run happened."""

    packages: dict[str, str | None] = {}
    python: str | None = None
    platform: str | None = None
    processor: str | None = None
    cores: Count | None = None
    threads: Count | None = None
    gpu: str | None = None
    git_commit: str | None = None
    """of the suite's own checkout; null for an installed package"""
    git_changed: Truth | None = None
    """whether the code differs from that commit"""


class Cost(Part):
    """Operations, parameters and memory of the training."""

    crops_per_image: Count | None = None
    step_flops: Number | None = None
    """floating-point operations of a step, counted on the shapes, forward and backward"""
    flops: Number | None = None
    """of the training"""
    encoder_parameters: Count | None = None
    trainable_parameters: Count | None = None
    peak_bytes: Count | None = None
    """largest memory by the end of the training: of a GPU what tensors took of it, without one what the whole process
    took since it began; of several processes the largest; null where nothing was trained"""


class Pretraining(Part):
    """What pretraining did."""

    steps: Count = 0
    images_seen: Count = 0
    crops_seen: Count = 0
    seconds: Number = 0.0
    """training time of this process"""
    images_per_second: Number = 0.0
    precision: str = ""
    device: str = ""
    resumed_at: Count = 0
    """step; 0: it was not resumed"""
    final: dict[str, Any] = {}
    """the last log entry"""
    optimizer: str = ""
    changes: tuple[str, ...] = ()
    """what a resume changed"""
    processes: Count = 1
    chosen: dict[str, Any] = {}
    """the step whose encoder is evaluated, where that is not the last"""


class Identity(Part):
    """What makes two encoders the same."""

    sha256: str = ""
    of: str = ""
    """weights, features or predictions"""


class Record(Part):
    """All that a run says of itself, and its numbers."""

    version: Count = Field(SCHEMA, alias="schema")
    """version of this description"""
    probed: str | None = None
    """the file whose embeddings or predictions were measured; there is no run behind them"""
    scored: Truth = False
    """whether these are predictions of a model from elsewhere"""
    bundled: Truth = False
    """whether the record came in a bundle"""
    synthetic: Truth = False
    """true where the images are generated: such numbers say nothing about patients"""
    notes: tuple[RecordedNote, ...] = ()
    """what a reader must know"""
    method: str = ""
    fusion: str | None = None
    features: tuple[str, ...] = ()
    """EHR features that were joined in pretraining"""
    ehr_columns: tuple[str, ...] = ()
    """of the EHR vector"""
    ehr_fills: dict[str, Any] = {}
    """values that replaced missing ones, learnt on the training split"""
    recipe: str = ""
    encoder: EncoderCard | None = None
    """weights of others; null where the run built its encoder"""
    trained_on: TrainedOn | None = None
    rates_from: str | None = None
    """whose rate and weight decay these are"""
    config: dict[str, Any] = {}
    """the resolved configuration, every key"""
    downstream_fusion: str | None = None
    """the fusion that protocols join EHR by"""
    options: dict[str, dict[str, dict[str, Any]]] = {}
    """resolved options by kind and name"""
    components: tuple[RecordedComponent, ...] = ()
    without_encoder: tuple[str, ...] = ()
    """protocols that look at no encoder"""
    data: Data = Data()
    external: tuple[External, ...] = ()
    environment: Environment = Environment()
    cost: Cost | None = None
    pretraining: Pretraining | None = None
    """null where nothing was trained"""
    seconds: dict[str, Number] = {}
    """wall time by stage"""
    footprints: dict[str, Footprint] = {}
    """by encoder"""
    encoders: dict[str, Identity] = {}
    """identity of each encoder by its name in the rows"""
    metrics: tuple[MetricRow, ...]
    comparisons: tuple[Comparison, ...] = ()
    files: dict[str, str] | None = None
    """SHA-256 of every file beside the record that the numbers come from; a record of the first version knows none"""

    @field_validator("recipe")
    @classmethod
    def _today(cls, recipe: str) -> str:
        return recipe_name(recipe)

    @field_validator("config")
    @classmethod
    def _today_in_config(cls, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "recipe": recipe_name(config["recipe"])} if "recipe" in config else config

    @property
    def settings(self) -> Settings:
        """The parts of the configuration that readers look into."""
        return Settings.model_validate(self.config)

    @property
    def pretrained(self) -> bool:
        """Whether the run trained its encoder; the first records say nothing of runs that did not."""
        return "pretraining" not in self.model_fields_set or self.pretraining is not None

    def options_of(self, kind: str) -> Mapping[str, Mapping[str, Any]]:
        """Resolved options of the components of a kind by name; none where the record has none."""
        return self.options.get(kind, {})

    def identity_of(self, encoder: str) -> str:
        """Hash of an encoder's weights, or of its features; empty where the record has none."""
        return self.encoders[encoder].sha256 if encoder in self.encoders else ""

    def footprint_of(self, encoder: str) -> Footprint:
        """Size and cost of an encoder, as far as the record knows them."""
        return self.footprints.get(encoder, Footprint())
