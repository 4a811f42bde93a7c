"""Image files under other spellings, behind links, in part, or not there at all."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from ssl_bench.data.images import check_images, find_images
from ssl_bench.errors import DataError
from ssl_bench.plugin.cohort import Cohort

NAME = "M\u00fcller"
DECOMPOSED = unicodedata.normalize("NFD", NAME)


def make(root: Path, *paths: str) -> Cohort:
    frame = pd.DataFrame({"image_id": [f"{n}" for n in range(len(paths))], "image_path": paths})
    return Cohort("toy", root, frame, (), ())


def put(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("file", "path", "way"),
    [
        ("a/b.png", "a\\b.png", "with slashes for backslashes"),
        ("a/b.png", ".\\a\\b.png", "with slashes for backslashes"),
        (f"{NAME}/b.png", f"{DECOMPOSED}/b.png", "under another Unicode form of the name"),
        (f"a/{DECOMPOSED}.png", f"a/{NAME}.png", "under another Unicode form of the name"),
        ("a/b.PNG", "a/b.png", "under another case of the name"),
        ("a/b.jpg", "a/b.JPG", "under another case of the name"),
        ("Images/B.png", "images/b.png", "under another case of the name"),
        ("a/b.jpg", "a/b.png", "under another ending (.jpg for .png)"),
        ("a/b.JPEG", "a/b.png", "under another ending (.JPEG for .png)"),
        ("a/b.dcm", "a/b.dicom", "under another ending (.dcm for .dicom)"),
        ("a/IM1", "a/IM1.dcm", "under another ending (none for .dcm)"),
        ("a/b.png", "a/b", "under an ending that the table lacks"),
        ("a/1.2.840.dcm", "a/1.2.840", "under an ending that the table lacks"),
    ],
)
def test_another_spelling_is_read_and_counted(tmp_path: Path, file: str, path: str, way: str) -> None:
    found = find_images(make(put(tmp_path, file, "c.png"), path, "c.png"))
    assert found.frame["image_path"].tolist() == [file, "c.png"]
    assert found.counts == {f"images read {way}": 1}
    assert found.notes == ((f"1 images read {way}, so their pixels may be those of copies",) if "(" in way else ())
    assert found.frame["image_id"].tolist() == ["0", "1"]


def test_several_differences_at_once(tmp_path: Path) -> None:
    found = find_images(make(put(tmp_path, f"{NAME}/B.jpg"), f"{DECOMPOSED}\\b.png"))
    assert found.frame["image_path"].tolist() == [f"{NAME}/B.jpg"]
    assert len(found.counts) == 3


@pytest.mark.parametrize(
    ("files", "paths", "cause"),
    [
        (["a.jpg", "a.tif"], ["a.png"], r"1 may be one of several files \(a\.jpg and a\.tif\)"),
        (["B/a.png", "b/a.png"], ["\u0042\\x.png"], "1 do not exist, even with slashes for their backslashes"),
        (["a.jpg"], ["a.png", "A.png"], "2 would be the same file as another row"),
        (["a.jpg"], ["a.jpg", "a.png"], "1 would be the same file as another row"),
        (["a.dcm"], ["a.png"], r"1 have a DICOM file \(\.dcm\) instead of the picture"),
        (["a.png"], ["a.dcm"], "1 have a picture instead of the DICOM file"),
        (["a.png/x"], ["a.png"], "1 are folders, not files"),
        ([], ["a"], "1 do not exist, and their paths have no ending"),
        ([], ["a.png"], "1 do not exist: complete the download, .* or continue without them by --on-missing skip"),
        (["sub/x/a.png"], ["x/a.png"], "they are below .*/sub: give --root .*/sub; 1 do not exist"),
        (["../x/a.png"], ["x/a.png"], "they are below .*: give --root"),
        (["a.png"], ["x/a.png"], "without 'x/', which their paths begin with"),
        (["other/a.png"], ["x/a.png"], "files of these names are in .*/other: correct the paths"),
    ],
)
def test_the_cause_is_named(tmp_path: Path, files: list[str], paths: list[str], cause: str) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(DataError, match=rf"of {len(paths)} images are not below .*({cause})"):
        find_images(make(put(tmp_path / "root", *files), *paths))


@pytest.mark.parametrize("linked", ["file", "folder", "deep"])
def test_links_out_of_the_root_need_a_word(tmp_path: Path, linked: str) -> None:
    root, store = tmp_path / "root", put(tmp_path / "nas/store", "a/b.png")
    root.mkdir()
    if linked == "file":
        (root / "a").mkdir()
    place, target = {"file": ("a/b.png", "a/b.png"), "folder": ("a", "a"), "deep": ("a", "a")}[linked]
    (root / place).symlink_to(store / target)
    cohort = make(root, "a/b.png")
    with pytest.raises(DataError, match=rf"1 are links out of it \(into {store}/a\).*add --follow-links {store}/a"):
        find_images(cohort)
    with pytest.raises(DataError, match="1 are links"):
        find_images(cohort, [str(tmp_path / "elsewhere")], skip=True)
    for allowed in ([str(store)], ["any"], ["/x", str(store / "a")]):
        assert find_images(cohort, allowed) is cohort
        check_images(cohort, allowed)


def test_an_allowed_folder_is_no_way_out_of_it(tmp_path: Path) -> None:
    root, store, secret = tmp_path / "root", put(tmp_path / "store", "b.png"), put(tmp_path / "secret", "c.png")
    root.mkdir()
    (root / "a").symlink_to(store)
    (store / "c.png").symlink_to(secret / "c.png")
    with pytest.raises(DataError, match=r"1 of 2 images are not below .*: a/c\.png; 1 are links out of it"):
        find_images(make(root, "a/b.png", "a/c.png"), [str(store)])


def test_links_that_lead_nowhere_and_links_that_became_text(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    put(tmp_path, "store/a/b.png")
    (tmp_path / "root/a").symlink_to(tmp_path / "gone/a")
    with pytest.raises(DataError, match="1 are broken links"):
        find_images(make(tmp_path / "root", "a/b.png"), ["any"])
    (tmp_path / "root/a").unlink()
    (tmp_path / "root/a").write_text("../store/a")
    with pytest.raises(DataError, match=r"a is a text file that holds '\.\./store/a', a symbolic link that was lost"):
        find_images(make(tmp_path / "root", "a/b.png"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folders_that_may_not_be_read(tmp_path: Path) -> None:
    put(tmp_path, "a/b.png")
    (tmp_path / "a").chmod(0)
    try:
        with pytest.raises(DataError, match="1 may not be read"):
            find_images(make(tmp_path, "a/b.png"))
    finally:
        (tmp_path / "a").chmod(0o700)


def test_a_part_of_a_download_is_taken_on_request(tmp_path: Path) -> None:
    cohort = make(put(tmp_path, "a.png", "c.png"), "a.png", "b.png", "c.png")
    with pytest.raises(DataError, match="1 of 3 images are not below"):
        find_images(cohort)
    found = find_images(cohort, skip=True)
    assert found.frame["image_id"].tolist() == ["0", "2"]
    assert list(found.frame.index) == [0, 1]
    assert found.counts == {"missing images, left out": 1}
    assert found.notes == ("1 of 3 images are missing and were left out (data.on_missing is skip)",)
    with pytest.raises(DataError, match="2 of 2 images are not below"):
        find_images(make(tmp_path, "x.png", "y.png"), skip=True)
