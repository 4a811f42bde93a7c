"""An encoder of others by its name and path: the plugin's reader, with a user's choices on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ssl_bench.config.config import BackboneConfig
from ssl_bench.errors import DataError, PluginError, UsageError
from ssl_bench.plugin.components import BackboneSpec, EncoderSpec, MethodSpec
from ssl_bench.plugin.names import PRETRAINED
from ssl_bench.plugin.registry import Registry

if TYPE_CHECKING:
    from ssl_bench.plugin.encoders import BaseEncoder


def load_encoder(config: BackboneConfig, registry: Registry) -> BaseEncoder:
    """The encoder that a configuration names, with its pooling, size and statistics.

    Raises:
        UsageError: an unknown name, option, pooling or size, or a package that is not installed.
        DataError: the file cannot be read.
        PluginError: the reader fails in a way of its own.
    """
    choice = config.encoder
    assert choice is not None, "called where an encoder is named"
    component = cast("EncoderSpec", registry.get(EncoderSpec.kind, choice.name))
    options = registry.options(EncoderSpec.kind, choice.name, choice.options)
    component.check_installed()
    if not choice.path.exists():
        raise DataError(f"encoder {choice.path} does not exist; give the publisher's file or folder")
    from ssl_bench.plugin.encoders import BaseEncoder

    found = component.load()(options, choice.path, component)
    if not isinstance(found, BaseEncoder):
        raise PluginError(
            f"encoder '{choice.name}' must give a ssl_bench.plugin.encoders.BaseEncoder, found {type(found)}"
        )
    return found.changed(normalise=choice.normalise, image_size=choice.image_size, pooling=choice.pooling)


def choose_encoder(config: BackboneConfig, registry: Registry, method: MethodSpec) -> BaseEncoder | None:
    """The weights of others in their own form, read; None where the run builds its encoder.

    Raises:
        UsageError: the method builds its own encoder, or weights are named twice; and as :func:`load_encoder`.
    """
    if config.encoder is None:
        return None
    if not method.needs_weights:
        raise UsageError(
            f"method '{method.name}' builds its own encoder; evaluate weights of others by --method {PRETRAINED}, or "
            "start a training from them with --init FILE"
        )
    if config.init:
        raise UsageError("--init and --encoder both name weights; keep one of them")
    return load_encoder(config, registry)


def as_backbone(config: BackboneConfig, encoder: BaseEncoder) -> BackboneSpec:
    """Weights of others as the backbone of a run."""
    assert config.encoder is not None, "called where an encoder is named"
    return BackboneSpec(
        name=config.encoder.name, target="", summary="weights of others", image_size=encoder.image_size,
        patch_size=encoder.patch_size,
    )  # fmt: skip
