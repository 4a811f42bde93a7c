"""The measured part of docs/tuning.md, from the folder of a tune: ``python -m benchmarks.tuning_doc runs/tune``.

What stands between the two markers is replaced; every number in it is read from ``tune.json`` and ``request.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssl_bench.files import write_text
from ssl_bench.report.render import markdown
from ssl_bench.report.table import Table
from ssl_bench.report.text import cell
from ssl_bench.report.tune_page import sensitivity_table, trial_table
from ssl_bench.report.tune_text import tables
from ssl_bench.sweep.settings import read_tune
from ssl_bench.tune.request import FILE
from ssl_bench.tune.result import notes

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def what_was_run(found: Mapping[str, Any], request: Mapping[str, Any]) -> Iterator[str]:
    """Methods, trials, seeds, preset, and what of it is not the preset's."""
    studies = found["studies"]
    config = next(iter(request["studies"].values()))["config"]
    hours = sum(trial["hours"] for study in studies for trial in study["trials"])
    methods = ", ".join(label for study in studies for label in study["members"])
    trials = ", ".join(str(len(study["trials"])) for study in studies)
    data = f"`{config['data']['name']}` {json.dumps(config['data']['options'])}"
    yield f"* methods: {methods}"
    yield f"* trials: {trials}; sampler {found['sampler']}, seed {found['seed']}"
    seeds = f"{found['final_seeds']} seeds each"
    yield f"* final runs: {seeds if has_finals(found) else 'not made, so no number here is of the test split'}"
    yield f"* preset `{config['preset']}` with {config['pretrain']['epochs']} epochs, data {data}"
    yield f"* the trials took {60 * hours:.0f} minutes, one after the other on a core that other work shared"
    yield ""


def has_finals(found: Mapping[str, Any]) -> bool:
    """Whether any final run has a number."""
    return any(final["mean"] is not None for study in found["studies"] for final in study["final"].values())


def curves(found: Mapping[str, Any]) -> Iterator[str]:
    """The expected best of k trials of every method."""
    named = {label: curve for study in found["studies"] for label, curve in study["curves"].items()}
    most = max(map(len, named.values()))
    rows = [(label, *(f"{best['expected']:.3f} [{best['low']:.3f}, {best['high']:.3f}]" for best in curve),
             *["-"] * (most - len(curve))) for label, curve in named.items()]  # fmt: skip
    yield markdown(Table(("method", *(f"k = {count}" for count in range(1, most + 1))), tuple(rows)))


def page(folder: Path) -> Iterator[str]:
    """All lines between the markers."""
    found = read_tune(folder)
    yield from what_was_run(found, json.loads((folder / FILE).read_text(encoding="utf-8")))
    if found["synthetic"]:
        yield "The data are synthetic: these numbers say nothing about patients. So few trials rank nothing.\n"
    yield "Expected best of k trials, validation macro AUROC, with the interval over draws:\n"
    yield from curves(found)
    for table in tables(found):
        if table.title != "final runs" or has_finals(found):
            yield f"{table.title.capitalize()}:\n"
            yield markdown(replace(table, title=""))
    for study in found["studies"]:
        yield f"All trials of `{study['name']}`:\n"
        yield markdown(trial_table(study))
        yield f"Hyperparameters of `{study['name']}`:\n"
        yield markdown(sensitivity_table(study))
    yield "What the page notes:\n"
    yield from (f"* {cell(note)}" for note in notes(found))


def main() -> None:
    """Replace the measured part of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--page", type=Path, default=Path("docs/tuning.md"))
    arguments = parser.parse_args()
    text = arguments.page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    measured = "\n".join(page(arguments.folder)).rstrip()
    write_text(arguments.page, f"{before}{BEGIN}\n\n{measured}\n\n{END}{after}")


if __name__ == "__main__":
    main()
