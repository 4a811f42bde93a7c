"""``NAME=ROOT`` on the command line."""

from __future__ import annotations

import pytest

from ssl_bench.config.config import load
from ssl_bench.config.roots import data_flags, external_sets
from ssl_bench.errors import UsageError


def test_external_sets_come_by_comma_by_repetition_and_as_tables() -> None:
    wanted = ({"name": "chexpert", "root": "/c"}, {"name": "nih14", "root": "/n", "mode": "refit"})
    assert external_sets("chexpert=/c, nih14:refit=/n") == wanted
    assert external_sets(["chexpert=/c", "nih14:refit=/n"]) == wanted
    assert external_sets([wanted[0], "nih14:refit=/n"]) == wanted
    config = load({"evaluate": {"test_on": ["nih14=/a=b"]}}, name="smoke")
    assert [(part.name, str(part.root), part.mode) for part in config.evaluate.test_on] == [("nih14", "/a=b", "auto")]


@pytest.mark.parametrize("text", ["nih14", "nih14=", "=/root", "a=/r,nih14"])
def test_a_set_without_name_or_folder_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--test-on expects NAME=ROOT such as chexpert=/data/chexpert, .* found '"):
        external_sets(text)


@pytest.mark.parametrize(
    ("entry", "said"),
    [("nih14:both=/r", "should be 'auto', 'head' or 'refit'"), ({"name": "a", "called": "a/b"}, "pattern")],
)
def test_a_wrong_mode_or_name_is_refused(entry: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load({"evaluate": {"test_on": [entry]}}, name="smoke")


def test_data_alone_with_its_root_and_repeated() -> None:
    assert data_flags(None, None) == {}
    assert data_flags(["nih14"], "/r") == {"data.name": "nih14", "data.root": "/r", "data.more": []}
    assert data_flags(["nih14=/r"], None) == {"data.name": "nih14", "data.root": "/r", "data.more": []}
    assert data_flags(None, "/r") == {"data.root": "/r"}
    several = data_flags(["synthetic", "nih14=/r"], None)
    assert several == {"data.name": "synthetic", "data.more": [{"name": "nih14", "root": "/r"}]}


@pytest.mark.parametrize(
    ("data", "root", "said"),
    [
        (["nih14=/r"], "/s", "--root is for a single --data NAME"),
        (["nih14", "synthetic"], "/s", "--root does not say whose folder it is"),
        (["=/r"], None, "--data expects NAME or NAME=ROOT"),
        (["nih14="], None, "--data expects NAME or NAME=ROOT"),
    ],
)
def test_folders_that_belong_to_nobody_are_refused(data: list[str], root: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        data_flags(data, root)
