"""What a run costs, remembered beside its prepared images: a dry run that was made before builds nothing again."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ssl_bench.build.size import Estimate
from ssl_bench.files import write_text
from ssl_bench.plan.parts import ResolvedComponent
from ssl_bench.plan.plan import Plan

FOLDER = "estimates"


def remembered(plan: Plan) -> Estimate:
    """The cost of a plan, of the same plan with the same code before, or counted now and kept.

    It is kept only where the cache is a folder already: a dry run makes none. Weights of others are files that can
    change under their name, so a plan with any is counted each time.

    Raises:
        UsageError: parts cannot be built or do not fit each other.
        PluginError: a component cannot be imported.
    """
    given = plan.config.backbone.init or plan.parts.encoder is not None
    path = plan.cache / FOLDER / f"{_key(plan)}.json"
    known = TypeAdapter(Estimate)
    if not given:
        with suppress(OSError, ValidationError):
            return known.validate_json(path.read_bytes())
    from ssl_bench.build.estimate import estimate

    found = estimate(plan)
    if not given:
        with suppress(OSError):  # no cache yet, or one that nobody may write to
            path.parent.mkdir(exist_ok=True)
            write_text(path, known.dump_json(found).decode())
    return found


def _key(plan: Plan) -> str:
    """A hash of all that the cost is a function of: the plan, its code, and what is installed."""
    asked = {**plan.identity(), "schema": repr(plan.schema), "labels": list(plan.cohort.labels),
             "images": len(plan.cohort), "steps": plan.steps}  # fmt: skip
    code = [sys.version, *_installed(), *_files(plan)]
    return hashlib.sha256(json.dumps([asked, code], sort_keys=True, default=repr).encode()).hexdigest()[:32]


def _installed() -> Iterator[str]:
    """The distributions on the path, by the folders that name their versions."""
    for place in sys.path:
        with suppress(OSError):
            yield from sorted(found.name for found in Path(place or ".").glob("*.dist-info"))


def _files(plan: Plan) -> Iterator[str]:
    """Size and time of every file of this package and of those that the components are loaded from."""
    parts = plan.parts
    chosen = [one.component for one in _chosen(plan)]
    targets = [target for one in (*chosen, parts.backbone) for target in (one.target, one.options) if target]
    for name in sorted({"ssl_bench", *(target.partition(":")[0].partition(".")[0] for target in targets)}):
        for path in _sources(name):
            known = path.stat()
            yield f"{path} {known.st_size} {known.st_mtime_ns}"


def _chosen(plan: Plan) -> Iterator[ResolvedComponent]:
    yield from (plan.parts.method, *plan.parts.evaluators)
    if plan.parts.fusion:
        yield plan.parts.fusion


def _sources(package: str) -> list[Path]:
    """The Python files of a package, or the module's own."""
    spec = find_spec(package)
    if spec is None:
        return []
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    single = [Path(spec.origin)] if spec.origin and not folders else []
    return sorted([*single, *(path for folder in folders for path in folder.rglob("*.py"))])
