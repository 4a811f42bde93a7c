"""A web server on this machine that serves a folder as ``python -m http.server`` does, and can fail as servers do."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Server(ThreadingHTTPServer):
    """Serves a folder.

    Attributes:
        got: paths of all requests for content.
        fails: status by path, instead of the file.
        cut: paths whose connection ends in the middle.
        login: user and password that are asked for, joined by ``:``.
        silent: tell neither sizes nor times.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.got, self.fails, self.cut = list[str](), dict[str, int](), set[str]()
        self.login, self.silent = "", False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def send_head(self) -> Any:
        path = self.path.partition("?")[0]
        wanted = f"Basic {b64encode(self.server.login.encode()).decode()}"
        if self.server.login and self.headers.get("Authorization") != wanted:
            return self.send_error(401)
        if path in self.server.fails:
            return self.send_error(self.server.fails[path])
        if self.command == "GET":
            self.server.got.append(self.path)
        return super().send_head()

    def send_header(self, keyword: str, value: str) -> None:
        if not (self.server.silent and keyword in ("Content-Length", "Last-Modified")):
            super().send_header(keyword, value)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content[: len(content) // 2] if self.path in self.server.cut else content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
