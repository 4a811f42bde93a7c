"""What a tune's folder was begun with, so that a later command goes on with the same search or is refused. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssl_bench.config.changeable import differences
from ssl_bench.errors import DataError, UsageError, because, shortened
from ssl_bench.files import write_json
from ssl_bench.tune.studies import Asked, StudyPlan

FILE = "request.json"


def request(asked: Asked, studies: Sequence[StudyPlan]) -> dict[str, Any]:
    """What must stay the same in a folder; the budget and the number of seeds may grow."""
    return {
        "rule": asked.rule.name, "sampler": asked.sampler, "pruner": asked.pruner, "seed": asked.seed,
        "budget": asked.budget.kind,
        "studies": {
            study.name: {"config": study.config.model_dump(mode="json", exclude={"loggers"}),
                         "members": list(study.members), "space": study.space.told()}
            for study in studies
        },
    }  # fmt: skip


def check_same(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Write down what is asked for, or hold it against what was.

    Raises:
        UsageError: the folder was begun with something else; the first differences are told.
        DataError: the file there is damaged.
    """
    path, plain = folder / FILE, json.loads(json.dumps(wanted, default=str))
    if not path.is_file():
        write_json(path, plain)
        return
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {because(error)}; choose another --out") from None
    other = [f"{key}: {old!r} -> {new!r}" for key, old, new in differences(kept, plain)]
    if other:
        raise UsageError(f"{folder} was begun with another search ({shortened(other, 3)}); repeat the first command, "
                         "or choose another --out")  # fmt: skip
