"""The configuration of a run: frozen, complete, and refused where a key is unknown. No torch."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from ssl_bench.config.layers import CHOICES as CHOICES
from ssl_bench.config.layers import layered as layered
from ssl_bench.config.layers import merge as merge
from ssl_bench.config.layers import named as named
from ssl_bench.config.roots import Addressed, Place, encoder_file, external_sets
from ssl_bench.config.tuned import Tuning
from ssl_bench.config.yamltext import load_yaml
from ssl_bench.errors import UsageError, because, unknown
from ssl_bench.plugin.names import DEFAULT_BACKBONE, DEFAULT_DATASET, DEFAULT_METHOD, DEFAULT_PROTOCOLS
from ssl_bench.plugin.options import validate
from ssl_bench.plugin.places import places_in
from ssl_bench.plugin.training import REFERENCE, Training, recipe_name

PRESETS = ("smoke", "demo", "demo-long", "nih-small", "paper", "paper-512")


def split_names(value: Any) -> Any:
    """``"age,sex"`` as ``("age", "sex")``; other values unchanged."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def one_fault(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """What a number or ``auto`` is; of what neither is, the number's fault alone is told."""
    try:
        return validate(value)
    except ValidationError as error:
        raise PydanticCustomError("number_or_auto", "{told}, or 'auto'", {"told": error.errors()[0]["msg"]}) from None


Names = Annotated[tuple[str, ...], BeforeValidator(split_names)]
RIGHT_CLOSED = "right-closed"
"""Bins of ages that hold their upper end, as the released code's do."""


class Section(BaseModel):
    """Base of the sections: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(BaseModel):
    """A component by name with its options: ``{name: msn, prototypes: 512}``, or just ``msn``.

    The options stay unchecked here; the component's own model checks them when the run is planned.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class EncoderChoice(Choice):
    """An encoder of others: the reader or the encoder by name, its file or folder, and the reader's own options."""

    path: Path
    image_size: int = Field(0, ge=0, description="px, 0 for the encoder's own")
    pooling: str = Field("", description="class, mean, own or class+mean; empty: as its authors pool")
    normalise: str = Field("", description="encoder, imagenet, half, clip or MEAN,STD; empty: the encoder's own")
    trained_on: Names = Field((), description="datasets that the weights were trained on; empty: as the encoder states")


