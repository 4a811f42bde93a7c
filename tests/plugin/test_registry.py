"""The plugin host: what is found, what is refused, and that nothing takes the rest down."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import pytest

from ssl_bench import __version__
from ssl_bench.errors import PluginError, UsageError
from ssl_bench.plugin.components import KINDS
from ssl_bench.plugin.registry import Registry, discover

GOOD = """
    from ssl_bench import FusionSpec, MethodSpec, hookimpl

    @hookimpl
    def sslbench_components():
        yield MethodSpec(name="toy", target="collections:OrderedDict", summary="a toy")
        yield FusionSpec(name="toy", target="collections:OrderedDict", summary="a toy of another kind")
"""

OFFERS = """
    from ssl_bench import MethodSpec, hookimpl

    @hookimpl
    def sslbench_components():
        return [MethodSpec(name="{name}", target="collections:OrderedDict", summary="from {module}")]
"""


class Site:
    """A folder of installed distributions, first on ``sys.path``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, module: str, code: str, *, point: str = "plugin", version: str = "1.0") -> str:
        """Install a distribution of one module; its name is the module's with hyphens."""
        name = module.replace("_", "-")
        (self.folder / f"{module}.py").write_text(dedent(code))
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[sslbench]\n{point} = {module}\n")
        return name

    def offer(self, module: str, name: str) -> str:
        """Install a distribution with one method."""
        return self.install(module, OFFERS.format(name=name, module=module))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield Site(folder)
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)


def names(registry: Registry) -> set[tuple[str, str]]:
    return {(offer.component.kind, offer.component.name) for offer in registry.offers()}


def broken(registry: Registry) -> Mapping[str, str]:
    return {failure.source.distribution: failure.reason for failure in registry.failures}


@pytest.fixture(scope="module")
def built_in(registry: Registry) -> set[tuple[str, str]]:
    return names(registry)


def test_built_ins_come_from_this_distribution(registry: Registry) -> None:
    assert not registry.failures
    assert {offer.component.kind for offer in registry.offers()} == set(KINDS)
    assert {(offer.source.distribution, offer.source.version) for offer in registry.offers()} == {
        ("sslbench", __version__)
    }
    assert {offer.source.entry_point for offer in registry.offers()} == {
        "methods", "fusions", "datasets", "synthetic", "encoders", "evaluators", "launchers", "loggers"
    }  # fmt: skip


def test_components_are_listed_by_kind_and_name(registry: Registry) -> None:
    listed = [(list(KINDS).index(offer.component.kind), offer.component.name) for offer in registry.offers()]
    assert listed == sorted(listed)


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_loads_and_describes_its_options(registry: Registry, kind: str) -> None:
    for offer in registry.offers(kind):
        if kind == "encoder" and not all(map(find_spec, offer.component.requires)):
            continue  # its reader's package is an extra
        assert callable(offer.component.load())
        model = offer.component.options_model()
        for preset in ("", "smoke", "demo", "demo-long", "paper"):
            registry.options(kind, offer.component.name, {}, preset)
        assert all(field.description for field in model.model_fields.values()), offer.component.name


def test_a_third_party_component_is_found_with_its_source(site: Site, built_in: set[tuple[str, str]]) -> None:
    site.install("toy_good", GOOD, version="2.5")
    registry = discover()
    assert names(registry) == built_in | {("method", "toy"), ("fusion", "toy")}
    assert str(registry.offer("method", "toy").source) == "toy-good 2.5:plugin"
    assert registry.provenance([("method", "toy"), ("method", "msn")]) == [
        {"kind": "method", "name": "toy", "distribution": "toy-good", "version": "2.5"},
        {"kind": "method", "name": "msn", "distribution": "sslbench", "version": __version__},
    ]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise RuntimeError('no\\n  licence')", "RuntimeError: no licence"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("def (", "SyntaxError: "),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
    ids=["raises", "imports", "syntax", "exits"],
)
def test_fault_23_a_plugin_that_fails_at_import_is_listed_not_fatal(
    site: Site, built_in: set[tuple[str, str]], code: str, why: str
) -> None:
    site.install("toy_fails", code)
    registry = discover()
    assert names(registry) == built_in
    assert broken(registry)["toy-fails"].startswith(why)
    assert "\n" not in broken(registry)["toy-fails"]


HOOK = "from ssl_bench import hookimpl\n@hookimpl\ndef {name}():\n    return []\n"


@pytest.mark.parametrize("name", ["sslbench_component", "sslbench_componets", "components"])
def test_fault_23_a_misspelt_hook_is_listed_with_the_nearest_name(
    site: Site, built_in: set[tuple[str, str]], name: str
) -> None:
    site.install("toy_misspelt", HOOK.format(name=name))
    registry = discover()
    assert names(registry) == built_in
    assert f"unknown hook '{name}'" in broken(registry)["toy-misspelt"]
    assert "did you mean 'sslbench_components'?" in broken(registry)["toy-misspelt"]


