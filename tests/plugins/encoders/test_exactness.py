"""Every reader gives what the publisher's own package gives: its preprocessing, its forward, its pooling."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from torch import Tensor

from ssl_bench.data.decode import DecodeOptions, decode

TOLERANCE = 1e-5


def rgb(grey: np.ndarray) -> Image.Image:
    return Image.fromarray(grey).convert("RGB")


def of_transformers(path: Path, grey: np.ndarray) -> Tensor:
    """The package's automatic classes, and the output its documentation takes."""
    import transformers as hf

    processor, model = hf.AutoImageProcessor.from_pretrained(path), hf.AutoModel.from_pretrained(path).eval()
    inputs = processor(images=rgb(grey), return_tensors="pt")
    kind = model.config.model_type
    if kind in ("clip", "siglip"):
        tower = model.vision_model(**inputs)
        return tower.pooler_output[0]
    found = model(**inputs)
    return found.pooler_output[0] if kind in ("swin", "beit") else found.last_hidden_state[0, 0]


def of_openclip(path: Path, grey: np.ndarray) -> Tensor:
    import open_clip

    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{path}")
    return model.eval().encode_image(preprocess(rgb(grey))[None])[0]


def of_xrv(path: Path, grey: np.ndarray) -> Tensor:
    import torchxrayvision as xrv

    model = torch.load(path, weights_only=False).eval()
    picture = xrv.datasets.normalize(grey.astype(np.float32), 255)[None]
    picture = xrv.datasets.XRayResizer(224)(xrv.datasets.XRayCenterCrop()(picture))
    found = torch.nn.functional.relu(model.features(torch.from_numpy(picture)[None].float()))
    return found.mean((2, 3))[0]


def of_timm(path: Path, grey: np.ndarray) -> Tensor:
    import timm

    model = timm.create_model(f"local-dir:{path}", pretrained=True, num_classes=0).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    return model(transform(rgb(grey))[None])[0]


def by_torchvision(grey: np.ndarray) -> Tensor:
    from torchvision.transforms import functional

    image = functional.center_crop(functional.resize(Image.fromarray(grey), 32), [32, 32])
    return (functional.to_tensor(image)[None] - 0.5) / 0.25


def of_torchscript(path: Path, grey: np.ndarray) -> Tensor:
    return torch.jit.load(str(path))(by_torchvision(grey))[0]


def of_onnx(path: Path, grey: np.ndarray) -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    return torch.from_numpy(session.run(None, {"images": by_torchvision(grey).numpy()})[0][0])


OFFICIAL = {"hf": of_transformers, "openclip": of_openclip, "xrv": of_xrv, "timm": of_timm,
            "torchscript": of_torchscript, "onnx": of_onnx}  # fmt: skip


@torch.inference_mode()
def test_the_embedding_is_the_publishers(
    name: str, tiny: Callable[[str], tuple[str, Path]], opened: Callable[..., Any], pictures: list[np.ndarray]
) -> None:
    reader, path = tiny(name)
    encoder = opened(reader, path)
    for grey in pictures:
        found = encoder(encoder.prepare(grey)[None], tokens=False).pooled[0]
        expected = OFFICIAL[reader](path, grey)
        assert found.shape == expected.shape == (encoder.dim,)
        assert float((found - expected).abs().max()) <= TOLERANCE * max(1.0, float(expected.abs().max()))
        assert float(found.std()) > 0  # the features are not constant


@torch.inference_mode()
@pytest.mark.parametrize("ending", ["png", "dcm"])
def test_deep_pictures_are_the_publishers_embedding_of_their_8_bit_grey(
    name: str, tiny: Callable[[str], tuple[str, Path]], opened: Callable[..., Any], pictures: list[np.ndarray],
    ending: str, tmp_path: Path,
) -> None:  # fmt: skip
    """16 bits become 8 by one rule of the suite, written out here, before the publisher's preprocessing."""
    reader, path = tiny(name)
    encoder, deep = opened(reader, path), pictures[0].astype(np.uint16) * 12 + 300
    file = tmp_path / f"film.{ending}"
    (save_png if ending == "png" else save_dicom)(deep, file)
    low, high = np.percentile(deep, (0.5, 99.5))
    grey = np.rint(np.clip((deep - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    read = decode(file, DecodeOptions(size=encoder.image_size, fit="whole"))
    found = encoder(encoder.prepare(read)[None], tokens=False).pooled[0]
    expected = OFFICIAL[reader](path, grey)
    assert float((found - expected).abs().max()) <= TOLERANCE * max(1.0, float(expected.abs().max()))


def save_png(values: np.ndarray, path: Path) -> None:
    Image.fromarray(values).save(path)


def save_dicom(values: np.ndarray, path: Path) -> None:
    """A film of 12 bits without a window."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    film = pydicom.Dataset()
    film.file_meta = meta
    film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    film.Rows, film.Columns = values.shape
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME2", 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
    film.PixelData = values.tobytes()
    film["PixelData"].VR = "OW"
    film.save_as(path, enforce_file_format=True)


@torch.inference_mode()
def test_what_is_stated_of_the_input_is_what_is_done(
    name: str, tiny: Callable[[str], tuple[str, Path]], opened: Callable[..., Any]
) -> None:
    """At the encoder's own size nothing is resized, so that the stated statistics must give the same input."""
    from ssl_bench.plugin.encoders import standard_input

    encoder = opened(*tiny(name))
    how = encoder.preprocessing
    side = how.resize or how.size
    grey = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    assert torch.allclose(standard_input(grey, how), encoder.prepare(grey), atol=2e-5 * max(1, abs(how.high)))
