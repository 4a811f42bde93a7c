"""Addresses of files elsewhere, and what no record may hold of them."""

from __future__ import annotations

import sys

import pytest

from ssl_bench.errors import DataError
from ssl_bench.urls import KEPT, hidden, hide_arguments, is_url, plain, set_aside, whole


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("s3://bucket/folder", "s3://bucket/folder"),
        ("s3://key:se/cret@bucket/folder", "s3://bucket/folder"),
        ("https://user:secret@host:8080/a@b/c", "https://host:8080/a@b/c"),
        ("https://secret@host/x", "https://host/x"),
        ("https://user:se@cret@host/x", "https://host/x"),
        ("https://user:12secret@host/x", "https://host/x"),
        ("HTTPS://host/x.csv?X-Amz-Signature=secret&a=1", "HTTPS://host/x.csv"),
        ("https://host/x.csv#secret", "https://host/x.csv"),
        ("https://host:80/a:b@c", "https://host:80/a:b@c"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("sftp://user:secret@host/x", "sftp://host/x"),
        ("abfs://container@account.dfs.core.windows.net/x", "abfs://container@account.dfs.core.windows.net/x"),
        ("github://org:repo@main/x", "github://org:repo@main/x"),
        ("memory://data/a?b", "memory://data/a?b"),
    ],
)
def test_secrets_of_an_address_are_set_aside(address: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEPT, raising=False)
    assert plain(address) == set_aside(address) == told
    assert plain(told) == told
    assert whole(told) == address
    assert hidden(f"found '{address}', or a={address},b={address}; see") == f"found '{told}', or a={told},b=" + (
        f"{told}; see" if "?" not in address and "#" not in address else hidden(f"{address}; see")
    )


@pytest.mark.parametrize("path", ["/data/x", "data", "C:/data", "C://data", "a:b", "//host/x", "", ":/x", "x/s3://y"])
def test_a_path_is_no_address(path: str) -> None:
    assert not is_url(path)
    assert not is_url(None)


def test_no_error_and_no_argument_holds_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEPT, raising=False)
    assert str(DataError("nothing at https://u:secret@host/x?sig=secret")) == "nothing at https://host/x"
    given = ["sslbench", "run", "--root", "https://u:secret@h/x", "--data=a=s3://k:secret@b/c", "--preset", "smoke"]
    monkeypatch.setattr(sys, "argv", given)
    hide_arguments()
    assert sys.argv == ["sslbench", "run", "--root", "https://h/x", "--data=a=s3://b/c", "--preset", "smoke"]
    assert whole("s3://b/c") == "s3://k:secret@b/c"
