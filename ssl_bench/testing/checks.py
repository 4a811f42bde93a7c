"""What all kinds share: a component under test, its checks as a list, and the check of its descriptor and options."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property, partial
from re import fullmatch
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

import torch

from ssl_bench.errors import HandledError, PluginError
from ssl_bench.plugin.components import Component
from ssl_bench.plugin.options import Options
from ssl_bench.plugin.registry import NAME, PluginSource, RegisteredComponent, Registry, discover
from ssl_bench.plugin.search import declared
from ssl_bench.testing.source import forbidden

C = TypeVar("C", bound=Component)
S = TypeVar("S", bound="Subject[Any]")

PRESET = "smoke"
"""Components are built with their options for this preset: small."""

HEAVY = ("torch", "numpy", "pandas", "timm", "lightly")
"""What a module of options must not import."""


class Check(NamedTuple):
    """One check by name; called, it raises AssertionError with one sentence."""

    name: str
    call: Callable[[], None]


class Subject(Generic[C]):
    """A component under test.

    Args:
        component: a descriptor, or the name of an installed one.
        kind: the class of its descriptor.
        values: options that differ from those of the preset ``smoke``.

    Raises:
        UsageError: no installed plugin offers the name, or an option is wrong.
        PluginError: the plugin that offers it is broken.
    """

    def __init__(self, component: C | str, kind: type[C], values: Mapping[str, Any]) -> None:
        self.component: C = discover().get(kind.kind, component) if isinstance(component, str) else component
        self.values = dict(values)
        self.expect(isinstance(self.component, kind), f"is no {kind.__name__}, found {component!r}")

    @cached_property
    def options(self) -> Options:
        """The component's options: its defaults < those of the preset ``smoke`` < the values given."""
        return self.options_for(PRESET)

    def options_for(self, preset: str) -> Options:
        """The component's options for a preset, with the values given.

        Raises:
            UsageError: an unknown key or an impossible value.
        """
        alone = Registry([RegisteredComponent(self.component, PluginSource("conformance suite", "0", "testing"))])
        return alone.options(self.component.kind, self.component.name, self.values, preset)

    def expect(self, truth: object, sentence: str) -> None:
        """Fail with a sentence that begins with the component's kind and name, unless something is true."""
        if not truth:
            self.fail(sentence)

    def fail(self, sentence: str) -> NoReturn:
        """Fail with a sentence that begins with the component's kind and name."""
        name = getattr(self.component, "name", self.component)
        raise AssertionError(f"{getattr(self.component, 'kind', 'component')} '{name}' {sentence}")


def listed(subject: S, functions: Iterable[Callable[[S], None]]) -> list[Check]:
    """Check functions as a list of names and calls without arguments."""
    return [
        Check(function.__name__.removeprefix("check_"), partial(_explained, subject, function))
        for function in functions
    ]


def _explained(subject: S, function: Callable[[S], None]) -> None:
    """Run a check; an exception of the component's own code says during which check it came."""
    try:
        with torch.random.fork_rng(devices=[]):
            function(subject)
    except AssertionError:
        raise
    except Exception as error:
        component = subject.component
        what = (function.__doc__ or "").strip().splitlines()[0]
        error.add_note(f"while checking {component.kind} '{component.name}', {function.__name__}: {what}")
        raise


def run_all(checks: Sequence[Check]) -> None:
    """Run checks in order until one fails."""
    for check in checks:
        check.call()


def check_descriptor(subject: Subject[Any]) -> None:
    """The descriptor can be offered, and its target and options can be loaded."""
    component = subject.component
    spelt = "lower case, words joined by hyphens"
    subject.expect(fullmatch(NAME, component.name), f"must have a name that is {spelt}")
    subject.expect(component.summary.strip(), "has no summary; say in one line what it is")
    try:
        component.load()
        component.options_model()
    except PluginError as error:
        subject.fail(f"cannot be used: {error}")
    for preset in component.presets:
        try:
            subject.options_for(preset)
        except HandledError as error:
            subject.fail(f"has values for the preset '{preset}' that its own options refuse: {error}")


def check_options(subject: Subject[Any]) -> None:
    """Options are derived from ssl_bench.Options, described, and light to import."""
    model = subject.component.options_model()
    subject.expect(issubclass(model, Options), f"must derive its options from ssl_bench.Options, found {model!r}")
    for name, field in model.model_fields.items():
        subject.expect(field.description, f"has an option '{name}' without a description; write Field(description=...)")
    strange = sorted(flag.option for flag in subject.component.flags if flag.option not in model.model_fields)
    subject.expect(not strange, f"declares flags of options that it has not: {', '.join(strange)}")
    _check_searches(subject, model)
    subject.expect((model.__doc__ or "").strip(), f"needs a docstring on {model.__name__}, which sslbench show prints")
    heavy = _imported_with(subject.component.options.partition(":")[0]) & set(HEAVY)
    subject.expect(
        not heavy,
        f"imports {', '.join(sorted(heavy))} with its options ({subject.component.options}); keep them in a module "
        "that imports pydantic only, and the package's __init__ light",
    )


def _check_searches(subject: Subject[Any], model: type[Options]) -> None:
    """The ranges that a tune searches hold the default and every preset's value, and the option takes both ends."""
    for preset in ("", *subject.component.presets):
        options = subject.options_for(preset)
        for name, field in model.model_fields.items():
            if (search := declared(field.metadata)) is None:
                continue
            default = getattr(options, name)
            where = f"'{name}'{f' of preset {preset}' if preset else ''}"
            subject.expect(search.holds(default), f"is tuned within {search.told()}, which lacks {default!r}, {where}")
            for share in (0.0, 1.0):
                end = search.value(share, default)
                try:
                    model.model_validate({**options.model_dump(), name: end})
                except ValueError:
                    subject.fail(f"is tuned within {search.told()}, and its own {where} refuses {end!r}")


@cache
def _imported_with(module: str) -> set[str]:
    """Top-level modules that importing a module brings in, found in a process of its own."""
    if not module:
        return set()
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}}, file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def check_source(subject: Subject[Any]) -> None:
    """The source of the target's module reaches for no device, file, rank or terminal; a heuristic on its text."""
    found = forbidden(subject.component.load(), subject.component.kind)
    subject.expect(
        not found,
        f"leaves devices, files, ranks and the terminal to the core, but its source has {'; '.join(found)} (this check "
        "reads the text of the module, so it can be wrong)",
    )
