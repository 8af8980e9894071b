"""Small DICOM files, made to measure, and what is read of a folder of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from medclip_search.cases import Case
from medclip_search.corpora import CorpusSpec, Skipped, open_corpus

AXIAL = [1, 0, 0, 0, 1, 0]
CORONAL = [1, 0, 0, 0, 0, -1]
SAGITTAL = [0, 1, 0, 0, 0, -1]
CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


def item(**elements: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def picture(series: str | None, uid: str | None, **elements: Any) -> Dataset:
    """An image of random noise, or so many as ``NumberOfFrames``, of a series.

    ``size`` is its height and width.
    """
    size = elements.pop("size", 8)
    defaults = {
        "SOPClassUID": CT_STORAGE,
        "Modality": "CT",
        "Rows": size,
        "Columns": size,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
    }
    dataset = item(**(defaults | elements))
    if series is not None:
        dataset.SeriesInstanceUID = series
    if uid is not None:
        dataset.SOPInstanceUID = uid
    values = size * size * int(elements.get("NumberOfFrames", 1))
    noise = np.random.default_rng(list((uid or "").encode())).integers(0, 4096, values, np.uint16)
    dataset.add_new("PixelData", "OW", noise.tobytes())
    return dataset


def write(path: Path, dataset: Dataset) -> Path:
    """A file of Part 10."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = UID(dataset.get("SOPClassUID") or CT_STORAGE)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(dataset.get("SOPInstanceUID") or "1.2.3")
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(folder: Path, series: str, positions: list[float], **elements: Any) -> None:
    """Axial slices at these positions, files numbered in the order given."""
    for i, position in enumerate(positions):
        place = {"ImageOrientationPatient": AXIAL, "ImagePositionPatient": [0, 0, position]}
        write(folder / f"{i:03}", picture(series, f"{series}.{i + 1}", **{**place, **elements}))


def read(folder: Path, frames: int = 1) -> tuple[list[Case], list[Skipped]]:
    items = list(open_corpus(CorpusSpec("dicom", folder, "mine", frames=frames)))
    assert all("\n" not in str(one) for one in items if isinstance(one, Skipped))
    return (
        [one for one in items if isinstance(one, Case)],
        [one for one in items if isinstance(one, Skipped)],
    )


def shown(folder: Path, frames: int = 1) -> list[str]:
    """The files that are shown, with their frames, from the folder."""
    return [
        str(case.image).removeprefix(f"{folder}/") for case in read(folder, frames)[0] if case.image
    ]


def named(uid: str, kind: str = "series") -> str:
    return f"{kind}-{hashlib.sha256(uid.encode()).hexdigest()[:16]}"
