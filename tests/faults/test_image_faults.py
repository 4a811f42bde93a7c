"""Faults of image files: 1, 2, 13, 14 and 15."""

from __future__ import annotations

import shutil
import struct
import zlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

RANDOM = ("--method", "random")
"""Nothing is trained: the files are the subject."""

TEST_IMAGE = "00000005_000.png"


def spoil(bench: Any) -> None:
    """Three unreadable images, the first of them in the test split."""
    whole = (bench.root / "images" / TEST_IMAGE).read_bytes()
    (bench.root / "images" / TEST_IMAGE).write_bytes(whole[: len(whole) // 2])
    (bench.root / "images" / "00000006_000.png").write_bytes(b"")
    (bench.root / "images" / "00000007_000.png").write_text("<html>503 Service Unavailable</html>")


def record_of(bench: Any) -> Record:
    return RunDirectory(bench.out).read_record()


def test_fault_01_truncated_or_empty_image_is_an_error_that_names_it(bench: Any) -> None:
    spoil(bench)
    answer = bench.run(method=RANDOM)
    assert answer.code == 3
    sentence = bench.sentence(answer)
    assert sentence.startswith("3 of 120 images cannot be read: image ")
    for name in (TEST_IMAGE, "00000006_000.png", "00000007_000.png"):
        assert f"{name} cannot be read: " in sentence
    assert sentence.endswith("fix them, or leave them out with --set data.on_bad=quarantine")
    assert not bench.out.exists()


def test_fault_01_truncated_or_empty_images_beyond_twenty_are_counted(bench: Any) -> None:
    for number in range(25):
        bench.image(number).write_bytes(b"")
    sentence = bench.sentence(bench.run(method=RANDOM))
    assert sentence.count(".png cannot be read") == 20
    assert " and 5 more; fix them" in sentence


def test_fault_01_truncated_or_empty_images_in_quarantine_are_listed_and_counted(bench: Any) -> None:
    spoil(bench)
    quarantine = ("--on-bad", "quarantine", "--set", "data.bad_limit=0.03")
    answer = bench.run(*quarantine, method=RANDOM)
    assert answer.code == 0, answer.err
    record = record_of(bench)
    rejected = record.data.rejected
    assert sorted(rejected) == [TEST_IMAGE, "00000006_000.png", "00000007_000.png"]
    assert all("cannot be read" in reason for reason in rejected.values())
    note = next(note for note in record.notes if "left out" in note)
    assert note.startswith("3 of 120 images cannot be read and were left out (")
    assert "1 of test" in note
    assert TEST_IMAGE in note
    assert f"warning: {note}" in answer.err
    everybody = [row for row in record.metrics if (row.split, row.subgroup) == ("test", "all")]
    assert {row.n_images for row in everybody} == {23}  # of 24
    assert TEST_IMAGE not in pd.read_parquet(bench.out / "cohort.parquet")["image_id"].tolist()


def test_fault_01_truncated_or_empty_images_beyond_the_cap_are_an_error(bench: Any) -> None:
    spoil(bench)
    answer = bench.run("--on-bad", "quarantine", method=RANDOM)  # at most 1 % of 120
    assert answer.code == 3
    assert "3 of 120 images cannot be read, more than the 1.0% of data.bad_limit: " in bench.sentence(answer)
    assert not bench.out.exists()


def test_fault_01_a_split_whose_images_are_all_unreadable_is_an_error(bench: Any) -> None:
    for name in (bench.root / "test_list.txt").read_text().split():
        (bench.root / "images" / name).write_bytes(b"")
    answer = bench.run("--on-bad", "quarantine", "--set", "data.bad_limit=0.5", method=RANDOM)
    assert answer.code == 3
    assert bench.sentence(answer) == "every split needs images; 'nih14' has none in test"
    assert not bench.out.exists()


def test_fault_02_missing_image_files_are_told_before_anything_is_done(bench: Any) -> None:
    names = [bench.image(number).name for number in range(25)]
    for name in names:
        (bench.root / "images" / name).unlink()
    sentence = bench.refused(3)
    assert sentence.startswith(f"25 of 120 images are not below {bench.root}: images/{names[0]}, ")
    assert [name for name in names if name in sentence] == names[:20]
    assert " and 5 more; " in sentence  # then, where a folder beside it looks right, its name
    assert "; 25 do not exist: complete the download, or remove their rows" in sentence


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "a\tb.png"])
def test_fault_02_a_name_that_no_file_can_have_is_a_missing_image(bench: Any, name: str) -> None:
    for file in ("Data_Entry_2017_v2020.csv", "train_val_list.txt"):
        bench.lines("00000001_000.png", name, name=file)
    if "\t" in name:  # the list files are separated by white space
        assert "must be in train_val_list.txt or test_list.txt" in bench.refused(3)
    else:
        assert bench.refused(3).startswith("1 of 120 images are not below ")


