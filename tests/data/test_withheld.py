"""Labels of a withheld split are gone before anything looks at them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ssl_bench.data.withheld import without_labels
from ssl_bench.plugin.cohort import Cohort


class Raises:
    """A label that nobody may look at."""

    def _refuse(self, *others: object) -> None:
        raise AssertionError("a withheld label was read")

    __eq__ = __ne__ = __lt__ = __gt__ = __bool__ = __float__ = __int__ = _refuse  # type: ignore[assignment]
    __hash__ = object.__hash__


def cohort(label: object) -> Cohort:
    frame = pd.DataFrame({"split": ["train", "validate", "test"], "edema": pd.Series([1.0, 0.0, label], dtype=object)})
    return Cohort("toy", Path("/toy"), frame, (), ("edema",))


def test_withheld_labels_are_never_looked_at() -> None:
    found = without_labels(cohort(Raises()), "test").frame["edema"]
    assert found.dtype == float
    assert found.tolist()[:2] == [1.0, 0.0]
    assert pd.isna(found[2])


def test_the_object_that_raises_does_raise() -> None:
    with pytest.raises(AssertionError, match="a withheld label was read"):
        without_labels(cohort(Raises()), "train").frame["edema"].astype(float)


def test_without_a_withheld_split_nothing_changes() -> None:
    given = cohort(1.0)
    assert without_labels(given, None) is given


def test_raw_labels_of_the_split_go_too() -> None:
    frame = cohort(1.0).frame.assign(edema=[1.0, 0.0, 1.0], **{"raw:edema": [1.0, 0.0, 1.0]})
    found = without_labels(Cohort("toy", Path("/toy"), frame, (), ("edema",)), "test").frame
    assert found.loc[2, ["edema", "raw:edema"]].isna().all()
