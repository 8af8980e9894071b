"""DICOM made here, read back against the formulas of the standard."""

from __future__ import annotations

import logging
import struct
import time
import tracemalloc
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    HTJ2K,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from medclip_search.errors import ImageError
from medclip_search.images import DicomFacts, count_frames, dicom_facts, read_image

Array = NDArray[Any]
PACKAGE = Path(pydicom.__file__).parent
PYDICOM_FILES = PACKAGE / "data" / "test_files"
RAMP: Array = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def dicom(pixels: Array, syntax: str = ExplicitVRLittleEndian, /, **elements: Any) -> bytes:
    """A DICOM file; ``pixels`` of shape (H, W), or (H, W, 3), frames first where there are any."""
    dataset = Dataset()
    colour = pixels.shape[-1] == 3
    height, width = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    dataset.Rows, dataset.Columns = height, width
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    if colour:
        dataset.PlanarConfiguration = 0
    swapped = pixels.astype(pixels.dtype.newbyteorder(">"))
    stored = swapped if syntax == ExplicitVRBigEndian else pixels
    dataset.add_new("PixelData", "OW", stored.tobytes())
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def shown(content: bytes, frame: int | None = None) -> Array:
    return np.asarray(read_image(content, frame=frame))


def item(**elements: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def lookup_table(descriptor: list[int], entries: list[int], **elements: Any) -> Dataset:
    dataset = item(**elements)
    dataset.add_new("LUTDescriptor", "US", descriptor)
    dataset.add_new("LUTData", "US", entries)
    return dataset


def linear(x: Array, centre: float, width: float) -> Array:
    """PS3.3 C.11.2.1.2.1, onto 0 to 255."""
    return np.clip((x - (centre - 0.5)) / (width - 1) + 0.5, 0, 1) * 255


def close(image: Array, expected: Array) -> bool:
    return image.shape == expected.shape and bool(np.abs(image - expected).max() <= 0.51)


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_window_in_every_plain_transfer_syntax(syntax: UID) -> None:
    content = dicom(RAMP, syntax, BitsStored=12, HighBit=11, WindowCenter=2000, WindowWidth=1500)
    assert close(shown(content), linear(RAMP, 2000, 1500))


def test_window_functions() -> None:
    window = {"WindowCenter": 2000, "WindowWidth": 1000}
    exact = np.clip((RAMP - 2000.0) / 1000 + 0.5, 0, 1) * 255  # C.11.2.1.3.2
    sigmoid = 255 / (1 + np.exp(-4 * (RAMP - 2000.0) / 1000))  # C.11.2.1.3.1
    assert close(shown(dicom(RAMP, VOILUTFunction="LINEAR", **window)), linear(RAMP, 2000, 1000))
    assert close(shown(dicom(RAMP, VOILUTFunction="LINEAR_EXACT", **window)), exact)
    assert close(shown(dicom(RAMP, VOILUTFunction="SIGMOID", **window)), sigmoid)


def test_the_first_of_several_windows_counts() -> None:
    content = dicom(RAMP, WindowCenter=[300, 2000], WindowWidth=[200, 1500])
    assert close(shown(content), linear(RAMP, 300, 200))


@pytest.mark.parametrize(("slope", "intercept"), [(2.5, -1024.0), (-1.0, 4095.0), (0.001, 0.0)])
def test_rescale_comes_before_the_window(slope: float, intercept: float) -> None:
    values = RAMP * slope + intercept
    centre, width = float(values.mean()), max(float(np.ptp(values)) / 2, 1.5)
    content = dicom(
        RAMP,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
        WindowCenter=round(centre, 4),
        WindowWidth=round(width, 4),
    )
    assert close(shown(content), linear(values, round(centre, 4), round(width, 4)))


def test_signed_values() -> None:
    values = (RAMP.astype(np.int16) - 2048).astype(np.int16)
    assert close(shown(dicom(values, WindowCenter=40, WindowWidth=400)), linear(values, 40, 400))


def test_monochrome1_is_inverted() -> None:
    window = {"WindowCenter": 2000, "WindowWidth": 1500}
    plain = shown(dicom(RAMP, **window))
    inverted = shown(dicom(RAMP, PhotometricInterpretation="MONOCHROME1", **window))
    assert (inverted == 255 - plain).all()
    assert shown(dicom(RAMP, PhotometricInterpretation="MONOCHROME1"))[0, 0] == 255


def test_without_a_window_the_percentiles_make_one() -> None:
    values = RAMP.copy()
    values[0, 0] = 65535
    assert np.median(shown(dicom(values))) == pytest.approx(127, abs=2)


def test_without_a_window_eight_bits_stay_as_they_are() -> None:
    values = np.arange(40, 140, dtype=np.uint8).reshape(10, 10)
    assert (shown(dicom(values)) == values).all()
    signed = np.arange(-128, 128, dtype=np.int16).astype(np.int8).reshape(16, 16)
    assert (shown(dicom(signed)) == np.arange(256).reshape(16, 16)).all()


@pytest.mark.parametrize(
    "window",
    [
        {"WindowCenter": 0, "WindowWidth": 0},
        {"WindowCenter": 1_000_000, "WindowWidth": 10},
        {"WindowCenter": 40},
    ],
)
def test_a_window_that_shows_nothing_is_not_used(window: dict[str, int]) -> None:
    assert (shown(dicom(RAMP, **window)) == shown(dicom(RAMP))).all()


def test_voi_lut_sequence() -> None:
    table = (np.arange(100) ** 2 % 256).astype(int).tolist()
    lut = lookup_table([100, 1000, 8], table)
    content = dicom(RAMP, VOILUTSequence=[lut], WindowCenter=1, WindowWidth=2)
    expected = np.array(table, np.float64)[np.clip(RAMP.astype(int) - 1000, 0, 99)]
    span = expected.max() - expected.min()
    assert close(shown(content), (expected - expected.min()) / span * 255)


def test_modality_lut_sequence() -> None:
    table = list(range(8000, 0, -2))
    lut = lookup_table([4000, 50, 16], table, ModalityLUTType="US")
    content = dicom(RAMP, ModalityLUTSequence=[lut], WindowCenter=4000, WindowWidth=5000)
    values = np.array(table, np.float64)[np.clip(RAMP.astype(int) - 50, 0, 3999)]
    assert close(shown(content), linear(values, 4000, 5000))


def test_padding_is_black_and_does_not_widen_the_window() -> None:
    values = (RAMP % 1000 + 500).astype(np.int16)
    unpadded = shown(dicom(values[10:]))
    values[:10] = -2000
    content = dicom(values, PixelPaddingValue=-2000)
    assert (shown(content)[:10] == 0).all()
    assert np.abs(shown(content)[10:] - 1.0 * unpadded).max() <= 1
    inverted = shown(
        dicom(
            values,
            PixelPaddingValue=-2000,
            PixelPaddingRangeLimit=-1500,
            PhotometricInterpretation="MONOCHROME1",
        )
    )
    assert (inverted[:10] == 0).all()
    assert np.abs(inverted[10:] - (255.0 - unpadded)).max() <= 1


def test_frames_are_chosen_and_take_their_own_window() -> None:
    frames = np.stack([RAMP, RAMP[::-1], RAMP.T])
    shared = item(PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=-100)])
    own = [
        item(FrameVOILUTSequence=[item(WindowCenter=centre, WindowWidth=900)])
        for centre in (1000, 3000, 5000)
    ]
    content = dicom(
        frames,
        NumberOfFrames=3,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=own,
    )
    assert count_frames(content) == 3
    for index, centre in enumerate((1000, 3000, 5000)):
        assert close(shown(content, index), linear(frames[index] * 2.0 - 100, centre, 900))
    assert (shown(content) == shown(content, 0)).all()
    with pytest.raises(ImageError, match="has no frame 3; frames run from 0 to 2"):
        read_image(content, frame=3)
    with pytest.raises(ImageError, match="has no frame -1"):
        read_image(content, frame=-1)


