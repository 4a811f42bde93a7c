"""The configuration in a record, as far as readers of records look into it. No torch."""

from __future__ import annotations

from typing import Any

from ssl_bench.results.row import Part


class DataSettings(Part):
    """The section ``data`` of a configuration."""

    name: str = ""
    labels: Any = None
    uncertain: str = ""
    blank: str = ""
    more: tuple[DataSettings, ...] = ()
    allow_test_in_pretraining: bool = False

    @property
    def names(self) -> list[str]:
        """The dataset, and those beside it."""
        return [part.name for part in (self, *self.more) if part.name]


class BackboneSettings(Part):
    """The section ``backbone``."""

    name: str = "-"
    image_size: int | None = None
    options: dict[str, Any] = {}
    init: Any = None


class EvaluateSettings(Part):
    """The section ``evaluate``."""

    protocols: tuple[str, ...] = ()
    replicates: int | None = None


class TuningSettings(Part):
    """The section ``tuning``: how a tune chose the options."""

    budget: str | None = None
    rule: str | None = None
    pruner: str | None = None


class Settings(Part):
    """A configuration as far as readers of records look into it; the whole of it is ``Record.config``."""

    seed: int = 0
    group: str | None = None
    pretraining_seed: int | None = None
    data: DataSettings = DataSettings()
    backbone: BackboneSettings = BackboneSettings()
    pretrain: dict[str, Any] = {}
    evaluate: EvaluateSettings = EvaluateSettings()
    tuning: TuningSettings | None = None
