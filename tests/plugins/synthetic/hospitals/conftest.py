"""Each layout, written once in little."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslbench_synthetic.hospitals import chexpert, mimic_cxr, nih14
from sslbench_synthetic.hospitals.options import ChexpertWriterOptions, MimicCxrWriterOptions, Nih14WriterOptions

WRITERS: dict[str, tuple[Callable[..., Any], Any]] = {
    "mimic-cxr": (mimic_cxr.write, MimicCxrWriterOptions),
    "chexpert": (chexpert.write, ChexpertWriterOptions),
    "nih14": (nih14.write, Nih14WriterOptions),
}
SMALL = {"patients": 60, "size": 32}


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``hospital("chexpert", paths="bare")``: a folder in that layout with 60 patients and pictures of 32 px.

    The same arguments give the same folder; ``fresh=True`` writes it again.
    """
    made: dict[str, Path] = {}

    def make(layout: str, *, fresh: bool = False, **options: Any) -> Path:
        key = repr((layout, options))
        if key in made and not fresh:
            return made[key]
        made[key] = tmp_path_factory.mktemp(layout)
        function, model = WRITERS[layout]
        function(model(**{**SMALL, **options}), made[key])
        return made[key]

    return make
