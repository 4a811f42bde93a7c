"""What ``auto`` means for the method and the encoder of a run, in numbers and names for the record. No torch."""

from __future__ import annotations

from ssl_bench.config import RunConfig
from ssl_bench.errors import UsageError
from ssl_bench.parts import Parts


def settle(config: RunConfig, parts: Parts) -> RunConfig:
    """The configuration with the method's own choices in the place of ``auto``.

    Raises:
        UsageError: fixed positions are asked for and the encoder has no patches to place.
    """
    return config.model_copy(update={"backbone": config.backbone.model_copy(update=_positions(config, parts))})


def _positions(config: RunConfig, parts: Parts) -> dict[str, str]:
    asked, patches = config.backbone.positions, parts.backbone.patch_size > 0
    if asked == "sincos" and not patches:
        raise UsageError(
            f"backbone '{parts.backbone.name}' has no patches, so no positions either; leave out backbone.positions"
        )
    return {"positions": parts.method.component.positions if asked == "auto" and patches else asked}