Named = Annotated[Choice, BeforeValidator(named)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[Annotated[float, Field(gt=0)] | Literal["auto"], WrapValidator(one_fault)]
Decay = Annotated[Annotated[float, Field(ge=0)] | Literal["auto"], WrapValidator(one_fault)]


class SourceConfig(Section):
    """A dataset and its folder."""

    name: str = Field(description="dataset")
    options: Addressed = Field(default_factory=dict, description="options of the dataset")
    root: Place | None = Field(None, description="folder of the download, or its URL; not needed for synthetic data")
    split: Place | None = Field(None, description="CSV file of your own: split by patient_id, study_id or image_id")


class ExternalConfig(SourceConfig):
    """Another dataset, on whose test split the encoders are tested."""

    mode: Literal["auto", "head", "refit"] = Field(
        "auto",
        description="head: fitted on the run's own data; refit: on the other; auto: head if most findings are shared",
    )
    called: str = Field("", pattern=r"^[\w.+-]*$", description="name in tables and files, the dataset's own if empty")
    labels: str = Field("auto", description="label space; auto: the run's where the dataset has it, else its own")


class DataConfig(Section):
    """Which images, and how they are prepared."""

    name: str = Field(DEFAULT_DATASET, description="dataset")
    options: Addressed = Field(default_factory=dict, description="options of the dataset")
    root: Place | None = Field(None, description="folder of the download, or its URL; not needed for synthetic data")
    split: Place | None = Field(None, description="CSV file of your own: split by patient_id, study_id or image_id")
    on_unlisted: Literal["error", "skip"] = Field("error", description="images that the split file has no split for")
    more: tuple[SourceConfig, ...] = Field((), description="further datasets that are pretrained on together with it")
    labels: str = Field("auto", description="native, chexpert14, nih14, common7; auto: native, or what several share")
    uncertain: Literal["ignore", "zeros", "ones"] = Field("zeros", description="what an uncertain label (-1) becomes")
    blank: Literal["ignore", "zeros"] = Field("zeros", description="what a blank label becomes")
    size: int = Field(256, ge=16, le=4096, description="side of the prepared images in px")
    fit: Literal["crop", "pad"] = Field("crop", description="how an image becomes square")
    attributes: Names = Field((), description="attributes beside age, sex and view to read and group by, such as race")
    workers: int = Field(0, ge=0, description="threads that prepare images, 0 for one a core")
    merge_duplicates: bool = Field(False, description="merge identical rows instead of refusing them")
    similar_ids: Literal["refuse", "merge", "keep"] = Field(
        "refuse", description="ids that differ in case, spaces, leading zeros or a final .0, or spell nan or None"
    )
    follow_links: Names = Field((), description="folders outside the root that links may point to; any: everywhere")
    on_missing: Literal["error", "skip"] = Field("error", description="images of the tables that are missing")
    on_bad: Literal["error", "quarantine"] = Field("error", description="what an unreadable image does")
    bad_limit: float = Field(0.01, ge=0, le=1, description="largest share of unreadable images to quarantine")
    pixel_limit: int = Field(100_000_000, gt=0, description="an image of more pixels is refused")
    residency: Literal["auto", "device", "ram", "disk", "sharded"] = Field("auto", description="where images live")
    pretrain_on: Literal["train", "all"] = Field("train", description="splits whose images are pretrained on")
    allow_test_in_pretraining: bool = Field(False, description="allow test patients in pretraining (recorded)")


class EhrConfig(Section):
    """Which EHR features are joined in pretraining, and how missing ones are treated."""

    features: Names = Field((), description="features or groups: age, sex, view, ..., demographic, scan, stay")
    impute: Literal["none", "train"] = Field("none", description="fill gaps from the training split, or mark them")
    impute_features: Names = Field((), description="the features whose gaps are filled, empty for all")
    constants: dict[str, Annotated[str, BeforeValidator(str)]] = Field(
        default_factory=dict, description="by feature, what a missing value is, such as mortality: 0"
    )
    age_bins: Literal["left-closed", "right-closed"] = Field(
        "left-closed", description="left-closed: edges 25, 30, ..., 95; right-closed, as released: 20, 25, ..., 90"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the values that a training step withholds")
    control: Literal["none", "shuffled", "constant", "noise"] = Field("none", description="instead of real values")
    start: float = Field(0.0, ge=0, lt=1, description="share of the pretraining from which on EHR is given")
    until: float = Field(1.0, gt=0, le=1, description="share of the pretraining up to which EHR is given")


class BackboneConfig(Section):
    """The image encoder."""

    name: str = Field(DEFAULT_BACKBONE, description="an alias or any timm model")
    image_size: int = Field(0, ge=0, description="px, 0 for the backbone's own")
    options: dict[str, Any] = Field(default_factory=dict, description="further arguments of the timm model")
    positions: Literal["auto", "learnt", "sincos"] = Field(
        "auto", description="of a ViT's patches: learnt, or fixed sines and cosines; auto: as the method has them"
    )
    init: Path | None = Field(None, description="weights to start from: a file, or the folder of a run")
    init_prefix: str = Field("", description="of the encoder's keys in the file; empty: found among the usual ones")
    init_allow: Names = Field((), description="patterns of keys that may be missing in the file or left over")
    encoder: Annotated[EncoderChoice | None, BeforeValidator(encoder_file)] = Field(
        None, description="weights of others in their own form: name, path, and the reader's options"
    )


class PretrainConfig(Section):
    """Optimisation, the same for every method of a fair table."""

    epochs: int = Field(100, ge=0, description="passes over the training images")
    budget: Literal["epochs", "flops"] = Field("epochs", description="what is held equal: epochs, or flops (see tflop)")
    tflop: float | None = Field(None, gt=0, description="floating-point operations in 10^12 that set the epochs")
    batch_size: int = Field(64, ge=2, description="images in a step")
    lr: Rate = Field("auto", description="peak learning rate; auto: the method's official one for this batch")
    lr_end: float = Field(1e-6, ge=0, description="final learning rate")
    warmup_epochs: float = Field(15, ge=0, description="epochs of linear warm-up")
    weight_decay: Decay = Field("auto", description="at the start; auto: the method's official one")
    weight_decay_end: Decay | None = Field("auto", description="at the end; auto: as the method; none: constant")
    optimizer: Literal["auto", "adamw", "lars"] = Field("auto", description="auto: LARS for CNNs in large batches")
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field("auto", description="auto: bf16 where it is fast")
    accelerator: Literal["auto", "cpu", "cuda"] = Field("auto", description="device")
    accumulate: int = Field(1, ge=1, description="parts in which encoders get a batch; the loss sees it whole")
    checkpoint_activations: bool = Field(False, description="compute them again in the backward pass, not keep them")
    compile: bool = Field(False, description="torch.compile of the backbones: minutes at the start, for long runs")
    devices: int = Field(1, ge=1, description="processes on each machine, one a GPU; each gets its part of a batch")
    nodes: int = Field(1, ge=1, description="machines")
    parallel: Literal["auto", "ddp", "fsdp"] = Field("auto", description="fsdp: processes share the weights")
    threads: int = Field(0, ge=0, description="CPU threads, 0 for one a core")
    log_every: int = Field(10, ge=1, description="steps between log lines")
    probe_every: float = Field(0.0, ge=0, description="epochs between looks of the online probe, 0 for none")
    checkpoint_every: float = Field(1.0, gt=0, description="epochs between checkpoints")
    evaluated: Literal["last", "lowest-loss"] = Field("last", description="encoder: last, or of the lowest mean loss")

    @property
    def peak(self) -> float:
        """The peak learning rate; of a configuration that nobody settled, that of a method without an official one."""
        return Training().rate(self.batch_size) if self.lr == "auto" else self.lr

    @property
    def decay(self) -> tuple[float, float]:
        """Weight decay at the start and at the end."""
        start = Training().weight_decay if self.weight_decay == "auto" else self.weight_decay
        return start, start if self.weight_decay_end in (None, "auto") else float(self.weight_decay_end)

    @property
    def processes(self) -> int:
        """Processes that train together."""
        return self.devices * self.nodes

    def optimizer_for(self, patch_size: int) -> Literal["adamw", "lars"]:
        """The optimiser for a backbone of this patch size (0 for a CNN); it never depends on the method."""
        if self.optimizer == "auto":  # AdamW for ViTs; for CNNs LARS from 512 images on, where plain rates break down
            return "lars" if patch_size == 0 and self.batch_size >= 512 else "adamw"
        return self.optimizer


METRICS = ("sensitivity-at-specificity-90", "specificity-at-sensitivity-90", "f1", "balanced-accuracy", "brier", "ece",
           "calibration-slope", "calibration-intercept", "net-benefit")  # fmt: skip
"""The usual metrics beside AUROC and AUPRC, as far as a plugin offers them."""


class EvaluateConfig(Section):
    """Protocols on the frozen encoder."""

    protocols: Names = Field(DEFAULT_PROTOCOLS, description="evaluators")
    options: dict[str, dict[str, Any]] = Field(default_factory=dict, description="options by evaluator")
    metrics: Names | None = Field(
        None, description="metrics of the test split beside AUROC and AUPRC; null: the usual ones, empty: no other"
    )
    metric_options: dict[str, dict[str, Any]] = Field(default_factory=dict, description="options by metric")
    baselines: Annotated[tuple[Named, ...], BeforeValidator(split_names)] | None = Field(
        None, description="untrained encoders to measure beside it; null: those that offer themselves (random, pixels)"
    )
    ehr: bool = Field(False, description="run the protocols that get EHR downstream beside those above")
    label_fractions: Annotated[tuple[Fraction, ...], BeforeValidator(split_names)] = Field(
        (1.0,), min_length=1, description="shares of the training patients whose labels are used"
    )
    label_draws: int = Field(3, ge=1, description="random draws of each share below 1")
    aggregate: Literal["none", "max", "mean"] | None = Field(None, description="of a study; null: the dataset's own")
    replicates: int = Field(1000, ge=100, description="resamples of patients behind the intervals")
    batch_size: int = Field(0, ge=0, description="images embedded at once, 0 for 64 on a CPU and 256 on a GPU")
    withhold: Literal["test"] | None = Field(None, description="test: its labels stay unread, nothing is scored there")
    test_on: Annotated[tuple[ExternalConfig, ...], BeforeValidator(external_sets)] = Field(
        (), description="other datasets to test on: name, root, mode, called, options, labels"
    )


class RunConfig(Section):
    """Everything that defines a run."""

    preset: str = Field("demo", description="values to start from, written for a purpose and a size")
    method: Named = Field(Choice(name=DEFAULT_METHOD), description="pretraining method, with its options")
    group: str = Field("", description="pretraining method of the weights that --init gives, whose seeds form an arm")
    pretraining_seed: int | None = Field(None, ge=0, description="which seed of that group the weights are")
    recipe: Annotated[str, AfterValidator(recipe_name)] = Field(
        REFERENCE, description="reference, or another that the method offers (paper, released)"
    )
    fusion: Named | None = Field(None, description="how EHR features join the image; null: as the method does")
    data: DataConfig = DataConfig()
    ehr: EhrConfig = EhrConfig()
    backbone: BackboneConfig = BackboneConfig()
    pretrain: PretrainConfig = PretrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    loggers: Annotated[tuple[Named, ...], BeforeValidator(split_names)] = Field(
        (), description="where training curves go besides log.jsonl")  # fmt: skip
    seed: int = Field(0, ge=0, lt=2**31, description="of everything random")
    tuning: Tuning | None = Field(None, description="what sslbench tune writes of how it chose the options")


def preset(name: str) -> dict[str, Any]:
    """The values of a preset.

    Raises:
        UsageError: there is no such preset.
    """
    if name not in PRESETS:
        raise UsageError(unknown("preset", name, PRESETS))
    return dict(yaml.safe_load((files("ssl_bench") / "presets" / f"{name}.yaml").read_text()))


def read_file(path: Path) -> dict[str, Any]:
    """A configuration file in YAML or TOML.

    Raises:
        UsageError: it cannot be read, or it is not a table of keys.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else load_yaml(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # what is no TOML is a ValueError
        raise UsageError(f"config {path} cannot be read: {because(error)}") from None
    if not isinstance(values, dict):
        raise UsageError(f"config {path} must hold keys and values, found {type(values).__name__}")
    return values


def assignment(text: str) -> dict[str, Any]:
    """``"method.prototypes=512"`` as ``{"method": {"prototypes": 512}}``; the value is YAML.

    Raises:
        UsageError: there is no ``=``, or the value is not YAML.
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise UsageError(f"--set expects KEY=VALUE such as pretrain.epochs=5, found '{text}'")
    try:
        nested: Any = load_yaml(value)
    except yaml.constructor.ConstructorError as error:
        raise UsageError(f"--set {path}: {error.problem}, found '{value}'") from None
    except yaml.YAMLError:
        raise UsageError(f"--set {path}: '{value}' is not a YAML value; quote it") from None
    for part in reversed(path.strip().split(".")):
        nested = {part: nested}
    return dict(nested)


def resolve(layers: Iterable[Mapping[str, Any]]) -> RunConfig:
    """The configuration from layers, later ones on top.

    Raises:
        UsageError: an unknown key (with the nearest match), or a value of the wrong type or range.
    """
    return validate(RunConfig, layered(layers), "the configuration", places_in(RunConfig))


def is_whole(values: Mapping[str, Any]) -> bool:
    """Whether a file has all keys, as the ``config.yaml`` that a run leaves: no preset has a say in it."""
    return set(RunConfig.model_fields) - {"tuning"} <= set(values)


def read_files(files: Path | Iterable[Path] | None) -> dict[str, Any]:
    """Configuration files in layers, later ones on top.

    Raises:
        UsageError: one cannot be read, or one that has all keys would cover those before it.
    """
    paths = [files] if isinstance(files, Path) else list(files or ())
    layers = [read_file(path) for path in paths]
    for path, values in list(zip(paths, layers, strict=True))[1:]:
        if is_whole(values):
            raise UsageError(f"config {path} has all keys, so nothing before it has an effect; give it first")
    return layered(layers)


def load(
    flags: Mapping[str, Any],
    *,
    name: str | None = None,
    file: Path | Iterable[Path] | None = None,
    recipe: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda _: {},
) -> RunConfig:
    """The configuration of the command line: defaults < preset < recipe < ``--config``, ``--config``, ... < flags.

    A file that has all keys is the whole configuration of a run, so that neither a preset nor a recipe lies beneath it.

    Args:
        flags: nested values of the command line.
        name: the preset; None: what the file names, else ``demo``.
        file: a YAML or TOML file, or several.
        recipe: the values of the recipe that the other layers ask for (:func:`ssl_bench.config.recipes.finder`).

    Raises:
        UsageError: as :func:`resolve`, or a preset or recipe is asked for beside a whole configuration.
    """
    values = read_files(file)
    if is_whole(values):
        return _of_whole(values, flags, name)
    chosen = str(flags.get("preset") or name or values.get("preset", "demo"))
    layers = [{"method": DEFAULT_METHOD, "preset": chosen}, preset(chosen), values, flags, {"preset": chosen}]
    return resolve([*layers[:2], recipe(layered(layers)), *layers[2:]])


def _of_whole(values: Mapping[str, Any], flags: Mapping[str, Any], name: str | None) -> RunConfig:
    """A whole configuration with flags on top; the options of a dataset go with its name."""
    recipe = flags.get("recipe", values["recipe"])
    same = recipe_name(recipe) == recipe_name(values["recipe"])
    asked = {"preset": name or flags.get("preset"), "recipe": None if same else recipe}
    for key, value in asked.items():
        if value:
            raise UsageError(
                f"--config names the whole configuration of a run, with preset '{values['preset']}' and recipe "
                f"'{values['recipe']}', so --{key} {value} would have no effect; leave out one of the two"
            )
    data = flags.get("data", {})
    if "name" in data and data["name"] != values["data"].get("name"):
        values = {**values, "data": {**values["data"], "options": {}, "root": None}}
    return resolve([values, flags])
