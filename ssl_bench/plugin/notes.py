"""Notes of a record for its reader: sentences kept in parts, so that only what is private is left out. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ssl_bench.errors import shortened

UNSAID = "text"
"""The code of a note that is a bare sentence: nobody knows what of it may leave the machine."""


class Note(str):
    """What a reader of results must know, as the sentence to show here, with the parts that it consists of.

    Args:
        code: what kind of note it is, for programs: ``left-out``.
        text: what everybody may read, without a full stop: names of datasets, features and findings and numbers, and
            never a path, an id, a host or a user.
        numbers: the numbers of the text, for programs.
        details: what stays on this machine: ids, file names, folders. The sentence ends in the first of them.
        shown: the sentence on this machine, where it is not the text with the details behind it; as private as they.
    """

    code: str
    text: str
    numbers: dict[str, Any]
    details: tuple[str, ...]

    def __new__(
        cls,
        code: str,
        text: str,
        *,
        numbers: Mapping[str, Any] | None = None,
        details: Sequence[str] = (),
        shown: str = "",
    ) -> Note:
        """The sentence with its parts."""
        note = super().__new__(cls, shown or ": ".join(filter(None, (text, shortened(details)))))
        note.code, note.text, note.numbers, note.details = code, text, dict(numbers or {}), tuple(map(str, details))
        return note

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, Any]]:
        """How copies are made."""
        return (self.code, self.text), {"numbers": self.numbers, "details": self.details, "shown": str(self)}

    def parts(self) -> dict[str, Any]:
        """As a record keeps it."""
        plain = Note(self.code, self.text, details=self.details)
        shown = {} if plain == self else {"shown": str(self)}
        return {"code": self.code, "text": self.text, "numbers": self.numbers, "details": list(self.details), **shown}

    def public(self) -> Note:
        """The note without what stays on this machine; it is never dropped."""
        text = self.text or "a note of this run is not shared, because it is not known what of it is private"
        return Note(self.code, text, numbers=self.numbers)


def note_of(value: object) -> Note:
    """A note of a record, or of a plugin that gave a bare sentence, all of which is then private.

    Raises:
        TypeError, KeyError: it is neither a sentence nor the parts of a note.
    """
    if isinstance(value, Note):
        return value
    if isinstance(value, str):
        return Note(UNSAID, "", details=(value,))
    if not isinstance(value, Mapping):
        raise TypeError(f"a note is a table of code, text, numbers and details, found {type(value).__name__}")
    known = {key: value[key] for key in ("numbers", "details", "shown") if key in value}
    return Note(value["code"], value["text"], **known)


def parts_of(notes: Iterable[object]) -> list[dict[str, Any]]:
    """Notes as a record keeps them."""
    return [note_of(note).parts() for note in notes]
