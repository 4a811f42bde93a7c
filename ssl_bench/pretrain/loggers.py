"""Loggers of a run: told what the terminal is told, and never the reason why a run fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssl_bench.plan.parts import ResolvedComponent
    from ssl_bench.results.rundir import RunDirectory


class Loggers:
    """The loggers of one run.

    Args:
        chosen: as the configuration names them.
        run: whose folder they may write in, below ``loggers/``.
        warn: told of the first failure of each, after which it is left alone.
    """

    def __init__(self, chosen: tuple[ResolvedComponent, ...], run: RunDirectory, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._live: dict[str, Any] = {}
        for choice in chosen:
            folder = run.path / "loggers" / choice.name
            self._guard(choice.name, lambda choice=choice, folder=folder: self._live.update(  # type: ignore[misc]
                {choice.name: choice.build(run.path.name, folder)}))  # fmt: skip

    def step(self, entry: Mapping[str, Any]) -> None:
        """A logged step."""
        numbers = {name: float(value) for name, value in entry.items() if name != "step"}
        for name, logger in list(self._live.items()):
            self._guard(name, lambda logger=logger: logger.log(numbers, int(entry["step"])))  # type: ignore[misc]

    def finish(self) -> None:
        """The run has ended, one way or the other."""
        for name, logger in list(self._live.items()):
            self._guard(name, logger.finish)

    def _guard(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except (Exception, SystemExit) as error:
            self._live.pop(name, None)
            self._warn(f"logger '{name}' is left out from here on: {type(error).__name__}: {error}")
