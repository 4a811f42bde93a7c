"""A run to take away: whole, usable offline, and without what could name a patient."""

from __future__ import annotations

import errno
import json
import os
import re
import runpy
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import yaml
from PIL import Image

from ssl_bench.build.backbones import TimmCNN, TimmViT, build
from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.data.source import PixelStatistics
from ssl_bench.errors import DataError, UsageError
from ssl_bench.report.bundle import FILES, write_bundle
from ssl_bench.results.export import export_encoder
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

MakeRun = Callable[..., RunDirectory]
GREY = PixelStatistics(0.5, 0.25)


def encoder() -> TimmViT | TimmCNN:
    """The same small encoder at every call."""
    torch.manual_seed(0)
    return build(32, "vit_tiny_patch16_224", patch_size=8, embed_dim=32, depth=1, num_heads=2).eval()


@pytest.fixture
def run(make_run: MakeRun, tmp_path: Path) -> RunDirectory:
    """A finished run with an encoder, an image left out, and a folder of this machine in its configuration."""
    made = make_run(tmp_path / "run")
    torch.manual_seed(0)
    export_encoder(
        build(32, "vit_tiny_patch16_224", patch_size=8, embed_dim=32, depth=1, num_heads=2), GREY, made.encoder
    )
    record = json.loads(made.record.read_text())
    record["notes"].append("1 of 9 images cannot be read and were left out (1 of train): i999")
    record["config"]["data"]["root"] = "/home/somebody/cxr"
    record["config"]["backbone"]["init"] = "/home/somebody/weights"
    made.write_record(Record.model_validate(record))
    return made


