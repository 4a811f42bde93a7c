"""What a text file really is, whatever its name says: compression, encoding, or no text at all."""

from __future__ import annotations

import codecs
import gzip
import re
import zipfile
import zlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from ssl_bench.data import unpacking
from ssl_bench.errors import DataError, UsageError

HEAD = 1 << 16
"""Bytes that tell what a file is."""

BROKEN = (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile)
"""What a file raises that is cut off, or is no text."""

SPREADSHEET = "open it and save it as CSV in UTF-8"
UNPACK = "unpack it first"
FETCH = "download it again"

KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls)", SPREADSHEET),
    (b"PAR1", "a Parquet file", "name it .parquet, or save it as CSV"),
    (b"ARROW1", "an Arrow file", "save it as CSV or Parquet"),
    (b"\x89HDF", "an HDF5 file", "save its table as CSV"),
    (b"SQLite format 3", "an SQLite database", "export its table as CSV"),
    (b"BZh", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ", "an xz archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", UNPACK),
    (b"Rar!", "a rar archive", UNPACK),
    (b"\x80\x04\x95", "a pickle", "save its table as CSV"),
    (b"\x80\x05\x95", "a pickle", "save its table as CSV"),
    (b"%PDF", "a PDF", "save its table as CSV"),
    (b"\x89PNG", "a picture", FETCH),
    (b"\xff\xd8\xff", "a picture", FETCH),
    (b"{\\rtf", "an RTF document", "save its text as CSV in UTF-8"),
    (b"version https://git-lfs", "a Git LFS pointer and not the file itself", "fetch it by git lfs pull"),
    (b"/annex/objects/", "a git-annex pointer and not the file itself", "fetch it by git annex get"),
    (b"<stata_dta>", "a Stata file", "save it as CSV in UTF-8"),
    (b"$FL2", "an SPSS file", "save it as CSV in UTF-8"),
)
"""How files begin that are taken for CSV, what they are, and what to do."""

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; UTF-32's little-endian one begins with UTF-16's."""


@dataclass(frozen=True)
class Content:
    """How the text of a file is to be read.

    Args:
        compression: of its bytes, by what they are and not by the file's name.
        encoding: of its text.
    """

    compression: Literal["gzip"] | None
    encoding: str

    def raw(self, path: Path) -> bytes:
        """The whole file, unpacked."""
        with self.opened(path) as file:
            return file.read()

    def opened(self, path: Path) -> AbstractContextManager[IO[bytes]]:
        """Its bytes, unpacked as far as a whole table goes."""
        return unpacking.unpacked(path, ".gz") if self.compression else path.open("rb")


def content_of(path: Path, encoding: str = "", told: str = "") -> Content:
    """What a file is, from its first bytes.

    Args:
        path: of a file that should be text.
        encoding: as the user says; empty: UTF-8, or what a byte order mark says.
        told: where the user can say an encoding, for messages (``in the column map``); empty: nowhere.

    Raises:
        UsageError: the encoding has a name that Python does not know.
        DataError: the file is empty, cut off, something other than text, or in another encoding than it should be.
    """
    packed = _head(path, packed=False)[:2] == b"\x1f\x8b"
    if packed:
        _check_size_told(path)
    head = _head(path, packed=packed)
    if not head:
        raise DataError(f"{path} is empty; {FETCH}")
    _refuse_other_kinds(path, head)
    content = Content("gzip" if packed else None, _encoding(path, head, encoding, told))
    if encoding and content.encoding == encoding:
        _check_said(path, content)
    return content


def read_text(path: Path) -> str:
    """The text of a file that is UTF-8, or says by a byte order mark what it is.

    Raises:
        DataError: it is no text, or in another encoding.
    """
    if not path.stat().st_size:
        return ""
    content = content_of(path)
    try:
        return content.raw(path).decode(content.encoding)
    except BROKEN as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception, told: str = "", packed: bool = False) -> DataError:
    """The sentence for a file that is cut off, no text, or in another encoding."""
    if isinstance(error, UnicodeDecodeError):
        raw = Content("gzip" if packed else None, "").raw(path)
        if b"\0" not in raw:
            return DataError(_foreign(path, raw, told))
    kind = "text" if path.suffix == ".txt" else "CSV"
    return DataError(f"{path} is not a whole {kind} file: {' '.join(str(error).split())}; {FETCH}")


def _head(path: Path, *, packed: bool) -> bytes:
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            return file.read(HEAD)
    except BROKEN as error:
        raise unreadable(path, error) from error


def _check_size_told(path: Path) -> None:
    """Gzip says at its end how long its last part was; more than that shows while it is read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 4))
        unpacked = int.from_bytes(file.read(), "little")
    unpacking.check_unpacked(path, unpacked)


