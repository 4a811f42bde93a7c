"""Datasets with their folders as the command line names them: ``NAME=ROOT``, ``NAME:MODE=ROOT``. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from ssl_bench.errors import UsageError
from ssl_bench.urls import is_url, set_aside

NAMED = re.compile(r"[^/\\=.~]+=")
"""How ``NAME=PATH`` begins; a bare folder whose own name holds ``=`` is given as ``./a=b``."""


def place(value: Any) -> Any:
    """A text as a path, or as the address of something elsewhere without what is secret in it."""
    if not isinstance(value, str | Path):
        raise PydanticCustomError("path_type", "input is not a valid path")
    return set_aside(value) if is_url(value) else Path(value)


def without_secrets(value: Any) -> Any:
    """Options with the addresses in them as :func:`place` has them."""
    if isinstance(value, Mapping):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(without_secrets(item) for item in value)
    return set_aside(value) if is_url(value) else value


Place = Annotated[Path | str, BeforeValidator(place)]
"""A path, or as text the address of something elsewhere."""

Addressed = Annotated[dict[str, Any], AfterValidator(without_secrets)]
"""Options that may name files, here or elsewhere."""


def external_sets(value: Any) -> Any:
    """``"chexpert=A,nih14:refit=B"``, or a list of such texts and of tables, as tables; other values unchanged.

    Raises:
        UsageError: a text is not ``NAME=ROOT``.
    """
    if isinstance(value, str):
        return tuple(_test_set(part.strip()) for part in value.split(",") if part.strip())
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        return value
    return tuple(item for part in value for item in (external_sets(part) if isinstance(part, str) else (part,)))


def _test_set(text: str, flag: str = "--test-on") -> dict[str, str]:
    named, equals, root = text.partition("=")
    name, colon, mode = named.partition(":")
    if not equals or not name or not root:
        raise UsageError(
            f"{flag} expects NAME=ROOT such as chexpert=/data/chexpert, or NAME:refit=ROOT, found '{text}'"
        )
    return {"name": name, "root": root, **({"mode": mode} if colon else {})}


def with_probes(test_on: Iterable[str] | None, probe_on: Iterable[str] | None) -> list[str | dict[str, str]] | None:
    """The datasets of ``--test-on``, and those of ``--probe-on``, which have heads of their own; None: there are none.

    Raises:
        UsageError: a text of the latter is not ``NAME=ROOT``, or says a mode.
    """
    texts = [part.strip() for text in probe_on or () for part in text.split(",") if part.strip()]
    probed = [_test_set(text, "--probe-on") for text in texts]
    for part in probed:
        if "mode" in part:
            named = f"{part['name']}:{part['mode']}"
            raise UsageError(
                f"--probe-on {named}: a probe is always fitted there; leave out the mode, or use --test-on"
            )
    return [*(test_on or ()), *({**part, "mode": "refit"} for part in probed)] or None


def data_flags(given: Iterable[str] | None, root: str | None) -> dict[str, Any]:
    """The configuration of ``--data NAME``, ``--data NAME=ROOT``, repeated for several datasets, and ``--root``.

    Raises:
        UsageError: a dataset has no name or an empty folder, or ``--root`` stands beside folders of their own.
    """
    sources = [_source(text) for text in given or ()]
    if root and any("root" in source for source in sources):
        raise UsageError("--root is for a single --data NAME; give each dataset its own folder by --data NAME=ROOT")
    if root and len(sources) > 1:
        raise UsageError("--root does not state whose folder it is; give each dataset its own by --data NAME=ROOT")
    flags: dict[str, Any] = {f"data.{key}": value for key, value in (sources[0] if sources else {}).items()}
    flags |= {"data.root": root} if root else {}
    return flags | ({"data.more": sources[1:]} if sources else {})


def only_root(given: Sequence[str] | None) -> str | None:
    """The folder of ``--root`` of a new run, which is one.

    Raises:
        UsageError: it is given more than once.
    """
    if given and len(given) > 1:
        raise UsageError("--root is given more than once; give each dataset its own folder by --data NAME=ROOT")
    return given[0] if given else None


def folders_now(given: Iterable[str]) -> tuple[tuple[str, ...], str | None]:
    """``--root`` of a run that is resumed: each ``NAME=PATH``, and the bare folder of its first dataset, if any.

    Raises:
        UsageError: several bare folders do not say whose they are.
    """
    texts = tuple(given)
    named = tuple(text for text in texts if NAMED.match(text))
    return named, only_root([text for text in texts if text not in named])


def moved(config: Mapping[str, Any], given: Iterable[str]) -> dict[str, Any]:
    """A run's configuration with other folders of its datasets, each ``NAME=PATH``.

    Raises:
        UsageError: a text is not ``NAME=PATH``, or the run has no dataset of this name, or several.
    """
    data, evaluate = dict(config["data"]), dict(config["evaluate"])
    data["more"], evaluate["test_on"] = ([dict(part) for part in parts or ()] for parts in
                                         (data.get("more"), evaluate.get("test_on")))  # fmt: skip
    places: dict[int, str] = {}
    for text in given:
        name, equals, root = text.partition("=")
        if not (name and equals and root):
            raise UsageError(f"--root expects NAME=PATH such as nih14=/data/nih14, found '{text}'")
        parts = (data, *data["more"], *evaluate["test_on"])
        found = _of_name(parts, name)
        if not found:
            known = ", ".join(dict.fromkeys(part["name"] for part in parts))
            raise UsageError(f"--root {text}: the run has no dataset '{name}'; it has {known}")
        if len({str(part["root"]) for part in found}) > 1:
            raise UsageError(f"--root {text}: the run has {len(found)} datasets '{name}', in {_roots(found)}; a folder "
                             "of one name cannot stand for both")  # fmt: skip
        for part in found:
            if places.setdefault(id(part), root) != root:
                raise UsageError(f"--root gives two folders for '{name}', {places[id(part)]} and {root}; give one")
    for part in (data, *data["more"], *evaluate["test_on"]):
        if id(part) in places:
            part["root"] = places[id(part)]
    return {**config, "data": data, "evaluate": evaluate}


def _of_name(parts: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """The datasets of a name: those that tables call so, and others of that reader in the same folder, or else any."""
    called = [part for part in parts if (part.get("called") or part["name"]) == name]
    places = {str(part["root"]) for part in called}
    return [part for part in parts if part in called or (part["name"] == name and str(part["root"]) in places)] or [
        part for part in parts if part["name"] == name
    ]


def _roots(parts: Iterable[Mapping[str, Any]]) -> str:
    return " and ".join(str(part["root"]) for part in parts)


def _source(text: str) -> dict[str, str]:
    name, equals, root = text.strip().partition("=")
    if not name or (equals and not root):
        raise UsageError(f"--data expects NAME or NAME=ROOT such as nih14=/data/nih14, found '{text}'")
    return {"name": name, **({"root": root} if equals else {})}


def encoder_file(value: Any) -> Any:
    """``"rad-dino=PATH"`` as ``{"name": "rad-dino", "path": PATH}``; other values unchanged.

    Raises:
        UsageError: there is no name or no path.
    """
    if not isinstance(value, str):
        return value
    name, equals, path = value.partition("=")
    if not equals or not name.strip() or not path.strip():
        raise UsageError(f"an encoder is given as NAME=PATH, for example rad-dino=/models/rad-dino, found '{value}'")
    return {"name": name.strip(), "path": path.strip()}


def encoder_flags(
    encoder: str | None, pooling: str | None, normalise: str | None, image_size: int | None
) -> dict[str, Any]:
    """The configuration of ``--encoder NAME=PATH`` and of the flags that go with it.

    Raises:
        UsageError: pooling or statistics are chosen, and no weights of others are named.
    """
    if encoder is None:
        if pooling or normalise:
            raise UsageError("--pooling and --normalise are for weights of others; add --encoder NAME=PATH")
        return {"backbone.image_size": image_size}
    chosen = {"pooling": pooling, "normalise": normalise, "image_size": image_size}
    kept = {key: value for key, value in chosen.items() if value is not None}
    return {"backbone.encoder": {**encoder_file(encoder), **kept}}
