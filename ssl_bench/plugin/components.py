"""What a plugin offers: light descriptors that point at code without importing it.

Nothing here imports torch, numpy, pandas or even pydantic, so that ``sslbench plugins`` answers at once. The
``target`` of a descriptor is loaded when a run needs it; :mod:`ssl_bench.plugin.contracts` says what it must be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from ssl_bench.errors import PluginError, UsageError
from ssl_bench.plugin.flags import Flag
from ssl_bench.plugin.label_spaces import LabelSpace
from ssl_bench.plugin.training import Recipe, Training

if TYPE_CHECKING:
    from ssl_bench.plugin.feature_specs import FeatureSpec
    from ssl_bench.plugin.options import Options, WriterOptions


LIKE: Mapping[str, str] = MappingProxyType({"demo-long": "demo", "nih-small": "demo"})
"""Presets for which a component that states nothing of its own takes what it states for another one."""

T = TypeVar("T")


def of_preset(stated: Mapping[str, T], preset: str) -> T | None:
    """What is stated for a preset, else for the one that it is like, else None."""
    return stated.get(preset, stated.get(LIKE.get(preset, "")))


@dataclass(frozen=True, kw_only=True)
class Component:
    """One thing a plugin offers.

    Args:
        name: what the user types; lower case, words joined by hyphens.
        target: ``"package.module:Object"``, loaded on demand.
        summary: one line for ``sslbench plugins``.
        options: ``"package.module:Model"``, a pydantic model derived from :class:`ssl_bench.Options`. The module must
            import nothing heavy. Empty: the component has no options.
        defaults: option values that differ from the model's defaults, so that one target can be offered under
            several names.
        presets: option values by preset (``smoke``, ``demo``, ``paper``); a user's own value wins. See :data:`LIKE`.
        flags: options of a method, fusion or dataset that commands take as flags of their own.
    """

    kind: ClassVar[str]
    name: str
    target: str
    summary: str
    options: str = ""
    defaults: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    flags: tuple[Flag, ...] = ()

    def load(self) -> Any:
        """Import the target.

        Raises:
            PluginError: the target cannot be imported.
        """
        return self._resolve(self.target)

    def options_model(self) -> type[Options]:
        """The pydantic model of the component's options (:class:`ssl_bench.Options` itself where there are none).

        Raises:
            PluginError: the options module cannot be imported.
        """
        return self._resolve(self.options or "ssl_bench.plugin.options:Options")  # type: ignore[no-any-return]

    def _resolve(self, path: str) -> Any:
        try:
            return resolve_name(path)
        except (Exception, SystemExit) as error:  # one that exits while it is imported has not done its work
            raise PluginError(
                f"{self.kind} '{self.name}' cannot be loaded from '{path}': {type(error).__name__}: {error}"
            ) from error


@dataclass(frozen=True, kw_only=True)
class MethodSpec(Component):
    """A way to pretrain an encoder; the target is a :class:`ssl_bench.plugin.contracts.Method`.

    Args:
        fusion: the fusion that joins EHR features where the user names none; empty: the user must name one.
        features: the EHR features where the user names none; empty: the method then runs without EHR.
        trains: False for a baseline that only evaluates the encoder as it was initialised.
        needs_initial: an untrained method is made of the encoder as it is initialised; False: of the images alone, so
            that it stands beside an encoder from elsewhere too, and no seed changes it.
        baseline: an untrained method that every run is measured beside, where the user names no others.
        needs_weights: the method evaluates weights that the user brings.
        masks: the method drops patches, so it needs a backbone with a token sequence (a ViT).
        same_width: student and teacher features are compared directly, so a fusion must keep the width D.
        uses_labels: the method reads the labels of the training split (a supervised baseline); it is built with
            their number.
        positions: of a ViT's patches in its official code: ``learnt``, or ``sincos``, fixed sines and cosines.
        training: what its authors train it with, by optimiser (``adamw`` for ViTs, ``lars`` for CNNs in large batches).
        recipes: by name, beside ``reference``, which is the method as its options' defaults make it.
    """

    kind: ClassVar[str] = "method"
    fusion: str = ""
    features: tuple[str, ...] = ()
    trains: bool = True
    needs_initial: bool = True
    baseline: bool = False
    needs_weights: bool = False
    masks: bool = False
    same_width: bool = False
    uses_labels: bool = False
    positions: Literal["learnt", "sincos"] = "learnt"
    training: Mapping[str, Training] = field(default_factory=lambda: MappingProxyType({}))
    recipes: Mapping[str, Recipe] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class FusionSpec(Component):
    """A way to join EHR features with an image encoding; the target is a :class:`ssl_bench.plugin.contracts.Fusion`.

    Args:
        needs_tokens: the fusion reads the token sequence and not only the pooled feature.
        keeps_width: ``out_dim`` equals the encoder's width D.
        fuses: EHR values reach the features; False for a fusion that leaves them as they are and adds losses at most.
        offset_parameters: names of parameters that add the same constant to the features of every row (the bias of a
            last linear layer), which a method's BatchNorm cancels (:func:`ssl_bench.plugin.methods.cancelled_offsets`).
    """

    kind: ClassVar[str] = "fusion"
    needs_tokens: bool = False
    keeps_width: bool = True
    fuses: bool = True
    offset_parameters: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Component):
    """A native on-disk layout; the target is a :class:`ssl_bench.plugin.contracts.Dataset`.

    Args:
        features: the EHR features that the layout holds.
        optional: those of them that a download may lack; the cohort says which are there.
        declares: what each of the features is that is none of :data:`ssl_bench.plugin.feature_specs.SHARED`.
        label_space: the name of its own label space (:mod:`ssl_bench.plugin.label_spaces`).
        label_spaces: those that the plugin brings, with their mapping to others.
        synthetic: results on it must say so.
        aggregate: truth is by study, which is therefore scored by the ``max`` or ``mean`` of its images; empty: images
            are scored.
        thumbnails: small images of it may be shown on pages that are passed on; True only where the licence says so.
        share_predictions: its terms let scores by image be passed on, with ids and labels (``sslbench bundle``).
        published: counts of the whole release by the names of ``Cohort.sources``, for ``sslbench data check``; also
            ``images``, ``studies`` and ``patients`` of the cohort, where ``sources`` has no such name.
        writer: ``"package.module:function"`` (a ``contracts.Writer``) for ``sslbench data synth``; empty: none.
        writer_options: ``"package.module:Model"`` of its options, in a module that imports nothing heavy, derived from
            :class:`ssl_bench.plugin.options.WriterOptions`. Empty: that model itself.
    """

    kind: ClassVar[str] = "dataset"
    features: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    declares: tuple[FeatureSpec, ...] = ()
    label_space: str = ""
    label_spaces: tuple[LabelSpace, ...] = ()
    synthetic: bool = False
    thumbnails: bool = False
    share_predictions: bool = False
    aggregate: Literal["", "max", "mean"] = ""
    published: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    writer: str = ""
    writer_options: str = ""

    def load_writer(self) -> Any:
        """Import the writer.

        Raises:
            PluginError: it cannot be imported.
        """
        return self._resolve(self.writer)

    def writer_options_model(self) -> type[WriterOptions]:
        """The pydantic model of the writer's options.

        Raises:
            PluginError: its module cannot be imported.
        """
        return self._resolve(self.writer_options or "ssl_bench.plugin.options:WriterOptions")  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(Component):
    """An image encoder; the target, called as ``(image_size, **arguments)``, returns a ``contracts.Backbone``.

    Args:
        arguments: what the target is called with.
        image_size: the image size in px that the backbone was designed for.
        patch_size: side of a patch in px, 0 for a CNN.
    """

    kind: ClassVar[str] = "backbone"
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    image_size: int = 224
    patch_size: int = 16


@dataclass(frozen=True, kw_only=True)
class EvaluatorSpec(Component):
    """An evaluation protocol; the target is a :class:`ssl_bench.plugin.contracts.Evaluator`.

    Args:
        needs: ``embeddings`` of a frozen encoder, or the ``encoder`` itself.
        ehr: what it needs of the EHR features: nothing, their ``rows``, or the ``fusion`` that joins them as well.
        with_ehr: protocols that run beside it where EHR is given downstream (``--ehr-at-eval``).
        fits: the protocol learns from the training split; False: it is run once, whatever shares of the training
            patients are asked for.
        heading: of its tables; empty: the name.
        sees_encoder: False for a protocol that looks at no encoder (EHR alone), whose numbers are therefore the same
            for all of them: nothing of it is ranked or tested.
    """

    kind: ClassVar[str] = "evaluator"
    needs: Literal["embeddings", "encoder"] = "embeddings"
    ehr: Literal["", "rows", "fusion"] = ""
    with_ehr: tuple[str, ...] = ()
    fits: bool = True
    heading: str = ""
    sees_encoder: bool = True


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Component):
    """A number that predictions of a finding are judged by; the target is a :class:`ssl_bench.plugin.metrics.Measure`.

    The core gives it intervals from resamples of patients, a mean over findings, a column in tables and a paired test.

    Args:
        heading: of its column; empty: the name.
        bounds: ``unit``: it lies in [0, 1], and intervals are made on the logit scale; ``real``: any number.
        better: whether a ``higher`` or a ``lower`` value is better; ``target``: the nearer to ``ideal``.
        ideal: the value of a perfect model.
        chance: the value of scores that say nothing; ``prevalence``: the share of positive images; None: none is known.
        rests_on: the images whose patients an interval rests on: of ``both`` classes, of the ``positive`` or the
            ``negative`` one, or ``all`` whose label is known.
        needs: ``probabilities`` in [0, 1], or any ``scores``.
        threshold: scores are cut at one that :meth:`ssl_bench.plugin.metrics.Measure.choose` takes on validation
            images.
    """

    kind: ClassVar[str] = "metric"
    heading: str = ""
    bounds: Literal["unit", "real"] = "unit"
    better: Literal["higher", "lower", "target"] = "higher"
    ideal: float = 1.0
    chance: float | Literal["prevalence"] | None = None
    rests_on: Literal["both", "positive", "negative", "all"] = "both"
    needs: Literal["scores", "probabilities"] = "scores"
    threshold: bool = False

    @property
    def title(self) -> str:
        """The heading of its column."""
        return self.heading or self.name


@dataclass(frozen=True, kw_only=True)
class Service(Component):
    """Something around a run that changes nothing of what it computes, often by a package of its own.

    Args:
        requires: modules that must be installed for it, each with what pip installs it by.
    """

    requires: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def check_installed(self) -> None:
        """What it needs besides sslbench is there.

        Raises:
            UsageError: it is not; the message says how to get it.
        """
        missing = [package for module, package in self.requires.items() if not find_spec(module)]
        if missing:
            wanted = " ".join(f"'{package}'" for package in missing)
            raise UsageError(f"{self.kind} '{self.name}' needs {', '.join(missing)}; pip install {wanted}")


@dataclass(frozen=True, kw_only=True)
class EncoderSpec(Service):
    """Weights of others, read from the user's disk.

    The target, called as ``(options, path, card)`` with this descriptor as the card, returns a
    :class:`ssl_bench.plugin.encoders.BaseEncoder`.

    What is stated here was read in the publisher's files; where ``verified`` is False, nobody has compared it with the
    weights themselves.

    Args:
        preprocessing: values of :class:`ssl_bench.plugin.preprocessing.Preprocessing` where the user's folder states
            none.
        pooling: how its authors pool; empty: the loader's usual way.
        licence: of the weights, as their publisher words it.
        revision: which version of the weights the facts are of.
        source: where the facts stand.
        trained_on: datasets by our names (``mimic-cxr``, ``chexpert``, ...) and others by their own; None: unknown.
        verified: the facts were compared with the weights.
    """

    kind: ClassVar[str] = "encoder"
    preprocessing: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    pooling: str = ""
    licence: str = ""
    revision: str = ""
    source: str = ""
    trained_on: tuple[str, ...] | None = None
    verified: bool = False


@dataclass(frozen=True, kw_only=True)
class LauncherSpec(Service):
    """A way to start the runs of a sweep; the target is a :class:`ssl_bench.plugin.services.Launcher`."""

    kind: ClassVar[str] = "launcher"


@dataclass(frozen=True, kw_only=True)
class LoggerSpec(Service):
    """Where training curves go besides ``log.jsonl``; the target is a :class:`ssl_bench.plugin.services.Logger`."""

    kind: ClassVar[str] = "logger"


KINDS: dict[str, type[Component]] = {
    kind.kind: kind
    for kind in (MethodSpec, FusionSpec, DatasetSpec, BackboneSpec, EncoderSpec, EvaluatorSpec, MetricSpec,
                 LauncherSpec, LoggerSpec)
}  # fmt: skip
"""Every kind of component by its name."""
