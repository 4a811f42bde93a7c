"""The outputs of the tutorial notebook: runs it in a folder of its own and keeps what its cells show.

python -m benchmarks.notebook_doc   # pip install nbclient ipykernel; about a minute on two cores
"""

from __future__ import annotations

import os
import re
import tempfile
from typing import Any

from benchmarks.real_study import ROOT

PAGE = ROOT / "docs" / "tutorials" / "notebook.ipynb"
STYLE = re.compile(r"<style.*?</style>\s*", re.DOTALL)
"""What pandas adds to a table for Jupyter alone."""


def shown(output: dict[str, Any]) -> bool:
    """Whether an output is the value of a cell, and no progress."""
    return output["output_type"] == "execute_result"


def plain(output: dict[str, Any]) -> dict[str, Any]:
    """An output without styles."""
    data = {kind: STYLE.sub("", text) for kind, text in output["data"].items()}
    return {**output, "data": data}


def main() -> None:
    """Run and write."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(PAGE, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"SSLBENCH_CACHE": f"{folder}/cache", "OMP_NUM_THREADS": "1"}
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(plain(output)) for output in cell.outputs if shown(output)]
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, PAGE)


if __name__ == "__main__":
    main()
