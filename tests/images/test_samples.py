"""What deep pictures measured, against pydicom's own reading and the arrays they were made of."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.pixels.processing import apply_modality_lut, apply_rescale

from medclip_search.errors import ImageError
from medclip_search.images import read_image
from medclip_search.images.samples import Samples, is_deep, read_samples
from medclip_search.images.windowing import stretch
from tests.images.test_dicom import RAMP, dicom, item, lookup_table

Array = NDArray[Any]


def samples(content: bytes | Path, frame: int | None = None) -> Samples:
    found = read_samples(content, frame=frame)
    assert found is not None
    assert is_deep(content)
    return found


def shown(found: Samples) -> Array:
    """As a viewer shows them at first."""
    centre, width = found.window
    grey = stretch(found.values, centre - width / 2, centre + width / 2)
    grey = 255 - grey if found.inverted else grey
    if found.padding is not None:
        grey[(found.values >= found.padding[0]) & (found.values <= found.padding[1])] = 0
    return grey


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "693_J2KI.dcm", "JPEG-LL.dcm"])
def test_published_files_are_read_as_pydicom_reads_them(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    dataset = pydicom.dcmread(path)
    found = samples(path)
    assert np.array_equal(found.values, apply_modality_lut(dataset.pixel_array, dataset))
    assert found.unit == ("HU" if dataset.Modality == "CT" else "")


def test_ct_is_in_hounsfield_units_with_its_own_window() -> None:
    stored = (RAMP - 24).astype(np.int16)
    rescale: dict[str, Any] = {"RescaleSlope": 1, "RescaleIntercept": -1000, "Modality": "CT"}
    found = samples(dicom(stored, WindowCenter=[40, 300], WindowWidth=[400, 1500], **rescale))
    assert found.values.dtype == np.dtype("<i2")
    assert np.array_equal(found.values, RAMP.astype(int) - 1024)
    assert (found.window, found.unit, found.padding) == ((40, 400), "HU", None)
    other = samples(dicom(stored, RescaleType="US", **rescale))
    assert other.unit == ""  # unspecified
    assert samples(dicom(stored, Modality="CT")).unit == ""  # nothing says what it measures


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": 2000, "WindowWidth": 1500},
        {"WindowCenter": 9000, "WindowWidth": 10},  # beyond every value: as good as none
        {},
        {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 700, "WindowWidth": 900},
        {"RescaleSlope": -1, "RescaleIntercept": 4095, "WindowCenter": 700, "WindowWidth": 900},
        {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 63},
        {"PixelPaddingValue": 0, "RescaleSlope": "0.25", "RescaleIntercept": "0.5"},
        {
            "PhotometricInterpretation": "MONOCHROME1",
            "PixelPaddingValue": 0,
            "PixelPaddingRangeLimit": 100,
        },
    ],
)
def test_a_viewer_begins_with_what_the_figure_shows(elements: dict[str, Any]) -> None:
    """Up to one grey of 255: LINEAR and LINEAR_EXACT differ by half a value at either end."""
    content = dicom(RAMP, BitsStored=12, HighBit=11, **elements)
    figure = np.asarray(read_image(content)).astype(int)
    assert np.abs(shown(samples(content)).astype(int) - figure).max() <= 1


def test_a_lookup_table_gives_its_span_as_the_window() -> None:
    table = lookup_table([1000, 500, 16], list(range(0, 50000, 50)))
    found = samples(dicom(RAMP, VOILUTSequence=[table]))
    assert found.window == (1000, 1000)


def test_fractions_are_kept_and_whole_numbers_are_16_bit() -> None:
    kinds = []
    for slope, intercept in ((0.5, 0.25), (1, 40000), (1, -2000), (100, 0)):
        content = dicom(RAMP, RescaleSlope=slope, RescaleIntercept=intercept)
        found = samples(content)
        expected = apply_rescale(RAMP, pydicom.dcmread(io.BytesIO(content)))
        assert np.array_equal(found.values, expected)
        kinds.append(found.values.dtype.str)
    assert kinds == ["<f4", "<u2", "<i2", "<f4"]


def test_the_window_of_an_enhanced_frame_is_its_own() -> None:
    def of_frame(centre: float) -> pydicom.Dataset:
        voi = item(WindowCenter=centre, WindowWidth=100)
        rescale = item(RescaleSlope=2, RescaleIntercept=centre, RescaleType="HU")
        return item(FrameVOILUTSequence=[voi], PixelValueTransformationSequence=[rescale])

    frames = np.stack([RAMP, RAMP + 1])
    content = dicom(
        frames, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=[of_frame(50), of_frame(90)]
    )
    second = samples(content, 1)
    assert (second.window, second.unit) == ((90, 100), "HU")
    assert np.array_equal(second.values, (RAMP.astype(int) + 1) * 2 + 90)


def file_of(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_deep_rasters_keep_every_level(kind: str) -> None:
    deep = np.arange(60000, dtype=np.uint16).reshape(200, 300)
    content = file_of(Image.fromarray(deep), kind)
    found = samples(content)
    assert np.array_equal(found.values, deep)
    assert np.abs(shown(found).astype(int) - np.asarray(read_image(content))).max() <= 1


def test_a_deep_raster_is_turned_upright_and_inverted_as_its_file_says() -> None:
    deep = np.arange(600, dtype=np.uint16).reshape(20, 30)
    content = file_of(Image.fromarray(deep), "TIFF", tiffinfo={262: 0, 274: 6})
    found = samples(content)
    assert found.values.shape == (30, 20)
    assert found.inverted
    assert np.abs(shown(found).astype(int) - np.asarray(read_image(content))).max() <= 1


def test_eight_bits_and_colours_have_none() -> None:
    shallow = [
        file_of(Image.new("L", (20, 20), 9), "PNG"),
        file_of(Image.new("RGB", (20, 20)), "JPEG"),
        dicom(RAMP.astype(np.uint8)),
        dicom(np.zeros((8, 8, 3), np.uint8)),
    ]
    for content in shallow:
        assert read_samples(content) is None
        assert not is_deep(content)


def test_what_cannot_be_read_is_one_line_that_names_the_picture() -> None:
    for content in (
        b"",
        b"nothing",
        dicom(RAMP)[:-100],
        file_of(Image.fromarray(RAMP), "PNG")[:60],
    ):
        with pytest.raises(ImageError, match=r"^case 7: ") as caught:
            read_samples(content, name="case 7")
        assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match="megapixels"):
        read_samples(dicom(RAMP), max_pixels=1000)


def test_nothing_of_the_header_is_in_the_facts() -> None:
    content = dicom(
        RAMP, PatientName="Doe^Jane", PatientID="4711", WindowCenterWidthExplanation="JD"
    )
    facts = samples(content).facts()
    assert facts.keys() == {"window", "unit", "inverted", "padding"}
