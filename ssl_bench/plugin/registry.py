"""Discovery of plugins: guarded, so that one broken plugin never takes the others down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from re import fullmatch
from typing import TYPE_CHECKING, Any, cast

import pluggy

from ssl_bench.errors import PluginError, UsageError, nearest, unknown
from ssl_bench.plugin import hookspecs
from ssl_bench.plugin.components import KINDS, Component, DatasetSpec, of_preset
from ssl_bench.plugin.label_spaces import declare

if TYPE_CHECKING:
    from ssl_bench.plugin.options import Options

NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
"""What a component may be called."""

HOOKS = [name for name in vars(hookspecs) if name.startswith(f"{hookspecs.PROJECT}_")]
"""Every hook of the API."""


@dataclass(frozen=True)
class PluginSource:
    """Where a component comes from: a distribution, its version and the entry point."""

    distribution: str
    version: str
    entry_point: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}:{self.entry_point}"


@dataclass(frozen=True)
class Failure:
    """A plugin, or one of its components, that cannot be used, and why."""

    source: PluginSource
    reason: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegisteredComponent:
    """A component with its source."""

    component: Component
    source: PluginSource


class Registry:
    """Every usable component by kind and name, and every failure."""

    def __init__(self, offers: Iterable[RegisteredComponent] = (), failures: Iterable[Failure] = ()) -> None:
        self.failures = list(failures)
        self._offers: dict[tuple[str, str], RegisteredComponent] = {}
        self._refused: dict[tuple[str, str], str] = {}
        for offer in offers:
            self._add(offer)

    def _add(self, offer: RegisteredComponent) -> None:
        key = (offer.component.kind, offer.component.name)
        if key in self._refused:
            self._fail(offer, self._refused[key])
        elif key in self._offers:
            other = self._offers.pop(key)
            reason = f"{key[0]} '{key[1]}' is offered twice, by {other.source} and {offer.source}; uninstall one"
            self._refused[key] = reason
            self._fail(other, reason)
            self._fail(offer, reason)
        else:
            self._offers[key] = offer

    def _fail(self, offer: RegisteredComponent, reason: str) -> None:
        self.failures.append(Failure(offer.source, reason, (offer.component.name,)))

    def offers(self, kind: str | None = None) -> list[RegisteredComponent]:
        """All usable components, or those of one kind, in order of kind and name."""
        order = list(KINDS)
        chosen = [offer for offer in self._offers.values() if kind in (None, offer.component.kind)]
        return sorted(chosen, key=lambda offer: (order.index(offer.component.kind), offer.component.name))

    def names(self, kind: str) -> list[str]:
        """The names of one kind."""
        return [offer.component.name for offer in self.offers(kind)]

    def offer(self, kind: str, name: str) -> RegisteredComponent:
        """The component of a name with its source.

        Raises:
            UsageError: no plugin offers it; the message lists what exists and the nearest match.
            PluginError: it is refused, because two plugins offer it or its plugin is broken.
        """
        found = self._offers.get((kind, name))
        if found is not None:
            return found
        if (kind, name) in self._refused:
            raise PluginError(self._refused[kind, name])
        if "," in name:
            raise UsageError(f"{kind} '{name}': one {kind} is expected here; {several(kind, name)}")
        broken = "".join(f"; broken plugin {failure.source}: {failure.reason}" for failure in self._whole_failures())
        raise UsageError(unknown(kind, name, self.names(kind)) + broken)

    def _whole_failures(self) -> list[Failure]:
        return [failure for failure in self.failures if not failure.names]

    def get(self, kind: str, name: str) -> Any:
        """The component of a name; errors as :meth:`offer`."""
        return self.offer(kind, name).component

    def options(
        self,
        kind: str,
        name: str,
        values: Mapping[str, Any],
        preset: str = "",
        elsewhere: Callable[[str], Sequence[str]] = lambda key: (),
    ) -> Options:
        """Options of a component: its model's defaults < the descriptor's < those for the preset < the user's values.

        Args:
            kind: of the component.
            name: of the component.
            values: the user's.
            preset: whose values come before the user's.
            elsewhere: other places of a key that is none of its options, for the message.

        Raises:
            UsageError: an unknown key (with the nearest match) or a value of the wrong type or range.
        """
        from ssl_bench.plugin.options import validate

        component = self.get(kind, name)
        merged = {**component.defaults, **(of_preset(component.presets, preset) or {}), **values}
        model: type[Options] = component.options_model()
        return validate(model, merged, f"{kind} '{name}'", elsewhere)

    def provenance(self, used: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
        """Kind, name, distribution and version of the components that a run uses, for its record."""
        rows = []
        for kind, name in used:
            source = self.offer(kind, name).source
            rows.append({"kind": kind, "name": name, "distribution": source.distribution, "version": source.version})
        return rows


def several(kind: str, names: str) -> str:
    """What to do who wants several components of a kind where one is expected."""
    if kind in ("method", "fusion", "backbone"):
        return f"for a run of each use sslbench sweep --{kind} {names}"
    return "repeat --data for several at once" if kind == "dataset" else "give one of them"


class PluginHost:
    """Loads every plugin of an entry-point group, each on its own."""

    def __init__(self, points: Iterable[EntryPoint] | None = None) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._failures: list[Failure] = []
        self._sources: dict[str, PluginSource] = {}
        for point in entry_points(group=hookspecs.PROJECT) if points is None else points:
            self._load(point)

    def _load(self, point: EntryPoint) -> None:
        distribution = point.dist
        source = PluginSource(
            distribution.name if distribution else "unknown", distribution.version if distribution else "0", point.name
        )
        if str(source) in self._sources:
            return  # the same distribution seen twice on sys.path
        self._sources[str(source)] = source
        try:
            self._register(point.load(), source)
        except (Exception, SystemExit) as error:  # a plugin that exits at import must not end this program
            self._failures.append(Failure(source, _reason(error)))

    def _register(self, plugin: object, source: PluginSource) -> None:
        self._manager.register(plugin, name=str(source))
        hooks = self._manager.get_hookcallers(plugin) or []
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            self._manager.unregister(plugin)
            questions = {nearest(hook.name, HOOKS) for hook in hooks if not hook.has_spec()}
            raise PluginError("; ".join(filter(None, [str(error), *sorted(questions)]))) from error
        if not any(hook.has_spec() for hook in hooks):
            self._manager.unregister(plugin)
            raise PluginError("implements no hook of sslbench; decorate its functions with ssl_bench.hookimpl")

    @cached_property
    def registry(self) -> Registry:
        """The components that all plugins offer."""
        offers: list[RegisteredComponent] = []
        failures = list(self._failures)
        for implementation in self._manager.hook.sslbench_components.get_hookimpls():
            source = self._sources[implementation.plugin_name]
            try:
                components = [_checked(component) for component in cast("Iterable[object]", implementation.function())]
                for component in components:
                    for space in component.label_spaces if isinstance(component, DatasetSpec) else ():
                        declare(space)
            except (Exception, SystemExit) as error:
                failures.append(Failure(source, _reason(error)))
            else:
                offers += [RegisteredComponent(component, source) for component in components]
        return Registry(offers, failures)

    def tell_observers(self, record: Mapping[str, Any], run_dir: Path) -> list[str]:
        """Call ``sslbench_run_finished`` of every plugin, each on its own; a sentence for each that failed."""
        failures = []
        for implementation in self._manager.hook.sslbench_run_finished.get_hookimpls():
            known = {"record": record, "run_dir": run_dir}
            try:
                implementation.function(**{name: known[name] for name in implementation.argnames})
            except (Exception, SystemExit) as error:
                source = self._sources[implementation.plugin_name]
                failures.append(f"observer {source} failed: {_reason(error)}")
        return failures


def _checked(component: object) -> Component:
    if not isinstance(component, Component) or component.kind not in KINDS:
        raise PluginError(
            f"sslbench_components must return components such as ssl_bench.MethodSpec, found {component!r}"
        )
    if not all(isinstance(text, str) for text in (component.name, component.target, component.summary)):
        raise PluginError(f"name, target and summary of a component must be text, found {component!r}")
    if not fullmatch(NAME, component.name):
        raise PluginError(
            f"a component's name must be lower case, words joined by hyphens (it becomes part of file names), found "
            f"'{component.name}'"
        )
    return component


def _reason(error: BaseException) -> str:
    """An error as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def tell_observers(record: Mapping[str, Any], run_dir: Path) -> list[str]:
    """Tell every installed plugin that a run is finished; a sentence for each that failed."""
    return PluginHost().tell_observers(record, run_dir)


def discover() -> Registry:
    """The registry of everything installed in this environment."""
    return PluginHost().registry


@cache
def installed() -> Registry:
    """As :func:`discover`, once a process: for readers of many records, which would look for plugins at each."""
    return discover()
