"""One compressed frame to its stored values; as a program, the same for frames from a pipe.

GDCM aborts its whole process over some damaged files, and no ``except`` catches that. So it
runs in a process of its own (see ``gdcm_process``), which imports this file and nothing else
of the package. A request is eight bytes of length and a pickle of ``decode_frame``'s first
three arguments; the answer is eight bytes of length and an ``.npy`` file, empty for failure.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

LENGTH = 8
"""Bytes of a length in the pipe, little-endian."""


def decode_frame(
    frame: bytes, syntax: str, elements: Mapping[str, Any], plugin: str
) -> NDArray[Any]:
    """A codestream's stored values, (H, W) or (H, W, 3: RGB), by a plugin of pydicom's.

    ``elements`` are those of the Image Pixel module (PS3.3 C.7.6.3) but for Pixel Data.
    """
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = encapsulate([frame], has_bot=False)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    return pixel_array(dataset, index=0, decoding_plugin=plugin)


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    while length := requests.read(LENGTH):
        frame, syntax, elements = pickle.loads(requests.read(int.from_bytes(length, "little")))
        buffer = BytesIO()
        try:
            np.save(buffer, decode_frame(frame, syntax, elements, "gdcm"), allow_pickle=False)
        except Exception:
            buffer = BytesIO()
        answers.write(buffer.getbuffer().nbytes.to_bytes(LENGTH, "little"))
        answers.write(buffer.getbuffer())
        answers.flush()


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what codecs print must not enter the pipe
    _serve(sys.stdin.buffer, pipe)
