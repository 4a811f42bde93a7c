"""Notes in parts: what may leave the machine, and what stays."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from ssl_bench.plugin.notes import Note, note_of, parts_of

LEFT_OUT = Note("left-out", "2 of 9 images cannot be read", numbers={"images": 2}, details=("5", "p/007.png"))


def test_a_note_is_the_sentence_that_is_shown_here() -> None:
    assert LEFT_OUT == "2 of 9 images cannot be read: 5, p/007.png"
    assert Note("gate-open", "test patients were allowed") == "test patients were allowed"
    many = Note("left-out", "some", details=[str(number) for number in range(30)])
    assert many.endswith("19 and 10 more")
    assert len(many.details) == 30


def test_what_is_shared_has_no_detail_and_keeps_the_rest() -> None:
    public = LEFT_OUT.public()
    assert (public, public.details) == ("2 of 9 images cannot be read", ())
    assert public.parts() == {
        "code": "left-out", "text": "2 of 9 images cannot be read", "numbers": {"images": 2}, "details": []
    }  # fmt: skip
    elsewhere = Note("no-ehr-tables", "no tables: give some", details=("/home/me",), shown="no tables at /home/me")
    assert elsewhere == "no tables at /home/me"
    assert elsewhere.public() == "no tables: give some"


def test_of_a_bare_sentence_nothing_is_shared_but_that_there_is_one() -> None:
    note = note_of("see /home/me/scan 5.png")
    assert note == "see /home/me/scan 5.png"
    assert "not shared" in note.public()
    assert "home" not in json.dumps(note.public().parts())


@pytest.mark.parametrize("note", [LEFT_OUT, note_of("bare"), Note("a", "b", details=("c",), shown="d"), Note("a", "b")])
def test_a_note_survives_a_record_and_copies(note: Note) -> None:
    for found in (note_of(json.loads(json.dumps(parts_of([note])))[0]), copy.deepcopy(note),
                  pickle.loads(pickle.dumps(note))):  # fmt: skip
        assert (found, found.parts()) == (note, note.parts())


@pytest.mark.parametrize("value", [5, None, ["text"]])
def test_what_is_no_note_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="a note is a table of code, text"):
        note_of(value)
