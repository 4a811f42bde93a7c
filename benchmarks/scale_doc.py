"""The table "Up to a million images" of docs/measurements/speed.md: ``python -m benchmarks.scale_doc``.

It measures, writes ``docs/measurements/scale.json``, and makes the table of it; ``--kept`` makes the table anew alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.interleave import exponent
from benchmarks.real_study import filled
from benchmarks.test_scale import sizes
from ssl_bench.files import write_json, write_text
from ssl_bench.results.environment import processor

FOLDER = Path(__file__).parents[1] / "docs" / "measurements"
PAGE, KEPT, NAME = FOLDER / "speed.md", FOLDER / "scale.json", "scale"

Found = Mapping[str, Mapping[str, list[dict[str, Any]]]]


def lines(found: Found) -> Iterator[str]:
    """Of each case memory, bytes read and time by size, and the exponents of their growth."""
    yield "| case | images | memory beyond the start, MiB | bytes read: at the start, by batches | CPU seconds |"
    yield "|---|---|---|---|---|"
    for case, by_size in found.items():
        for size, said in by_size.items():
            grown = max(one["peak"] - one["before"] for one in said)
            read = max((one["share"], one["batches"]) for one in said) if "share" in said[0] else None
            told = f"{read[0]:,}, {read[1]:,}" if read else ""
            yield f"| {case} | {int(size):,} | {grown:,.0f} | {told} | {max(one['seconds'] for one in said):.2g} |"
    yield ""
    yield f"Exponents of growth: {'; '.join(exponents(found))}."


def exponents(found: Found) -> Iterator[str]:
    """Of the cases with several sizes and always as many processes."""
    for case, by_size in found.items():
        each = [one for said in by_size.values() for one in said]
        keys = [key for key in WORDS if all(one.get(key) for one in each)]
        for key in keys if "a process" not in case else []:
            yield f"{case}, {WORDS[key]} {exponent({int(size): said[0][key] for size, said in by_size.items()}):.2f}"
        if case in ("knn", "linear"):
            yield f"{case}, CPU time {exponent({int(size): said[0]['seconds'] for size, said in by_size.items()}):.2f}"


WORDS = {"held": "bytes held", "share": "bytes read at the start", "batches": "bytes read by batches"}


def main() -> None:
    """Measure, keep, and replace the table of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kept", action="store_true", help="take what was measured before")
    arguments = parser.parse_args()
    if not arguments.kept:
        with tempfile.TemporaryDirectory() as folder:
            found = sizes(Path(folder))
        write_json(KEPT, {"when": time.strftime("%Y-%m-%d"), "processor": processor(), "found": found})
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    write_text(PAGE, filled(PAGE.read_text(encoding="utf-8"), {NAME: "\n".join(lines(kept["found"]))}))


if __name__ == "__main__":
    main()
