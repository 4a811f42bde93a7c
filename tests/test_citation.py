"""Who is named for what."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import ssl_bench

ROOT = Path(__file__).parents[1]
PAPER = ["Shurrab", "Guerra-Manzanares", "Shamout"]


def test_the_citation_names_this_version_and_the_paper() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["cff-version"], cited["type"], cited["version"]) == ("1.2.0", "software", ssl_bench.__version__)
    (paper,) = cited["references"]
    assert [author["family-names"] for author in paper["authors"]] == PAPER
    assert (paper["volume"], paper["start"], paper["doi"]) == (14, "22516", "10.1038/s41598-024-74043-x")


@pytest.mark.parametrize(
    "name",
    ["README.md", "sweeps/paper.yaml", "plugins/sslbench_methods/msn.py", "plugins/sslbench_fusions/concat.py"],
)
def test_the_papers_authors_are_named(name: str) -> None:
    text = " ".join((ROOT / name).read_text(encoding="utf-8").split())
    assert "Shurrab, Guerra-Manzanares and Shamout" in text
