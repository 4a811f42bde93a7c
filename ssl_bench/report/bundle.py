"""A run to take away: its encoder, a model card, the configuration and a script that uses them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ssl_bench.errors import DataError, UsageError
from ssl_bench.files import new_folder, sha256, write_text
from ssl_bench.report import sections, summary
from ssl_bench.report.evaluations import evaluations
from ssl_bench.report.report import BLANKS, templates
from ssl_bench.report.table import caption, on_test
from ssl_bench.results import record as record_file
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.shared import share

FILES = ("README.md", "use.py", "config.yaml", "record.json", "encoder/config.json", "encoder/model.safetensors")
"""What a bundle consists of. Neither images nor what could name a patient is among them."""


def write_bundle(run: RunDirectory, out: Path) -> list[Path]:
    """Write a finished run's encoder, model card, configuration, record and a usage script, all of them or nothing.

    Args:
        run: finished.
        out: a new or empty folder.

    Returns:
        The files.

    Raises:
        UsageError: the folder holds something, or the run is not finished.
        DataError: the encoder is damaged: its weights differ from the hash beside them.
    """
    record = run.read_record()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} holds something already; give a new folder")
    if card := record.get("encoder"):
        raise UsageError(
            f"the encoder of {run.path} is '{card['name']}', the weights of others; share them from their source"
        )
    config = check_encoder(run.encoder)
    check_kept(run, record)
    record = share(record)
    texts = {"README.md": model_card(record, config), "use.py": usage(config)}
    with new_folder(out) as folder:
        (folder / "encoder").mkdir()
        for name in ("config.json", "model.safetensors"):
            shutil.copyfile(run.encoder / name, folder / "encoder" / name)
        write_text(folder / "config.yaml", yaml.safe_dump(record["config"], sort_keys=False))
        record_file.write(folder / "record.json", record)
        for name, text in texts.items():
            write_text(folder / name, text)
    return [out / name for name in FILES]


def check_kept(run: RunDirectory, record: Mapping[str, Any]) -> None:
    """Encoder, predictions and embeddings are those that the record speaks of; the latter two may be gone.

    Raises:
        DataError: naming the first file that is another one, or is gone.
    """
    for place in record.get("files", {}):
        path = run.path / place
        if place.startswith("encoder/") or (place.startswith(("predictions/", "embeddings/")) and path.is_file()):
            run.checked(path, record)


def check_encoder(folder: Path) -> dict[str, Any]:
    """The encoder's configuration, once its weights are known to be whole."""
    try:
        config = dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        found = sha256(folder / "model.safetensors")
    except (OSError, ValueError) as error:
        raise DataError(f"the encoder in {folder} cannot be read ({error}); restore it, or run again") from None
    if found != config.get("sha256"):
        raise DataError(f"{folder / 'model.safetensors'} differs from the hash beside it; restore it, or run again")
    return config


def model_card(record: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """What the encoder is, what it was trained and measured on, and what it is not for, as Markdown."""
    found = evaluations(record)
    text = (
        templates()
        .get_template("model_card.md.jinja")
        .render(
            record=record,
            encoder=config,
            size=config["pretrained_cfg"]["input_size"][-1],
            width=config["num_features"],
            data=record["data"],
            caption=caption(record).splitlines()[0] if on_test(record["metrics"]) else "",
            macro=sections.macro_table(found),
            findings=[(evaluation.name, sections.finding_table(evaluation)) for evaluation in found],
            run=summary.run_table(record),
            pretraining=summary.pretraining_table(record),
            components=summary.component_table(record),
        )
    )
    return BLANKS.sub("\n\n", text)


def usage(config: Mapping[str, Any]) -> str:
    """A script that embeds images with the encoder; it needs torch, torchvision, timm, numpy and Pillow alone."""
    known = config["pretrained_cfg"]
    return (
        templates()
        .get_template("use.py.jinja")
        .render(size=known["input_size"][-1], mean=known["mean"][0], std=known["std"][0], width=config["num_features"])
    )
