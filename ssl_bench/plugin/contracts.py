"""What the loaded target of each component must be, with tensor shapes.

``B`` images in a batch, ``V`` views of an image, ``D`` encoder width, ``N`` tokens, ``F`` EHR columns, ``L`` labels.
Torch is imported for type checking only, so that descriptors and plans stay light.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from ssl_bench.plugin.feature_specs import SHARED, FeatureSpec
from ssl_bench.plugin.views import Photometric as Photometric
from ssl_bench.plugin.views import ViewGroup as ViewGroup

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor, nn

    from ssl_bench.plugin.boxes import Box
    from ssl_bench.plugin.cohort import Cohort

    Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Batch:
    """One training batch, on the model's device.

    Args:
        views: ``(count * B, 1, size, size)`` for each group, view-major: view 0 of all images first.
        ehr: ``(B, F)`` feature columns, 0 where absent.
        present: ``(B, F)`` 1 where the value is known, else 0.
        labels: ``(B, L)`` with NaN for unknown.
        index: ``(B,)`` row numbers in the prepared store.
    """

    views: Mapping[str, Tensor]
    ehr: Tensor
    present: Tensor
    labels: Tensor
    index: Tensor


class Encoding(NamedTuple):
    """Output of a backbone: ``pooled (B, D)`` and ``tokens (B, N, D)`` without the class token.

    There are no tokens, N = 0, where nobody asked for them.
    """

    pooled: Tensor
    tokens: Tensor


class Hidden(NamedTuple):
    """Patches, those ``where (B, P)`` is True, behind a learnt ``token (1, D)``."""

    where: Tensor
    token: Tensor


class Fused(NamedTuple):
    """Output of a fusion: ``features (B, out_dim)`` and auxiliary losses by name, each a scalar."""

    features: Tensor
    losses: Mapping[str, Tensor] = {}


class Loss(NamedTuple):
    """Training loss of one batch.

    Attributes:
        total: the scalar that is minimised.
        parts: named scalars that are logged.
        features: ``(B', D)`` detached features that the collapse monitors look at, None for no monitoring.
        probabilities: ``(B', K)`` detached assignments to prototypes or classes, where the method has them.
    """

    total: Tensor
    parts: Mapping[str, Tensor] = {}
    features: Tensor | None = None
    probabilities: Tensor | None = None


@runtime_checkable
class Backbone(Protocol):
    """An image encoder (an ``nn.Module``).

    Attributes:
        model: the bare network whose weights are loaded and exported.
        dim: width D of its output.
        image_size: side in px of the image it is evaluated on.
        patch_size: side of a patch in px, 0 for a CNN.
        masks: patches can be dropped, or hidden behind a learnt token.

    One that can do without learnt positions has ``fix_positions()``, which puts fixed ones in their place; one that can
    do without a class token has ``pool_patches()``, after which ``pooled`` is the mean of the patches. One whose last
    layer adds a constant to all rows (the bias of a norm) names those parameters in ``offset_parameters``.
    """

    model: nn.Module
    dim: int
    image_size: int
    patch_size: int
    masks: bool

    def __call__(
        self, images: Tensor, keep: Tensor | None = None, *, tokens: bool = True, hidden: Hidden | None = None
    ) -> Encoding:
        """Encode ``images (B, 1, H, W)``; ``keep (B, K)`` numbers the patches that enter the blocks, None for all.

        A patch that is ``hidden`` keeps its place, and a token stands there instead of what it shows.
        Who reads the pooled features alone says ``tokens=False``, which may save work; ``tokens`` may then be empty.
        """

    def patches(self, size: int) -> int:
        """Patches of a square image of ``size`` px."""

    def export(self) -> tuple[dict[str, Any], Mapping[str, Tensor]] | None:
        """The ``config.json`` and weights that timm opens from a folder; None for what timm has no network for."""


@runtime_checkable
class Fusion(Protocol):
    """Joins EHR features with an encoding (an ``nn.Module``), built as ``Target(options, dim, schema)``.

    Attributes:
        out_dim: width of the fused features; a method builds its head from it.

    The core sets ``needs_tokens`` and ``offset_parameters`` on it, as its descriptor states them.
    """

    out_dim: int

    def fuse(self, encoding: Encoding, ehr: Tensor, present: Tensor) -> Fused:
        """Fuse ``encoding`` of B rows with ``ehr (B, F)``; ``present (B, F)`` is 0 where a value is missing."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share optimiser settings.

    Args:
        parameters: the parameters.
        weight_decay: factor on the run's weight decay.
        lr_scale: factor on the run's learning rate.
        clip: largest gradient norm of the group, None for no clipping.
        clip_each: clip every parameter by itself instead of the group as a whole.
        clip_with: groups of one limit and one name here are clipped by their joint norm.
        rest: share of the training at whose start the rate is 0; unlike ``frozen``, the optimiser's averages follow.
        constant_lr: stay at the peak learning rate instead of following the schedule.
        betas: AdamW's decay of its averages of gradients and of their squares.
    """

    parameters: Sequence[nn.Parameter]
    weight_decay: float = 1.0
    lr_scale: float = 1.0
    clip: float | None = None
    clip_each: bool = False
    clip_with: str = ""
    rest: float = 0.0
    constant_lr: bool = False
    betas: tuple[float, float] = (0.9, 0.999)


class Method(Protocol):
    """A pretraining method (an ``nn.Module``), built as ``Target(options, backbone, fusion or None)``.

    One whose descriptor says ``uses_labels`` gets the number of labels L as a fourth argument.

    It sees tensors only: never devices, loaders, files, ranks or the optimiser. Random numbers come from torch's
    global generator, which the core seeds before every step. :class:`ssl_bench.plugin.methods.BaseMethod` supplies
    everything but ``views``, ``training_loss`` and ``encoder``.

    Attributes:
        views: the groups of crops it trains on.
        encoder: the network that is evaluated.
        schedule_stretch: learning-rate and weight-decay schedules are computed for this multiple of the training
            length and so end before their final value (MSN: 1.25).
        null_parameters: names of trainable parameters whose gradient is zero by construction (a bias in front of a
            normalisation), so that a check for dead parameters can tell them from mistakes.
        detaches: the loss holds targets fixed that trained parameters gave (a stop-gradient), so that its gradient is
            not its derivative; the conformance kit checks either way. False where not stated.
        frozen: trainable parameters that the step leaves as they are, set by ``before_step``. Their gradient is
            dropped before the optimiser; switching ``requires_grad`` off instead would stall other ranks.
    """

    views: Sequence[ViewGroup]
    encoder: Backbone
    schedule_stretch: float
    null_parameters: Sequence[str]
    detaches: bool
    frozen: Sequence[nn.Parameter]

    def fit(self, images: Iterable[Tensor]) -> None:
        """Learn what a baseline that is not trained by steps takes from the training images (principal axes).

        Called before the evaluation of a method whose descriptor says ``trains=False``, and of no other one.

        Args:
            images: the encoder's views ``(n, 1, H, W)`` of all training images, in parts; reading them takes time only
                where they are asked for.
        """

    def before_step(self, progress: float) -> None:
        """Prepare a step; ``progress`` is the share of the training that is done, in [0, 1)."""

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """The loss of one batch, with gradients."""

    def after_step(self, progress: float) -> Mapping[str, float]:
        """Act after the optimiser (EMA); returns schedule values in use, to be logged."""

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """The trainable parameters with their optimiser settings."""


class Dataset(Protocol):
    """Reads a native layout, built as ``Target(options)``. No image is decoded here."""

    def locate(self, root: Path | None, cache: Path) -> Path:
        """The folder to read: ``root`` itself, or for a generated dataset a folder under ``cache``, written first."""

    def read(self, root: Path) -> Cohort:
        """The cohort table of the files under ``root``.

        Raises:
            DataError: files or columns are missing, or values are impossible.
        """


class Writer(Protocol):
    """Writes virtual patients in a dataset's native layout, for ``sslbench data synth``."""

    def __call__(self, options: Any, folder: Path) -> Mapping[str, int]:
        """Write every file of the layout; the answer is what was written, such as ``{"patients": 200, "images": 800}``.

        Args:
            options: of the model that the descriptor names, at least ``patients``, ``seed`` and ``size`` (short side
                of a picture in px). The same options give the same bytes.
            folder: an empty folder, which is renamed to its place when the writer is done. The core adds
                ``synthetic.json``, which :func:`ssl_bench.data.synthetic.is_synthetic` looks for.
        """


HELD_OUT = ("validate", "test")
"""The splits that are predicted; the training split is for fitting alone."""


@dataclass(frozen=True)
class Split:
    """Everything an evaluator may know of one split, row by row.

    Args:
        name: train, validate or test.
        image_ids: ``(N,)`` text.
        patient_ids: ``(N,)`` text.
        embeddings: ``(N, D)`` float32.
        labels: ``(N, L)`` 1, 0 or NaN.
        rows: ``(N,)`` row numbers in the cohort and the store.
        ehr: the dataset's EHR features by name, ``(N,)`` each: numbers with NaN, or text with None.
        ehr_values: ``(N, F)`` the run's EHR vectors, 0 where missing; None in a run without features.
        ehr_present: ``(N, F)`` 1 where known.
        study_ids: ``(N,)`` text; None where studies are not known.
        boxes, declared: around findings, in the square that encoders see; what each EHR feature is, by name.
    """

    name: str
    image_ids: npt.NDArray[Any]
    patient_ids: npt.NDArray[Any]
    embeddings: Floats
    labels: Floats
    rows: npt.NDArray[Any]
    ehr: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    ehr_values: Floats | None = None
    ehr_present: Floats | None = None
    study_ids: npt.NDArray[Any] | None = None
    boxes: Sequence[Box] = ()
    declared: Mapping[str, FeatureSpec] = field(default_factory=lambda: SHARED)


@dataclass(frozen=True)
class EvalContext:
    """What an evaluation protocol works on.

    Args:
        splits: by name; the test split is for prediction only.
        labels: the L findings' names.
        encoder: the frozen encoder, on ``device``.
        device: where to compute.
        seed: of the run.
        images: the encoder's view ``(B, 1, H, W)`` of some :attr:`Split.rows`, normalised and on ``device``; None where
            there are embeddings alone. Only for a protocol whose descriptor says that it needs the encoder.
        black: the value of a black pixel in those views, ``(C, 1, 1)`` where channels differ.
        external: test splits of other datasets by the dataset's name, their labels in the same columns (NaN where the
            dataset lacks a finding). A protocol that predicts should score them too, with what it fitted and chose on
            ``splits``; one that does not has no rows there.
        fusion: makes a fresh fusion of :attr:`Split.ehr_values` with features of the encoder; None where the run has
            none that joins them.
    """

    splits: Mapping[str, Split]
    labels: Sequence[str]
    encoder: Backbone
    device: str
    seed: int
    images: Callable[[npt.NDArray[Any]], Tensor] | None = None
    black: float | Tensor = 0.0
    external: Mapping[str, Split] = field(default_factory=dict)
    fusion: Callable[[], Fusion] | None = None

    def held_out(self) -> dict[str, Split]:
        """Everything that a protocol predicts, by name: validate, test, and the test splits of other datasets."""
        return {**{name: self.splits[name] for name in HELD_OUT}, **self.external}


@dataclass(frozen=True)
class Predictions:
    """Scores for every image of a split: the core turns them into metrics with intervals and keeps them.

    Args:
        split: name of the split, or of a dataset of :attr:`EvalContext.external`.
        scores: ``(N, L)`` higher means more likely; NaN in a whole column: the label could not be fitted.
        probabilities: the scores are probabilities in [0, 1].
        settings: what validation chose (``{"strength": 0.1}``), for the record.
        fraction, draw: share of the training patients, and which draw of that share; the core fills them in.
    """

    split: str
    scores: Floats
    probabilities: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    fraction: float = 1.0
    draw: int = 0


@dataclass(frozen=True)
class MetricValue:
    """A number that a protocol yields itself, for example a cluster index.

    Args:
        split: name of the split.
        label: a finding, or another attribute of the images (``sex``).
        metric: name of the number.
        value: None where it is undefined.
        note: why a value or an interval is missing.
        ci_low, ci_high: ends of the protocol's own 95 % interval, from resamples of patients.
        percentile_low, percentile_high: ends of the percentile interval of these resamples.
    """

    split: str
    label: str
    metric: str
    value: float | None
    note: str = ""
    ci_low: float | None = None
    ci_high: float | None = None
    percentile_low: float | None = None
    percentile_high: float | None = None


class Evaluator(Protocol):
    """An evaluation protocol, built as ``Target(options)``. It yields values and never prints or stores."""

    def evaluate(self, context: EvalContext) -> Iterable[Predictions | MetricValue]:
        """Run the protocol on one encoder."""