@pytest.mark.parametrize(
    "code",
    ["def sslbench_components():\n    return []\n", "value = 1\n", HOOK.format(name="_sslbench_components")],
    ids=["undecorated", "empty", "private"],
)
def test_fault_23_a_plugin_without_a_hook_is_listed(site: Site, built_in: set[tuple[str, str]], code: str) -> None:
    site.install("toy_hookless", code)
    registry = discover()
    assert names(registry) == built_in
    assert "implements no hook of sslbench" in broken(registry)["toy-hookless"]


RETURNS = """
    from ssl_bench import Component, MethodSpec, hookimpl

    GOOD = MethodSpec(name="toy", target="collections:OrderedDict", summary="a toy")

    @hookimpl
    def sslbench_components():
        {body}
"""


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return [GOOD, 'toy']", "must return components such as ssl_bench.MethodSpec, found 'toy'"),
        ("return [GOOD, Component]", "must return components"),
        ("return None", "TypeError"),
        ("return [GOOD, MethodSpec(name='toy-2', target='a:b')]", "TypeError: .*summary"),
        ("yield GOOD; raise ValueError('half way')", "ValueError: half way"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return [GOOD, MethodSpec(name='Toy_2', target='a:b', summary='')]", "words joined by hyphens.*'Toy_2'"),
        ("return [GOOD, MethodSpec(name='../toy', target='a:b', summary='')]", "words joined by hyphens"),
        ("return [GOOD, MethodSpec(name=3, target='a:b', summary='')]", "must be text"),
        ("return [GOOD, MethodSpec(name='toy-2', target=dict, summary='')]", "must be text"),
    ],
)
def test_fault_23_a_plugin_that_returns_nonsense_offers_nothing(
    site: Site, built_in: set[tuple[str, str]], body: str, why: str
) -> None:
    site.install("toy_nonsense", RETURNS.format(body=body))
    registry = discover()
    assert names(registry) == built_in
    assert broken(registry).keys() == {"toy-nonsense"}
    assert re.search(why, broken(registry)["toy-nonsense"])


def test_fault_23_colliding_names_are_refused_naming_both(site: Site, built_in: set[tuple[str, str]]) -> None:
    site.offer("toy_collides", "msn")
    registry = discover()
    assert names(registry) == built_in - {("method", "msn")}
    assert broken(registry).keys() == {"toy-collides", "sslbench"}
    with pytest.raises(PluginError, match=r"offered twice, by .*; uninstall one") as raised:
        registry.get("method", "msn")
    assert "toy-collides 1.0:plugin" in str(raised.value)
    assert f"sslbench {__version__}:methods" in str(raised.value)
    assert registry.get("method", "msn-ehr").name == "msn-ehr"


def test_fault_23_a_third_claim_is_refused_too(site: Site) -> None:
    for module in ("toy_one", "toy_two", "toy_three"):
        site.offer(module, "toy")
    registry = discover()
    assert broken(registry).keys() == {"toy-one", "toy-two", "toy-three"}
    with pytest.raises(PluginError, match="offered twice"):
        registry.get("method", "toy")


def test_an_entry_point_called_methods_does_not_replace_the_built_ins(
    site: Site, built_in: set[tuple[str, str]]
) -> None:
    site.install("toy_methods", GOOD, point="methods")
    registry = discover()
    assert names(registry) > built_in
    assert not registry.failures
    assert str(registry.offer("method", "toy").source) == "toy-methods 1.0:methods"


def test_one_name_in_two_kinds_is_no_collision(site: Site) -> None:
    site.install("toy_good", GOOD)
    assert discover().get("fusion", "toy").summary == "a toy of another kind"


def test_unknown_names_ask_for_the_nearest(registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"^unknown method 'msn_ehr'; did you mean 'msn-ehr'\? \(expected one of"):
        registry.get("method", "msn_ehr")


def test_an_unknown_name_tells_of_broken_plugins_that_might_have_offered_it(site: Site) -> None:
    site.install("toy_fails", "raise RuntimeError('no licence')")
    with pytest.raises(UsageError, match=r"broken plugin toy-fails 1\.0:plugin: RuntimeError: no licence"):
        discover().get("method", "toy")


LAYERS = """
    from ssl_bench import MethodSpec, Options, hookimpl

    class ToyOptions(Options):
        low: int = 0
        middle: int = 0
        high: int = 0
        top: int = 0

    @hookimpl
    def sslbench_components():
        return [MethodSpec(name="toy", target="collections:OrderedDict", summary="", options="toy_layers:ToyOptions",
                       defaults={"middle": 1, "high": 1, "top": 1}, presets={"smoke": {"high": 2, "top": 2}})]
"""


def test_options_layer_model_descriptor_preset_user(site: Site) -> None:
    site.install("toy_layers", LAYERS)
    registry = discover()
    assert registry.options("method", "toy", {"top": 3}, "smoke").model_dump() == {
        "low": 0, "middle": 1, "high": 2, "top": 3
    }  # fmt: skip
    assert registry.options("method", "toy", {}, "paper").model_dump() == {"low": 0, "middle": 1, "high": 1, "top": 1}
    with pytest.raises(UsageError, match=r"unknown key 'hihg' of method 'toy'; did you mean 'high'\?"):
        registry.options("method", "toy", {"hihg": 3})
