"""An encoder of others by its name and path: the plugin's reader, with a user's choices on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ssl_bench.components import Encoder
from ssl_bench.config import BackboneConfig
from ssl_bench.errors import DataError, PluginError
from ssl_bench.plugins import Registry

if TYPE_CHECKING:
    from ssl_bench.encoders import BaseEncoder


def load_encoder(config: BackboneConfig, registry: Registry) -> BaseEncoder:
    """The encoder that a configuration names, with its pooling, size and statistics.

    Raises:
        UsageError: an unknown name, option, pooling or size, or a package that is not installed.
        DataError: the file cannot be read.
        PluginError: the reader fails in a way of its own.
    """
    choice = config.encoder
    assert choice is not None, "called where an encoder is named"
    component = cast("Encoder", registry.get(Encoder.kind, choice.name))
    options = registry.options(Encoder.kind, choice.name, choice.options)
    component.check_installed()
    if not choice.path.exists():
        raise DataError(f"encoder {choice.path} does not exist; give the publisher's file or folder")
    from ssl_bench.encoders import BaseEncoder

    found = component.load()(options, choice.path, component)
    if not isinstance(found, BaseEncoder):
        raise PluginError(f"encoder '{choice.name}' must give a ssl_bench.encoders.BaseEncoder, found {type(found)}")
    return found.changed(normalise=choice.normalise, image_size=choice.image_size, pooling=choice.pooling)
