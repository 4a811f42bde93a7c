"""Addresses of files elsewhere (``s3://bucket/folder``), and what of them no record may hold. Nothing heavy.

A password or a signed query in an address opens the data to whoever reads a record, a log or a message. It is therefore
set aside as soon as a configuration is read: the configuration holds the address without it. The whole address stays
with the process and those that it starts, in a variable of their environment.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TypeGuard

BEGINS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
INSIDE = re.compile(BEGINS.pattern + r"(?:(?!,[^,=\s]*=\w+://)[^\s'\"<>])+")
"""An address in a text; a list of ``NAME=ADDRESS`` has several."""

WEB = ("http", "https", "ftp", "ftps", "webdav")
"""Schemes whose addresses may hold a user alone, which is a token, and a query, which may be signed."""

REFERENCES = ("git", "github")
"""Schemes that write what is no password before an ``@``."""

HOST = re.compile(r"(\[[^\]]*\]|[^@/?#:]+)(:\d*)?(?=[/?#]|$)")
KEPT = "SSLBENCH_ADDRESSES"
"""Variable with the whole addresses of those that were set aside."""


def is_url(text: object) -> TypeGuard[str]:
    """Whether a text is the address of something elsewhere; a path is none, and ``C:/`` neither."""
    return isinstance(text, str) and BEGINS.match(text) is not None


def plain(address: str) -> str:
    """An address without user, password and query."""
    scheme, _, rest = address.partition("://")
    web = scheme.lower() in WEB
    if scheme.lower() not in REFERENCES and not HOST.match(rest):
        user = re.match(r"[^/?#]*:[^/?#]*@|[^@/?#:]*:[^@]*@" + (r"|[^/?#]*@" if web else ""), rest)
        rest = rest[user.end() :] if user else rest
    return f"{scheme}://{re.split('[?#]', rest, maxsplit=1)[0] if web else rest}"


def hidden(text: str) -> str:
    """A text with all its addresses plain."""
    return INSIDE.sub(lambda found: plain(found[0]), text) if "://" in text else text


def set_aside(address: str) -> str:
    """The plain address; what is secret in it is kept for :func:`whole`."""
    told = plain(address)
    if told != address:
        os.environ[KEPT] = json.dumps({**_kept(), told: address})
    return told


def whole(address: str) -> str:
    """The address as it was given, where it was set aside by this process or by the one that started it."""
    return _kept().get(address, address)


def _kept() -> dict[str, str]:
    return dict(json.loads(os.environ.get(KEPT, "{}")))


def hide_arguments() -> None:
    """Leave no secret among the arguments of this process, which loggers note."""
    sys.argv[1:] = [INSIDE.sub(lambda found: set_aside(found[0]), text) for text in sys.argv[1:]]