def test_colours() -> None:
    colours = np.random.default_rng(5).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert (shown(dicom(colours)) == colours).all()

    planar = colours.transpose(2, 0, 1).tobytes() + b"\0"
    assert (shown(dicom(colours, PlanarConfiguration=1, PixelData=planar)) == colours).all()

    deep = colours.astype(np.uint16) * 257
    assert (shown(dicom(deep)) == colours).all()

    flat = np.broadcast_to(np.array([76, 85, 255], np.uint8), (4, 4, 3))  # red, by ITU-R BT.601
    red = shown(dicom(flat, PhotometricInterpretation="YBR_FULL"))
    assert np.abs(red - np.array([255.0, 0, 0])).max() <= 2


@pytest.mark.parametrize(("depth", "scale"), [(8, 1), (16, 257)])
def test_palette(depth: int, scale: int) -> None:
    indices = np.arange(64, dtype=np.uint8).reshape(8, 8)
    ramps = np.stack([np.arange(64) * 4, 255 - np.arange(64), np.full(64, 17)])
    tables = (ramps * scale).astype(f"<u{depth // 8}")
    names = ("Red", "Green", "Blue")
    elements: dict[str, Any] = {
        f"{name}PaletteColorLookupTableDescriptor": [64, 0, depth] for name in names
    }
    for name, table in zip(names, tables, strict=True):
        elements[f"{name}PaletteColorLookupTableData"] = table.tobytes()
    content = dicom(indices, PhotometricInterpretation="PALETTE COLOR", **elements)
    assert (shown(content) == ramps.T[indices]).all()


