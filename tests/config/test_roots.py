"""``NAME=ROOT`` on the command line."""

from __future__ import annotations

import pytest

from ssl_bench.config.config import load
from ssl_bench.config.roots import data_flags, external_sets, folders_now, only_root, with_probes
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
        (["nih14", "synthetic"], "/s", "--root does not state whose folder it is"),
        (["=/r"], None, "--data expects NAME or NAME=ROOT"),
        (["nih14="], None, "--data expects NAME or NAME=ROOT"),
    ],
)
def test_folders_that_belong_to_nobody_are_refused(data: list[str], root: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        data_flags(data, root)


def test_the_folder_of_a_new_run_is_one_and_those_of_a_resumed_one_are_named() -> None:
    assert only_root(None) is None
    assert only_root(["/r=1"]) == "/r=1"
    with pytest.raises(UsageError, match="--root is given more than once"):
        only_root(["/r", "/s"])
    assert folders_now([]) == ((), None)
    assert folders_now(["nih14=/x", "mimic-cxr=/y=z"]) == (("nih14=/x", "mimic-cxr=/y=z"), None)
    assert folders_now(["/data/a=b"]) == ((), "/data/a=b")
    assert folders_now(["./a=b", "nih14=C"]) == (("nih14=C",), "./a=b")
    with pytest.raises(UsageError, match="--root is given more than once"):
        folders_now(["/x", "/y"])


def test_datasets_to_probe_on_have_heads_of_their_own() -> None:
    found = with_probes(["nih14=/n"], ["shenzhen=/s, montgomery=/m"])
    config = load({"evaluate": {"test_on": found}}, name="smoke")
    assert [(part.name, str(part.root), part.mode) for part in config.evaluate.test_on] == [
        ("nih14", "/n", "auto"), ("shenzhen", "/s", "refit"), ("montgomery", "/m", "refit")]  # fmt: skip
    assert with_probes(None, None) is None
    with pytest.raises(UsageError, match="--probe-on nih14:head: a probe is always fitted there"):
        with_probes(None, ["nih14:head=/n"])
    with pytest.raises(UsageError, match="--probe-on expects NAME=ROOT"):
        with_probes(None, ["nih14"])
