"""The embedded default dataset: procedural chest radiographs in NIH's layout."""

from __future__ import annotations

from sslbench_datasets.synthetic.dataset import Synthetic

__all__ = ["Synthetic"]