def _refuse_other_kinds(path: Path, head: bytes) -> None:
    bare = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for begin, what, advice in KINDS:
        if bare.startswith(begin):
            raise DataError(f"{path} is {what}; {advice}")
    if bare.startswith(b"PK\x03\x04"):
        raise DataError(f"{path} is {_zipped(path)}")
    if head[257:262] == b"ustar":
        raise DataError(f"{path} is a tar archive; {UNPACK}")
    if bare[:1] == b"<":
        page = re.search(rb"<(!doctype\s+html|html|head|body|table)\b", bare[:4096], re.IGNORECASE)
        what = "a web page (HTML)" if page else "an XML file"
        raise DataError(f"{path} is {what}, such as a login page instead of a download; log in and {FETCH}")
    if re.match(rb'\{\s*["}]|\[\s*[\[{"\]]', bare):
        raise DataError(f"{path} is JSON; save it as CSV in UTF-8")


def _zipped(path: Path) -> str:
    try:
        names = zipfile.ZipFile(path).namelist()
    except (zipfile.BadZipFile, OSError):
        return f"a zip archive; {UNPACK}"
    if any(name.startswith(("xl/", "content.xml")) for name in names):
        ending = ".xlsx" if any(name.startswith("xl/") for name in names) else ".ods"
        return f"a spreadsheet ({ending}); {SPREADSHEET}"
    return f"a zip archive of {', '.join(names[:3])}; {UNPACK}"


def _encoding(path: Path, head: bytes, said: str, told: str) -> str:
    marked = next((name for mark, name in MARKS if head.startswith(mark)), "")
    if said:
        try:
            codecs.lookup(said)
        except LookupError:
            raise UsageError(f"unknown encoding '{said}' for {path}; such as cp1252, latin-1 or utf-16") from None
        # A mark is no letter of the first column's name, whoever else says which encoding it is.
        return marked or said
    if marked:
        return marked
    wide = _wide(head)
    if wide:
        say = f"set encoding: {wide} {told}, or " if told else ""
        raise DataError(f"{path} is text in {wide} without a byte order mark; {say}save it as CSV in UTF-8")
    return "utf-8"


def _wide(head: bytes) -> str:
    """UTF-16 by its zeros: every second byte of Latin text is one."""
    even, odd = head[0::2], head[1::2]
    if not odd:
        return ""
    shares = even.count(0) / len(even), odd.count(0) / len(odd)
    if max(shares) < 0.7 or min(shares) > 0.3:
        return ""
    return "utf-16-le" if shares[1] > shares[0] else "utf-16-be"


def _check_said(path: Path, content: Content) -> None:
    """The user's encoding fits: any bytes are text in a one-byte encoding, and UTF-8 would come out garbled."""
    try:
        raw = content.raw(path)
        raw.decode(content.encoding)
    except BROKEN as error:
        raise DataError(f"{path} is not text in {content.encoding}: {' '.join(str(error).split())}") from None
    if raw.isascii() or codecs.lookup(content.encoding).name.startswith("utf"):
        return
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return
    raise DataError(f"{path} is UTF-8, in {content.encoding} its letters would be others; leave out 'encoding'")


def _foreign(path: Path, raw: bytes, told: str) -> str:
    """Where a file stops being UTF-8, and how the place reads in the encoding that Windows writes."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        start = error.start
    line = raw[:start].count(b"\n") + 1
    word = re.split(rb"[,;\t\r\n\"]", raw[:start])[-1] + re.split(rb"[,;\t\r\n\"]", raw[start:])[0]
    shown = word.decode("cp1252", errors="replace")[:40]
    say = f"set encoding: cp1252 {told}, or " if told else ""
    return (
        f"{path} is not in UTF-8: line {line} reads '{shown}' in cp1252, which Excel on Windows writes; {say}save it "
        "as CSV in UTF-8"
    )