def test_a_bundle_is_whole_and_names_no_image_and_no_folder(run: RunDirectory, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert write_bundle(run, out) == [out / name for name in FILES]
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == set(FILES)
    for name in ("README.md", "config.yaml", "record.json"):
        text = (out / name).read_text()
        assert "i999" not in text
        assert "somebody" not in text
    assert json.loads((out / "record.json").read_text())["data"]["rejected"] == {"images": 1}
    assert yaml.safe_load((out / "config.yaml").read_text())["seed"] == 0


def test_the_card_says_what_it_is_and_what_it_is_not_for(run: RunDirectory, tmp_path: Path) -> None:
    write_bundle(run, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    macro = next(row for row in run.read_record().metrics if row.label == "macro" and row.metric == "auroc")
    head = yaml.safe_load(card.split("---\n")[1])
    assert (head["license"], head["license_name"], head["library_name"]) == ("other", "not-chosen", "timm")
    for part in ("# msn-ehr with age, sex on tiny", "generated images", "Research only", f"{macro.value:.3f} [",
                 "sslbench 9.8.7", "one grey channel, 32 px, 32 features"):  # fmt: skip
        assert part in card, part


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("apache2", "unknown licence 'apache2'; did you mean 'apache-2.0'?"),
        ("cc-by", "unknown licence 'cc-by'; did you mean 'cc-by-"),
        ("my own terms", "unknown licence 'my own terms'; a licence is named as on the Hugging Face hub: apache-2.0,"),
    ],
)
def test_a_licence_that_the_hub_does_not_know_is_refused(
    run: RunDirectory, tmp_path: Path, given: str, said: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        write_bundle(run, tmp_path / "out", given)
    assert not (tmp_path / "out").exists()


def test_the_letters_of_a_licence_do_not_matter(run: RunDirectory, tmp_path: Path) -> None:
    write_bundle(run, tmp_path / "out", "CC-BY-4.0")
    assert "\nlicense: cc-by-4.0\n" in (tmp_path / "out" / "README.md").read_text()


def test_timm_opens_it_at_its_root_with_the_preprocessing(run: RunDirectory, tmp_path: Path) -> None:
    write_bundle(run, tmp_path / "out")
    opened = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval()
    how = timm.data.resolve_model_data_config(opened)
    assert how["input_size"] == (1, 32, 32)
    assert (how["mean"], how["std"], how["crop_pct"]) == ([GREY.mean], [GREY.std], 1.0)
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(opened(images), encoder()(images).pooled)


def test_the_head_of_the_card_is_one_that_the_hub_reads(run: RunDirectory, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    write_bundle(run, tmp_path / "out", "apache-2.0")
    data = hub.ModelCard.load(tmp_path / "out" / "README.md").data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "timm", "image-feature-extraction")
    macro = {row.metric: row.value for row in run.read_record().metrics
             if (row.label, row.encoder) == ("macro", "trained")}  # fmt: skip
    found = {result.metric_type: (result.dataset_name, result.metric_value) for result in data.eval_results}
    assert found == {"roc_auc": ("tiny", pytest.approx(macro["auroc"], abs=1e-4)),
                     "average_precision": ("tiny", pytest.approx(macro["auprc"], abs=1e-4))}  # fmt: skip


def test_a_licence_is_a_name(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="named as on the Hugging Face hub"):
        write_bundle(run, tmp_path / "out", "my: own\nterms")
    assert not (tmp_path / "out").exists()


def test_the_script_pads_where_the_run_padded(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = run.read_record()
    config = {**record.config, "data": {**record.config["data"], "fit": "pad"}}
    run.write_record(record.but(config=config))
    write_bundle(run, tmp_path / "out")
    pixels = np.random.default_rng(0).integers(0, 256, (33, 70), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "film.png")
    monkeypatch.setattr(sys, "argv", ["use.py", str(tmp_path / "film.png")])
    runpy.run_path(str(tmp_path / "out" / "use.py"))
    printed = [float(word) for word in capsys.readouterr().out.split()[1:]]
    expected = decode(tmp_path / "film.png", DecodeOptions(size=32, fit="pad"))
    with torch.no_grad():
        wanted = encoder()(((torch.from_numpy(expected.copy()).float() / 255 - GREY.mean) / GREY.std)[None, None])
    np.testing.assert_allclose(printed, wanted.pooled[0], atol=1e-4)


def test_the_script_embeds_an_image_as_the_encoder_does(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bundle(run, tmp_path / "out")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "film.png")
    monkeypatch.setattr(sys, "argv", ["use.py", str(tmp_path / "film.png")])
    runpy.run_path(str(tmp_path / "out" / "use.py"))
    printed = [float(word) for word in capsys.readouterr().out.split()[1:]]
    image = (torch.from_numpy(pixels).float() / 255 - GREY.mean) / GREY.std
    with torch.no_grad():
        expected = encoder()(image[None, None]).pooled[0]
    np.testing.assert_allclose(printed, expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["grey", "alpha", "colour"])
def test_the_script_scales_more_than_8_bits_as_the_suite_does(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    write_bundle(run, tmp_path / "out")
    rng = np.random.default_rng(1)
    deep, path = rng.integers(900, 4096, (32, 32)).astype(np.uint16), tmp_path / "deep.png"
    if kind == "grey":
        Image.fromarray(deep).save(path)
    else:
        bands = [deep, np.full_like(deep, 65535)] if kind == "alpha" else [deep, deep // 2, deep // 3]
        path.write_bytes(png16(np.stack(bands, axis=-1)))
    monkeypatch.setattr(sys, "argv", ["use.py", str(path)])
    runpy.run_path(str(tmp_path / "out" / "use.py"))
    printed = [float(word) for word in capsys.readouterr().out.split()[1:]]
    pixels = decode(path, DecodeOptions(size=32, fit="whole"))
    assert pixels.std() > 30  # the suite's own scale, not clipped
    image = (torch.from_numpy(pixels.copy()).float() / 255 - GREY.mean) / GREY.std
    with torch.no_grad():
        expected = encoder()(image[None, None]).pooled[0]
    np.testing.assert_allclose(printed, expected, atol=1e-4)


def png16(values: np.ndarray) -> bytes:
    """A PNG (H, W, C) of 16 bits, which Pillow does not write: grey with alpha or colour (PNG 1.2, 4.1.1)."""
    height, width, bands = values.shape
    kind = {2: 4, 3: 2}[bands]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0),
        b"IDAT": zlib.compress(lines),
        b"IEND": b"",
    }
    chunks = (struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
              for name, body in parts.items())  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_a_folder_that_holds_something_is_refused(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(UsageError, match="is not empty; give a new folder"):
        write_bundle(run, tmp_path / "out")


def test_a_damaged_encoder_is_not_given_away(run: RunDirectory, tmp_path: Path) -> None:
    weights = run.encoder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(DataError, match="differs from the hash beside it"):
        write_bundle(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    weights.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        write_bundle(run, tmp_path / "out")


@pytest.mark.parametrize("name", ["README.md", "use.py", "config.yaml", "record.json"])
def test_fault_18_a_bundle_is_there_as_a_whole_or_not_at_all(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name == Path(name).name:
            raise OSError(errno.ENOSPC, "No space left on device", str(source))
        before(source, target)

    monkeypatch.setattr("ssl_bench.files.os.replace", full)
    with pytest.raises(OSError, match="No space left") as raised:
        write_bundle(run, tmp_path / "shared" / "out")
    assert raised.value.filename == str(tmp_path / "shared" / "out" / name)
    assert not os.listdir(tmp_path / "shared")


def test_names_in_a_model_card_are_text_and_nothing_else(run: RunDirectory, tmp_path: Path) -> None:
    record = json.loads(run.record.read_text())
    record["data"]["name"] = "toy\n\n# Cured\x1b[2J <script>x</script> [here](https://x.example) `rm`"
    run.write_record(Record.model_validate(record))
    write_bundle(run, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "\n# Cured" not in card
    assert "\x1b" not in card
    assert "<script" not in card
    assert "](https://x.example)" not in card
    assert "[here]\\(https://x.example) \\`rm\\`" in card
