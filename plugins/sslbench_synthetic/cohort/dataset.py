"""The dataset ``synthetic``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ssl_bench.errors import UsageError
from ssl_bench.plugin.cohort import Cohort
from sslbench_datasets.nih14 import Nih14
from sslbench_synthetic.options import SyntheticOptions


class Synthetic:
    """Procedural chest radiographs, written on first use and read back by the NIH loader.

    Args:
        options: size and seed of the population.
    """

    def __init__(self, options: SyntheticOptions | None = None) -> None:
        self.options = options or SyntheticOptions()

    def locate(self, root: Path | None, cache: Path) -> Path:
        """A folder under ``cache`` that holds the radiographs of these options, written if it is not there.

        Raises:
            UsageError: ``root`` is given.
        """
        from sslbench_synthetic.cohort.writer import write_once

        if root is not None:
            raise UsageError(
                "dataset 'synthetic' is generated and takes no --root; leave it out, or use nih14 to read a folder"
            )
        return write_once(self.options, cache)

    def read(self, root: Path) -> Cohort:
        """The cohort of the NIH loader, with the planted findings as labels."""
        from sslbench_synthetic.cohort.population import FINDINGS

        cohort = Nih14().read(root)
        absent = [label for label in cohort.labels if label not in FINDINGS]
        return replace(cohort, name="synthetic", frame=cohort.frame.drop(columns=absent), labels=FINDINGS)
