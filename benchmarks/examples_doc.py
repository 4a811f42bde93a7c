"""The examples of README, docs/evaluation.md and docs/measurements: runs their commands and fills in what they print.

python -m benchmarks.examples_doc --work FOLDER [--nih NIH] [--only NAME ...]

Runs that are finished in the folder are kept. About a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.real_study import ROOT, filled
from sslbench_synthetic.cohort.writer import VERSION

MADE = ROOT / "docs" / "measurements" / "examples.json"
"""The version of the synthetic cohort that the examples show."""

SMOKE = "--preset smoke"
RUNS = {
    "runs/centred": "--method random --eval knn",
    "runs/plain": "--method random --eval knn --set evaluate.options.knn.centre=false",
    "runs/msn": f"{SMOKE} --method msn --eval linear,finetune",
    "runs/simclr": f"{SMOKE} --method simclr --eval linear,finetune",
    "runs/smoke": f"{SMOKE} --eval linear",
    "runs/external": f"{SMOKE} --eval linear --test-on nih14:head=NIH,nih14:refit=NIH",
    "runs/nih-msn": f"{SMOKE} --method msn --data nih14 --root NIH --eval linear,knn",
    "runs/nih-simclr": f"{SMOKE} --method simclr --data nih14 --root NIH --eval linear,knn",
    "runs/demo-msn": "--method msn",
    "runs/demo-simclr": "--method simclr",
    "runs/demo-ehr": "--method msn-ehr --features age,sex",
}
"""Arguments of ``sslbench run`` by the folder of the run."""

MACRO = (r"┃ protocol(?! ┃ encoder ┃ label)"
         r"|[│ ] +(linear|knn|finetune|clusters)? +│ +(macro|trained|pixels|random)[^│]*│ [-+\d]")  # fmt: skip


@dataclass(frozen=True)
class Example:
    """A block of a page.

    Args:
        page: below the project's root.
        needs: folders of :data:`RUNS`.
        command: what is shown; it runs in the folder of the runs. Empty: the output of the one run it needs.
        keep: pattern of the lines to show, in the order of the output; empty: all.
        fence: whether the lines stand as they were printed; else they are Markdown.
    """

    page: str
    needs: tuple[str, ...]
    command: str = ""
    keep: str = ""
    fence: bool = True


EVALUATION, ABLATIONS = "docs/evaluation.md", "docs/measurements/ablations.md"
FRACTIONS = r"macro AUROC by share|┃ protocol ┃ encoder +┃ 0|│ (linear|knn) .*\("
EXAMPLES = {
    "example-readme": Example("README.md", ("runs/demo-ehr",)),
    "example-centred": Example(EVALUATION, ("runs/centred",), keep=MACRO),
    "example-plain": Example(EVALUATION, ("runs/plain",), keep=MACRO),
    "example-external": Example(EVALUATION, ("runs/external",), keep=rf"^msn-ehr|^tested on|{MACRO}"),
    "example-tables": Example(EVALUATION, ("runs/msn", "runs/simclr"),
                              "sslbench tables runs/msn runs/simclr --eval linear", fence=False),
    "example-nih": Example(EVALUATION, ("runs/nih-msn", "runs/nih-simclr"),
                           "sslbench tables runs/nih-msn runs/nih-simclr --eval linear", r"^\|", fence=False),
    "example-compare": Example(EVALUATION, ("runs/msn", "runs/simclr"), "sslbench compare runs/msn runs/simclr",
                               rf"minus|{MACRO}|Edema|note: a difference"),
    "example-fractions": Example(EVALUATION, ("runs/smoke",),
                                 "sslbench evaluate runs/smoke --eval linear,knn --label-fraction 0.1,0.3,1.0",
                                 FRACTIONS),
    "example-probe": Example(EVALUATION, ("runs/smoke",), "sslbench probe runs/smoke --eval linear",
                             rf"embeddings of|{MACRO}"),
    "example-demo-compare": Example(EVALUATION, ("runs/demo-msn", "runs/demo-ehr"),
                                    "sslbench compare runs/demo-msn runs/demo-ehr",
                                    rf"minus|{MACRO}|Consolidation|Effusion"),
    "example-demo-tables": Example(EVALUATION, ("runs/demo-msn", "runs/demo-ehr", "runs/demo-simclr"),
                                   "sslbench tables runs/demo-msn runs/demo-ehr runs/demo-simclr --eval linear",
                                   r"^\|", fence=False),
    "example-demo-fractions": Example(EVALUATION, ("runs/demo-ehr",),
                                      "sslbench evaluate runs/demo-ehr --eval linear --label-fraction 0.1,0.3,1.0",
                                      FRACTIONS),
    "example-ablation": Example(ABLATIONS, (), "sslbench ablate --method msn --features age,sex,view --preset smoke "
                                "--set data.options.images=600 --epochs 4 --set pretrain.threads=1 --out synthetic "
                                "> ablate.txt && cat synthetic/ablation.md",
                                r"^\||^- |paired seeds|^$", fence=False),
}  # fmt: skip


def printed(command: str, work: Path) -> str:
    """What a command prints.

    Raises:
        SystemExit: it fails; its output is printed.
    """
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, shell=True, cwd=work, env=environment, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout[-3000:]}")
    return done.stdout


def run(folder: str, work: Path, nih: str) -> str:
    """The output of a run, which is kept beside it."""
    log = work / f"{folder}.txt"
    if not (work / folder / "record.json").is_file():
        arguments = RUNS[folder].replace("NIH", nih)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(printed(f"sslbench run {arguments} --out {folder}", work), encoding="utf-8")
    return log.read_text(encoding="utf-8")


def shown(example: Example, work: Path, nih: str) -> str:
    """The block of an example."""
    outputs = [run(folder, work, nih) for folder in example.needs]
    text = printed(example.command, work) if example.command else outputs[0]
    lines = [line.rstrip() for line in text.splitlines() if re.search(example.keep, line)]
    if example.fence:  # no line is wider than a page
        lines = [part for line in lines for part in textwrap.wrap(line, 120, subsequent_indent="  ") or [""]]
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    return f"```\n{body}\n```" if example.fence else body


def main(arguments: Sequence[str]) -> None:
    """Fill the blocks that were asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--nih", default="", help="folder of NIH ChestX-ray14 for the external example")
    parser.add_argument("--only", nargs="*", default=list(EXAMPLES))
    asked = parser.parse_args(arguments)
    for name in asked.only:
        example = EXAMPLES[name]
        if any("NIH" in RUNS[folder] for folder in example.needs) and not asked.nih:
            print(f"{name}: left as it is, without --nih")
            continue
        page = ROOT / example.page
        block = shown(example, asked.work.resolve(), asked.nih)
        page.write_text(filled(page.read_text(encoding="utf-8"), {name: block}), encoding="utf-8")
        print(f"{name}: {example.page}")
    MADE.write_text(json.dumps({"cohort": VERSION, "examples": sorted(EXAMPLES)}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
