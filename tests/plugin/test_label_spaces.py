"""Label spaces that plugins bring: known everywhere, and refused where they contradict what is known."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ssl_bench import LabelSpace
from ssl_bench.errors import PluginError
from ssl_bench.plugin import label_spaces
from ssl_bench.plugin.label_spaces import NIH14, OTHER_NAMES, SPACES, UNIONS, common_name, declare
from ssl_bench.plugin.labels import space_of
from ssl_bench.plugin.vocabulary import coverage, strangers

SPACE = LabelSpace(
    name="heart2", findings=("Heart enlarged", "Wet lung"), other_names={"Heart enlarged": ("Cardiomegaly",)},
    unions={"Wet lung": ("Edema", "Effusion")},
)  # fmt: skip


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """What a test declares is gone after it."""
    tables: list[dict[str, object]] = [SPACES, OTHER_NAMES, UNIONS, label_spaces._COMMON]  # type: ignore[list-item]
    before = [dict(table) for table in tables]
    yield
    for table, old in zip(tables, before, strict=True):
        table.clear()
        table.update(old)


def test_its_findings_are_matched_with_those_of_others() -> None:
    assert "Wet lung" in strangers(SPACE.findings)
    declare(SPACE)
    declare(SPACE)
    assert space_of(SPACE.findings) == "heart2"
    assert common_name("heart_ENLARGED") == "Cardiomegaly"
    found = coverage(NIH14, SPACE.findings)
    assert found.direct == {"Heart enlarged": "Cardiomegaly"}
    assert found.unions == {"Wet lung": ("Edema", "Effusion")}
    assert coverage(SPACE.findings, ["Cardiomegaly"]).direct == {"Cardiomegaly": "Heart enlarged"}
    assert strangers(SPACE.findings) == []


@pytest.mark.parametrize(
    ("space", "says"),
    [
        (LabelSpace(name="nih14", findings=("Edema",)), "'nih14' is there already with other findings"),
        (LabelSpace(name="native", findings=("Edema",)), "'native' is there already"),
        (LabelSpace(name="mixed", findings=("Edema",), other_names={"Edema": ("Mass",)}), "calls Edema and Mass one"),
        (LabelSpace(name="union", findings=("Fracture",), unions={"Fracture": ("Mass",)}), "makes Fracture a union"),
    ],
)
def test_contradictions_are_refused_and_leave_nothing(space: LabelSpace, says: str) -> None:
    before = (dict(SPACES), dict(UNIONS))
    with pytest.raises(PluginError, match=says):
        declare(space)
    assert before == (SPACES, UNIONS)