def test_fault_13_path_traversal_is_refused(bench: Any) -> None:
    shutil.copy(bench.image(0), bench.root.parent / "secret.png")
    for name in ("Data_Entry_2017_v2020.csv", "train_val_list.txt"):
        bench.lines("00000001_000.png", "../../secret.png", name=name)
    assert bench.refused(3) == f"image paths must stay below {bench.root}; refused: images/../../secret.png"


def test_fault_13_a_symlink_out_of_the_root_is_refused(bench: Any) -> None:
    image, secret = bench.image(0), bench.root.parent / f"{bench.root.name}-secret.png"
    shutil.move(image, secret)
    image.symlink_to(secret)
    assert bench.refused(3).startswith(f"1 of 120 images are not below {bench.root}: images/{image.name}; ")


ABSOLUTE = """
from dataclasses import replace
from ssl_bench.results.rundir import RunDirectory
from ssl_bench import DatasetSpec, hookimpl

@hookimpl
def sslbench_components():
    return [DatasetSpec(name="absolute", target="sslbench_absolute:Absolute", features=("age", "sex"), summary="paths")]

class Absolute:
    def __init__(self, options):
        from sslbench_datasets.nih14 import Nih14
        self.inner = Nih14()
    def locate(self, root, cache):
        return root
    def read(self, root):
        cohort = self.inner.read(root)
        frame = cohort.frame.assign(image_path=[f"{root}/{path}" for path in cohort.frame["image_path"]])
        return replace(cohort, name="absolute", frame=frame)
"""


def test_fault_13_an_absolute_path_is_refused(bench: Any, plugin: Any) -> None:
    plugin("absolute", ABSOLUTE)
    sentence = bench.refused(3, data="absolute")
    assert sentence.startswith(f"image paths must stay below {bench.root}; refused: {bench.root}/images/00000001_000")
    assert sentence.endswith(" and 100 more")


def png(width: int, height: int) -> bytes:
    """A PNG whose header promises more than its few bytes hold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_fault_14_decompression_bomb_is_refused_by_its_header(bench: Any) -> None:
    bench.image(0).write_bytes(png(60_000, 60_000))
    answer = bench.run(method=RANDOM)
    assert answer.code == 3
    assert "00000001_000.png has 3600000000 pixels, the limit is 100000000; raise data.pixel_limit" in answer.err
    assert bench.sentence(answer)
    assert not bench.out.exists()


def test_fault_15_deep_coloured_and_palette_images_are_read(bench: Any) -> None:
    ramp = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (40, 1))
    grey = Image.fromarray(ramp)
    kinds = {
        "PNG 16": Image.fromarray(ramp.astype(np.uint16) * 200 + 4000),
        "PNG RGBA": grey.convert("RGBA"),
        "PNG P": grey.convert("P"),
        "JPEG CMYK": grey.convert("CMYK"),
    }
    for number, (kind, image) in enumerate(kinds.items()):
        image.save(bench.image(number), format=kind.split()[0])
    answer = bench.run(method=RANDOM)
    assert answer.code == 0, answer.err
    folder = next((bench.home / "cache" / "stores").iterdir())
    stored = np.load(folder / "images.npy")[: len(kinds)].astype(int)
    for kind, image in zip(kinds, stored, strict=True):
        assert (np.diff(image.mean(0)) >= -3).all(), kind  # dark on the left, bright on the right, nothing clipped
        assert len(np.unique(image)) > 30, kind


def test_fault_15_an_unreadable_kind_of_image_is_named(bench: Any) -> None:
    bench.image(0).write_bytes(bytes(400))
    bench.image(1).write_bytes(bytes(128) + b"DICM" + bytes(400))
    answer = bench.run(method=RANDOM)
    assert answer.code == 3
    assert f"image {bench.image(0)} cannot be read: cannot identify image file" in bench.sentence(answer)
    assert f"image {bench.image(1)} cannot be read: it is DICOM without " in bench.sentence(answer)