def test_without_preamble_and_meta_information() -> None:
    content = dicom(RAMP, WindowCenter=2000, WindowWidth=1500, ImageType=["ORIGINAL", "PRIMARY"])
    meta = struct.unpack_from("<I", content, 140)[0]
    bare = content[144 + meta :]
    assert not bare.startswith(b"\0")
    assert (shown(bare) == shown(content)).all()


def test_bombs_are_refused_by_their_header() -> None:
    huge = dicom(RAMP, Rows=65535, Columns=65535)

    stream = BytesIO()
    Image.new("L", (64, 64)).save(stream, "JPEG")
    size = struct.pack(">HH", 64, 64)
    jpeg = stream.getvalue().replace(size, struct.pack(">HH", 65000, 65000), 1)
    assert jpeg != stream.getvalue()
    liar = dicom(np.zeros((64, 64), np.uint8), JPEGBaseline8Bit, PixelData=encapsulate([jpeg]))

    plain = dicom(RAMP, DeflatedExplicitVRLittleEndian)
    meta = struct.unpack_from("<I", plain, 140)[0]
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    zeros = b"\0" * (1 << 20)
    deflated = b"".join(deflater.compress(zeros) for _ in range(500)) + deflater.flush()
    inflating = plain[: 144 + meta] + deflated

    for content, reason in ((huge, "megapixels"), (liar, "contradicts"), (inflating, "inflates")):
        tracemalloc.start()
        started = time.perf_counter()
        with pytest.raises(ImageError, match=reason):
            read_image(content)
        assert time.perf_counter() - started < 5
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
        tracemalloc.stop()


def test_what_cannot_be_shown_is_an_image_error() -> None:
    content = dicom(RAMP, WindowCenter=2000, WindowWidth=1500)
    report = dicom(RAMP)
    dataset = pydicom.dcmread(BytesIO(report))
    del dataset.PixelData
    buffer = BytesIO()
    dataset.save_as(buffer)
    for broken, reason in (
        (content[:-100], "damaged or cut short"),
        (content[:200], "without a picture"),
        (buffer.getvalue(), "without a picture"),
        (dicom(RAMP, HTJ2K, PixelData=encapsulate([b"junk"])), "cannot be decoded"),
        (dicom(RAMP, JPEGBaseline8Bit, PixelData=encapsulate([b"junk"])), "cannot be decoded"),
        ((PYDICOM_FILES / "rtstruct.dcm").read_bytes(), "picture"),
    ):
        with pytest.raises(ImageError, match=reason):
            read_image(broken)


def test_nothing_of_the_header_leaks(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "Roe^Jane^1970"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, while writing what is not allowed
        content = dicom(
            RAMP, PatientName=secret, PatientID=secret * 9, StudyDate=secret, NumberOfFrames=1
        )
    broken = content.replace(b"WindowCenter", b"").replace(b"MONOCHROME2 ", secret.encode()[:12])
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        assert read_image(content).mode == "L"
        for cut in (len(content) - 10, 700, 400, 300):
            with pytest.raises(ImageError) as caught:
                read_image(content[:cut])
            assert "Roe" not in str(caught.value)
        with pytest.raises(ImageError) as caught:
            read_image(broken, frame=4)
        assert "Roe" not in str(caught.value)
    assert not raised
    assert "Roe" not in caplog.text
    assert "Roe" not in "".join(capfd.readouterr())


def test_other_threads_and_callers_keep_their_warnings_and_logs() -> None:
    read_image(dicom(RAMP))
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("pydicom").addHandler(handler)
    try:
        logging.getLogger("pydicom").warning("mine too")
    finally:
        logging.getLogger("pydicom").removeHandler(handler)
    assert records == ["mine too"]


def test_facts_in_the_words_of_the_catalogue() -> None:
    content = dicom(RAMP, Modality="DX", BodyPartExamined="C SPINE")
    assert dicom_facts(content) == DicomFacts("XR", "spine")
    assert dicom_facts(dicom(RAMP, Modality="OT")) == DicomFacts(None, None)
    stream = BytesIO()
    Image.new("L", (4, 4)).save(stream, "PNG")
    assert dicom_facts(stream.getvalue()) is None
    with pytest.raises(ImageError):
        dicom_facts(b"nothing")


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("MR_small_expb.dcm", "MR_small.dcm"),
        ("rtdose_rle.dcm", "rtdose.dcm"),
        ("SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd.dcm"),
    ],
)
def test_every_transfer_syntax_shows_the_same_picture(packed: str, plain: str) -> None:
    for frame in range(count_frames(PYDICOM_FILES / plain)):
        one = read_image(PYDICOM_FILES / packed, frame=frame)
        other = read_image(PYDICOM_FILES / plain, frame=frame)
        assert (np.asarray(one) == np.asarray(other)).all()


def test_a_real_ct_window_agrees_with_pydicom() -> None:
    path = PYDICOM_FILES / "J2K_pixelrep_mismatch.dcm"
    stored = pixel_array(path).astype(np.float64)
    assert close(np.asarray(read_image(path)), linear(stored, 40, 100))
