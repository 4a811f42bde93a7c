"""What the operating system refuses, as one sentence: what happened, where, and what to do."""

from __future__ import annotations

import errno
import os

FULL = ("the disk is full", "what was finished is kept; free some space and repeat the command (a run with --resume)")
DENIED = ("permission denied", "change its permissions or choose another place")
MANY = ("too many files are open", "raise the limit (ulimit -n) or close other programs")
LOST = ("its file system reports an input/output error", "check the disk, then repeat the command (a run with "
        "--resume)")  # fmt: skip
TAKEN = ("something is there already", "choose another place, or move what is there")
NETWORK = ("the network does not answer", "check the connection and repeat the command")

KNOWN: dict[int, tuple[str, str]] = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: ("the file would be larger than is allowed here", "raise the limit (ulimit -f), or choose a file "
                  "system for large files"),
    errno.EROFS: ("this place can only be read", "choose one that can be written"),
    errno.ENAMETOOLONG: ("a name in this path is too long", "choose a shorter one"),
    errno.ENOTDIR: ("a file is where a folder is expected", "give a folder, or move the file"),
    errno.EISDIR: ("a folder is where a file is expected", "give a file, or move the folder"),
    errno.ENOENT: ("it does not exist, or no longer does", "check whether it was moved, renamed or removed"),
    errno.EEXIST: TAKEN,
    errno.ENOTEMPTY: TAKEN,
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.EMFILE: MANY,
    errno.ENFILE: MANY,
    errno.ENOMEM: ("memory is exhausted", "close other programs, or request less"),
    errno.ELOOP: ("its symbolic links form a loop", "fix the links"),
    errno.EXDEV: ("it cannot be moved to another file system", "choose a place on the same one"),
    errno.ETXTBSY: ("another program uses it", "wait for that program"),
    errno.EBUSY: ("another program uses it", "wait for that program"),
    errno.EIO: LOST,
    errno.ESTALE: LOST,
    errno.ENXIO: LOST,
    errno.ENODEV: LOST,
    errno.ECONNREFUSED: NETWORK,
    errno.ECONNRESET: NETWORK,
    errno.ENETUNREACH: NETWORK,
    errno.EHOSTUNREACH: NETWORK,
    errno.ETIMEDOUT: NETWORK,
}  # fmt: skip
"""By errno: what happened, and what to do."""

OTHERWISE = "check the place it names and repeat the command (a run with --resume)"


def sentence(error: OSError) -> str:
    """One lowercase sentence with the path, where the system told it."""
    places = [os.fsdecode(place) for place in (error.filename, error.filename2) if isinstance(place, (str, bytes))]
    place = " -> ".join(places)
    told = " ".join((error.strerror or str(error) or type(error).__name__).split())
    happened, remedy = KNOWN.get(error.errno or 0, (told.lower(), OTHERWISE))
    return f"{happened} ({place or told}); {remedy}"
