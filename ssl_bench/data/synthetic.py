"""Generated files in a native layout: who writes them, and the mark by which a loader knows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_bench.errors import UsageError, unknown
from ssl_bench.files import new_folder, write_json
from ssl_bench.plugin.components import DatasetSpec
from ssl_bench.plugin.options import validate

if TYPE_CHECKING:
    from ssl_bench.plugin.registry import Registry

MARKER = "synthetic.json"
"""The file at the root of generated data that says so."""


def is_synthetic(root: Path) -> bool:
    """Whether the folder that ``--root`` gives is marked as generated, or the one around it.

    A release may sit in a folder of its own inside what was written (``OUT/CheXpert-v1.0-small``); either is a root.
    """
    return any((folder / MARKER).is_file() for folder in (root, root.resolve().parent))


def write_layout(registry: Registry, layout: str, values: Mapping[str, Any], out: Path) -> Mapping[str, int]:
    """Write virtual patients in the native layout of a dataset, whole or not at all.

    Args:
        registry: of the installed plugins.
        layout: name of a dataset that has a writer.
        values: options of the writer.
        out: a folder that does not exist, or is empty.

    Returns:
        What was written, in numbers.

    Raises:
        UsageError: no dataset with a writer has that name, an option is wrong, or ``out`` is not free.
    """
    dataset = find_writer(registry, layout)
    options = validate(dataset.writer_options_model(), values, f"writer '{layout}'")
    _check_free(out)
    writer = dataset.load_writer()
    with new_folder(out.resolve()) as folder:
        written: dict[str, int] = dict(writer(options, folder))
        write_json(
            folder / MARKER,
            {
                "synthetic": "procedural radiographs of virtual patients: nothing here was measured on a person",
                "layout": layout,
                "writer": registry.provenance([(DatasetSpec.kind, layout)])[0],
                "options": options.model_dump(),
                "written": written,
            },
        )
    return written


def find_writer(registry: Registry, layout: str) -> DatasetSpec:
    """The dataset of that name, which must have a writer.

    Raises:
        UsageError: it has none, or there is no such dataset; the message lists those that have one.
    """
    datasets: list[DatasetSpec] = [registry.get(DatasetSpec.kind, name) for name in registry.names(DatasetSpec.kind)]
    writers = {dataset.name: dataset for dataset in datasets if dataset.writer}
    if layout not in writers:
        raise UsageError(unknown("layout", layout, writers))
    return writers[layout]


def _check_free(out: Path) -> None:
    if out.is_dir():
        first = next(out.iterdir(), None)
        if first is not None:
            raise UsageError(f"expected a new or an empty folder, found {first.name} in {out}; choose another")
    elif out.exists() or out.is_symlink():
        raise UsageError(f"expected a new or an empty folder, found a file at {out}; choose another")
