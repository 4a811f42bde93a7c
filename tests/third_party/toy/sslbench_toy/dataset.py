"""A dataset in fifty lines: a table with features and findings that no other dataset has."""

from pathlib import Path

import pandas as pd

from ssl_bench import UsageError
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.splits import DEFAULT_SHARES, assign
from sslbench_toy.options import ToyWardOptions

FEATURES = ("age", "oxygen", "shift")
LABELS = ("Fluid seen", "Air trapped", "Shadow")


class ToyWard:
    """A CSV file with the columns image, patient, ward, age, oxygen, shift and the findings."""

    def __init__(self, options: ToyWardOptions) -> None:
        self.options = options

    def locate(self, root: Path | None, cache: Path) -> Path:
        """The folder given by ``--root``."""
        if root is None:
            raise UsageError("dataset 'toy-ward' needs the folder of its files; give it by --root")
        return root

    def read(self, root: Path) -> Cohort:
        """One row for each image; no image is opened."""
        table = pd.read_csv(Path(self.options.ward_table or root / "ward.csv"), dtype=str)
        if self.options.ward:
            table = table[table["ward"] == self.options.ward].reset_index(drop=True)
        numbers = table[["age", "oxygen", *LABELS]].apply(pd.to_numeric)
        frame = pd.DataFrame(
            {
                "image_id": table["image"],
                "image_path": table["image"],
                "patient_id": table["patient"],
                "study_id": table["image"],
                "split": assign(table["patient"], DEFAULT_SHARES),
                "shift": table["shift"],
            }
        )
        return Cohort("toy-ward", root, frame.join(numbers.astype(float)), FEATURES, LABELS, official_split=False)
