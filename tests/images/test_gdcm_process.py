"""GDCM's crashes stay in GDCM's process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array

from medclip_search.images.gdcm_process import decode_apart

PATH = Path(pydicom.__file__).parent / "data" / "test_files" / "MR_small_jpeg_ls_lossless.dcm"
KEYWORDS = [
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "HighBit",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "Rows",
    "SamplesPerPixel",
]


def test_a_crash_costs_one_frame_and_the_next_is_decoded() -> None:
    pytest.importorskip("gdcm")
    dataset = pydicom.dcmread(PATH)
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    elements = {keyword: dataset[keyword].value for keyword in KEYWORDS}
    for _ in range(2):
        assert decode_apart(frame, syntax, elements | {"Rows": 640}) is None  # GDCM aborts
        pixels = decode_apart(frame, syntax, elements)
        assert pixels is not None
        assert (pixels == pixel_array(dataset)).all()


def test_a_forked_process_has_workers_of_its_own() -> None:
    program = f"""
import os
from medclip_search.images import read_image
first = read_image({str(PATH)!r}).tobytes()
children = []
for _ in range(3):
    if not (child := os.fork()):
        same = all(read_image({str(PATH)!r}).tobytes() == first for _ in range(5))
        os._exit(0 if same else 1)
    children.append(child)
assert all(read_image({str(PATH)!r}).tobytes() == first for _ in range(5))
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=100)
