"""A table of localisation from the records of runs: ``python -m benchmarks.localise_doc RUN [RUN ...] --out FILE.md``.

Every number is read from the records, which ``sslbench evaluate RUN --eval localise`` added rows to.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from ssl_bench.errors import HandledError
from ssl_bench.files import write_text
from ssl_bench.report.render import markdown
from ssl_bench.report.run_tables import interval_text
from ssl_bench.report.table import Table
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

METRICS = ("pointing", "box_iou", "box_dice", "patch_auroc")
ENCODERS = {"trained": "", "random": "untrained encoder"}


TOLD = (
    "The boxes are those of the official test list; no encoder was trained on its patients. Made by",
    "",
    "```",
    "sslbench run --preset nih-small --method msn --epochs 1 --data nih14 --root nih14-archive2 \\",
    "  --eval localise --out RUN",
    "python -m benchmarks.localise_doc RUN --out docs/measurements/nih-archive2-localise.md",
    "```",
    "",
    "[Localisation](../evaluation.md#localisation) explains the numbers. Intervals are over patients, and each finding",
    "has few. One epoch at 64 px hardly trains an encoder: the table demonstrates the protocol on genuine boxes and",
    "compares no methods.",
)


def page(records: Sequence[Record]) -> Iterator[str]:
    """Markdown: how the numbers were made, one table of all findings and encoders, and what each rests on."""
    yield "# Localisation on NIH's archive images_002"
    yield ""
    yield from TOLD
    yield ""
    rows, notes = list[tuple[str, ...]](), dict[str, str]()
    for record in records:
        found = [row for row in record.metrics if row.protocol == "localise" and row.value is not None]
        for label, encoder in dict.fromkeys((row.label, row.encoder) for row in found):
            here = {row.metric: row for row in found if (row.label, row.encoder) == (label, encoder)}
            epochs = record.config["pretrain"]["epochs"]
            trained = f"{record.method}, {epochs} epoch{'s' * (epochs != 1)}"
            name = ENCODERS.get(encoder, encoder) or trained
            rows.append((label, name, *(interval_text(here[one]) if one in here else "-" for one in METRICS)))
            notes[label] = next(iter(here.values())).note.partition("; one patient")[0]
    unique = tuple(sorted(dict.fromkeys(rows)))
    yield markdown(Table(("finding", "encoder", *(f"{name} [95 % interval]" for name in METRICS)), unique))
    yield from (f"* {label}: {note}." for label, note in sorted(notes.items()))


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    try:
        records = [RunDirectory(run).read_record() for run in asked.runs]
    except HandledError as error:
        parser.error(str(error))
    write_text(asked.out, "\n".join(page(records)) + "\n")


if __name__ == "__main__":
    main()
