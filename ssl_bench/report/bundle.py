"""A run to take away: its encoder, a model card, the configuration and a script that uses them.

The folder is laid out as timm and the Hugging Face hub open one at its root: ``config.json``, ``model.safetensors`` and
a ``README.md`` whose head (https://huggingface.co/docs/hub/model-cards) has licence, task and results.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ssl_bench.errors import DataError, UsageError
from ssl_bench.files import new_folder, sha256, write_text
from ssl_bench.plugin.names import TRAINED
from ssl_bench.report import sections, summary
from ssl_bench.report.evaluations import Evaluation, evaluations
from ssl_bench.report.licences import UNDECIDED, checked
from ssl_bench.report.run_tables import METRICS, caption, on_test
from ssl_bench.report.templating import BLANKS, templates
from ssl_bench.results import record_file
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.shared import share

FILES = ("README.md", "use.py", "config.yaml", "record.json", "config.json", "model.safetensors")
"""What a bundle consists of. Neither images nor what could name a patient is among them."""

HUB_METRICS = {"auroc": "roc_auc", "auprc": "average_precision"}
"""Names of metrics on the hub."""


def write_bundle(run: RunDirectory, out: Path, licence: str = UNDECIDED) -> list[Path]:
    """Write a finished run's encoder, model card, configuration, record and a usage script, all of them or nothing.

    Args:
        run: finished.
        out: a new or empty folder.
        licence: of the weights, by its name on the Hugging Face hub (``apache-2.0``): its owner's choice.

    Returns:
        The files.

    Raises:
        UsageError: the folder holds something, the run is not finished, or the hub knows no such licence.
        DataError: the encoder is damaged: its weights differ from the hash beside them.
    """
    record = run.read_record()
    licence = checked(licence)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not empty; give a new folder")
    if card := record.encoder:
        raise UsageError(
            f"the encoder of {run.path} is '{card.name}', the weights of others; share them from their source"
        )
    config = check_encoder(run.encoder)
    check_kept(run, record)
    record = share(record)
    texts = {"README.md": model_card(record, config, licence), "use.py": usage(config, record.config["data"])}
    with new_folder(out) as folder:
        for name in ("config.json", "model.safetensors"):
            shutil.copyfile(run.encoder / name, folder / name)
        write_text(folder / "config.yaml", yaml.safe_dump(record.config, sort_keys=False))
        record_file.write(folder / "record.json", record)
        for name, text in texts.items():
            write_text(folder / name, text)
    return [out / name for name in FILES]


def check_kept(run: RunDirectory, record: Record) -> None:
    """Encoder, predictions and embeddings are those that the record speaks of; the latter two may be gone.

    Raises:
        DataError: naming the first file that is another one, or is gone.
    """
    for place in record.files or {}:
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


def head_of_card(record: Record, licence: str) -> str:
    """The card's head for the hub, as YAML: licence, task, and a result for each protocol and test set."""
    terms = {"license": licence} | ({"license_name": "not-chosen"} if licence == UNDECIDED else {})
    results = [result for evaluation in evaluations(record) if (result := _result(evaluation)) is not None]
    index = [{"name": str(record.method), "results": results}] if results else []
    values = {
        **terms, "library_name": "timm", "pipeline_tag": "image-feature-extraction",
        "tags": ["timm", "chest-x-ray", "self-supervised-learning", "sslbench"], "model-index": index,
    }  # fmt: skip
    return str(yaml.safe_dump(values, sort_keys=False))


def _result(evaluation: Evaluation) -> dict[str, Any] | None:
    """Macro means of the trained encoder at one place; None where it has none there."""
    rows = {metric: evaluation.row(TRAINED, MACRO, metric) for metric in HUB_METRICS}
    metrics = [{"type": HUB_METRICS[metric], "value": round(row.value, 4), "name": f"macro {METRICS[metric]}"}
               for metric, row in rows.items() if row is not None and row.value is not None]  # fmt: skip
    if not metrics:
        return None
    slug = re.sub(r"[^a-z0-9-]+", "-", evaluation.dataset.lower()).strip("-") or "dataset"
    return {
        "task": {"type": "image-classification", "name": evaluation.name},
        "dataset": {"type": slug, "name": " ".join(evaluation.dataset.split()), "split": "test"}, "metrics": metrics,
    }  # fmt: skip


def model_card(record: Record, config: Mapping[str, Any], licence: str = UNDECIDED) -> str:
    """What the encoder is, what it was trained and measured on, and what it is not for, as Markdown."""
    found = evaluations(record)
    text = (
        templates()
        .get_template("model_card.md.jinja")
        .render(
            head=head_of_card(record, licence),
            record=record,
            encoder=config,
            size=config["pretrained_cfg"]["input_size"][-1],
            width=config["num_features"],
            data=record.data,
            caption=caption(record).splitlines()[0] if on_test(record.metrics) else "",
            macro=sections.macro_table(found),
            findings=[(evaluation.name, sections.finding_table(evaluation)) for evaluation in found],
            run=summary.run_table(record),
            pretraining=summary.pretraining_table(record),
            components=summary.component_table(record),
        )
    )
    return BLANKS.sub("\n\n", text)


def usage(config: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """A script that embeds images with the encoder; it needs torch, torchvision, timm, numpy and Pillow alone."""
    known = config["pretrained_cfg"]
    template = templates().get_template("use.py.jinja")
    return template.render(size=known["input_size"][-1], mean=known["mean"][0], std=known["std"][0],
                           width=config["num_features"], pad=data.get("fit") == "pad")  # fmt: skip
