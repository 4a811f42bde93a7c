"""Every built-in keeps the contract of its kind: the public suite, over all that the registry offers."""

from __future__ import annotations

import pytest

from ssl_bench.plugin.registry import discover
from ssl_bench.testing import Check, dataset_checks, evaluator_checks, fusion_checks, method_checks, metric_checks

BUILT_IN = discover()


def different(kind: str) -> list[str]:
    """Names of a kind, one for each target with its values: ``simclr-ehr`` is ``simclr`` with features by default."""
    found: dict[str, str] = {}
    for name in BUILT_IN.names(kind):
        component = BUILT_IN.get(kind, name)
        found.setdefault(repr((component.target, component.options, component.defaults, component.presets)), name)
    return list(found.values())


SUITES = {"method": method_checks, "fusion": fusion_checks, "evaluator": evaluator_checks, "metric": metric_checks}
CHECKS = [
    pytest.param(check, id=f"{kind}-{name}-{check.name}")
    for kind, suite in SUITES.items()
    for name in different(kind)
    for check in suite(name)
]


@pytest.mark.parametrize("check", CHECKS)
def test_component(check: Check) -> None:
    check.call()


FILES = {"nih14": "tiny_nih", "mimic-cxr": "tiny_mimic"}
"""Fixtures that write files in the layouts of datasets that are not generated."""

OPTIONS = {"synthetic": {"images": 120, "size": 32}}


@pytest.mark.parametrize("name", BUILT_IN.names("dataset"))
def test_dataset(name: str, request: pytest.FixtureRequest) -> None:
    if name not in FILES and not BUILT_IN.get("dataset", name).synthetic:
        pytest.skip(f"no files in the layout of {name} here; its own tests call the suite")
    root = request.getfixturevalue(FILES[name])() if name in FILES else None
    for check in dataset_checks(name, root, **OPTIONS.get(name, {})):
        check.call()
