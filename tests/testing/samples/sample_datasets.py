"""A dataset that keeps the contract, and what becomes of it when one thing is wrong."""

from __future__ import annotations

import random
from dataclasses import replace

import pandas as pd
from PIL import Image
from sample_options import Plain

from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.splits import assign


class Good:
    """``images/NNN.png``, two for each patient, alternately with a finding."""

    def __init__(self, options: Plain) -> None:
        self.options = options

    def locate(self, root, cache):
        if root is None:
            raise UsageError("give the folder by --root")
        return root

    def read(self, root):
        names = sorted(path.name for path in root.glob("images/*.png"))
        if not names:
            raise DataError(f"no images below {root}")
        frame = pd.DataFrame({"image_id": names, "image_path": [f"images/{name}" for name in names]})
        frame["patient_id"] = [name[:2] for name in names]
        frame["study_id"] = frame["image_id"]
        frame["split"] = assign(frame["patient_id"], {"train": 0.6, "validate": 0.2, "test": 0.2})
        frame["age"] = [20.0 + number for number in range(len(names))]
        frame["sex"] = ["M" if number % 2 else "F" for number in range(len(names))]
        frame["Mass"] = [float(number % 2) for number in range(len(names))]
        return self.finish(Cohort("sample", root, frame, ("age", "sex"), ("Mass",)))

    def finish(self, cohort):
        return cohort

    def changed(self, cohort, **columns):
        return cohort.with_frame(cohort.frame.assign(**columns))


class Table(Good):
    def finish(self, cohort):
        return cohort.frame


class Doubled(Good):
    def finish(self, cohort):
        return self.changed(cohort, image_id="same")


class Numbered(Good):
    def finish(self, cohort):
        return self.changed(cohort, patient_id=cohort.frame["patient_id"].astype(int))


class Shuffled(Good):
    def finish(self, cohort):
        return replace(cohort, frame=cohort.frame.iloc[::-1])


class Leaky(Good):
    def finish(self, cohort):
        return self.changed(
            cohort, split=assign(cohort.frame["image_id"], {"train": 0.6, "validate": 0.2, "test": 0.2})
        )


class Untested(Good):
    def finish(self, cohort):
        return self.changed(cohort, split=cohort.frame["split"].replace("test", "train"))


class Extra(Good):
    def finish(self, cohort):
        return replace(self.changed(cohort, view="PA"), features=("age", "sex", "view"))


class Months(Good):
    def finish(self, cohort):
        return self.changed(cohort, age=cohort.frame["age"] * 12)


class Words(Good):
    def finish(self, cohort):
        return self.changed(cohort, sex=cohort.frame["sex"].replace({"F": "female"}))


class Ageless(Good):
    def finish(self, cohort):
        return self.changed(cohort, age=float("nan"))


class Texts(Good):
    def finish(self, cohort):
        return self.changed(cohort, Mass="yes")


class Scores(Good):
    def finish(self, cohort):
        return self.changed(cohort, Mass=0.5)


class Absent(Good):
    def finish(self, cohort):
        return self.changed(cohort, image_path="images/" + cohort.frame["image_id"] + ".gz")


class Opens(Good):
    def finish(self, cohort):
        Image.open(cohort.root / cohort.frame["image_path"][0]).load()
        return cohort


class Unseeded(Good):
    def finish(self, cohort):
        return self.changed(cohort, age=20 + random.random())


class Crashes(Good):
    def read(self, root):
        names = sorted(path.name for path in root.glob("images/*.png"))
        return super().read(root) if names else names[0]


class Empty(Good):
    def read(self, root):
        return super().read(root) if (root / "images").is_dir() else Cohort("sample", root, pd.DataFrame(), (), ())
