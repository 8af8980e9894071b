"""Raster files of every format and mode, made by Pillow, read back against what went in."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from medclip_search.errors import ImageError
from medclip_search.images import MAX_PIXELS, count_frames, read_image

Array = NDArray[Any]
RNG = np.random.default_rng(7)
GREY: Array = RNG.integers(0, 256, (21, 34), dtype=np.uint8)
COLOUR: Array = RNG.integers(0, 256, (21, 34, 3), dtype=np.uint8)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(image: Image.Image) -> Array:
    return np.asarray(image)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_formats_give_back_their_pixels(kind: str, options: dict[str, object]) -> None:
    read = read_image(encode(Image.fromarray(COLOUR), kind, **options))
    assert read.mode == "RGB"
    assert (pixels(read) == COLOUR).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_grey_stays_grey(kind: str) -> None:
    read = read_image(encode(Image.fromarray(GREY), kind))
    assert (pixels(read.convert("L")) == GREY).all()


def test_jpeg_grey_colour_and_cmyk() -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    assert (
        np.abs(pixels(read_image(encode(Image.fromarray(smooth), "JPEG"))) - 1.0 * smooth).max() < 9
    )
    flat = Image.new("RGB", (16, 16), (200, 40, 90))
    for mode in ("RGB", "CMYK"):
        read = read_image(encode(flat.convert(mode), "JPEG", quality=95))
        assert read.mode == "RGB"
        assert np.abs(pixels(read)[8, 8] - np.array([200.0, 40, 90])).max() < 8


def test_palette_and_one_bit() -> None:
    palette = Image.fromarray(GREY % 4).convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9] + [0] * (252 * 3))
    expected = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8)[GREY % 4]
    for kind in ("PNG", "GIF", "BMP", "TIFF"):
        assert (pixels(read_image(encode(palette, kind))) == expected).all()
    bits = GREY > 127
    read = read_image(encode(Image.fromarray(bits), "PNG"))
    assert read.mode == "L"
    assert (pixels(read) == bits * 255).all()


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray((np.arange(60000, dtype=np.uint16) + 300).reshape(200, 300)),
        Image.fromarray((np.arange(60000, dtype=np.int32) * 40 - 9000).reshape(200, 300)),
        Image.fromarray((np.arange(60000, dtype=np.float32) / 7 - 100).reshape(200, 300)),
    ],
    ids=["I;16", "I", "F"],
)
def test_deep_pictures_are_windowed_between_their_percentiles(image: Image.Image) -> None:
    read = read_image(encode(image, "TIFF"))
    assert read.mode == "L"
    rank = np.arange(60000).reshape(200, 300) / 59999
    expected = np.clip((rank - 0.005) / 0.99, 0, 1) * 255
    assert np.abs(pixels(read) - expected).max() < 1


def test_a_hot_pixel_does_not_darken_a_deep_picture() -> None:
    deep = np.linspace(0, 1000, 10000).astype(np.uint16).reshape(100, 100)
    deep[50, 50] = 65535
    read = pixels(read_image(encode(Image.fromarray(deep), "PNG")))
    assert read[50, 50] == 255
    assert np.median(read) == pytest.approx(127, abs=2)


def test_a_deep_picture_of_two_levels_keeps_both() -> None:
    deep = np.zeros((100, 100), np.uint16)
    deep[3, 4] = 900
    read = pixels(read_image(encode(Image.fromarray(deep), "PNG")))
    assert (read[3, 4], read.sum()) == (255, 255)
    flat = np.full((5, 5), 700, np.uint16)
    assert not pixels(read_image(encode(Image.fromarray(flat), "PNG"))).any()


def test_deep_tiff_where_white_is_zero_is_inverted() -> None:
    deep = np.arange(10000, dtype=np.uint16).reshape(100, 100)
    black_is_zero = encode(Image.fromarray(deep), "TIFF")
    photometric = struct.pack("<HHI", 262, 3, 1)
    assert black_is_zero.count(photometric + b"\1") == 1
    white_is_zero = black_is_zero.replace(photometric + b"\1", photometric + b"\0")
    plain, inverted = pixels(read_image(black_is_zero)), pixels(read_image(white_is_zero))
    assert (inverted == 255 - plain).all()


ORIENTED: dict[int, Callable[[Array], Array]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_exif_orientation(kind: str, orientation: int) -> None:
    blocks = np.kron(RNG.integers(0, 256, (3, 5)), np.ones((16, 16))).astype(np.uint8)
    image = Image.fromarray(blocks)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    content = encode(image, kind, exif=exif, **options)
    read = pixels(read_image(content).convert("L"))
    expected = ORIENTED[orientation](blocks)
    assert read.shape == expected.shape
    assert np.abs(read - 1.0 * expected).mean() < 2


def test_dark_content_is_laid_on_white_and_bright_content_on_black() -> None:
    stroke = np.zeros((40, 40), np.uint8)
    stroke[18:22, 5:35] = 255
    for ink, background in (((10, 20, 30), 255), ((240, 230, 220), 0)):
        image = Image.new("RGBA", (40, 40), (*ink, 0))
        image.putalpha(Image.fromarray(stroke))
        for kind in ("PNG", "WEBP", "TIFF"):
            options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
            read = pixels(read_image(encode(image, kind, **options)))
            assert (read[0, 0] == background).all()
            assert (read[20, 20] == ink).all()


def test_grey_with_alpha_stays_grey_and_transparent_palette_entries_are_laid_out() -> None:
    image = Image.merge("LA", [Image.fromarray(GREY // 4), Image.fromarray(GREY)])
    read = read_image(encode(image, "PNG"))
    assert read.mode == "L"
    # Laid on white by the definition of "over": ink * alpha + white * (1 - alpha).
    expected = (GREY // 4) * (GREY / 255) + 255 * (1 - GREY / 255)
    assert np.abs(pixels(read) - expected).max() <= 1

    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 20, 20, 20] + [0] * (254 * 3))
    palette.paste(0, (0, 0, 4, 8))
    read = read_image(encode(palette, "PNG", transparency=0))
    assert (pixels(read)[0, 0] == 255).all()
    assert (pixels(read)[0, 7] == 20).all()


def test_an_alpha_channel_that_hides_everything_is_ignored() -> None:
    image = Image.fromarray(np.dstack([COLOUR, np.zeros((21, 34), np.uint8)]))
    assert (pixels(read_image(encode(image, "PNG"))) == COLOUR).all()


def test_frames_of_animations_and_pages_of_tiffs() -> None:
    shades = [Image.new("L", (9, 6), shade) for shade in (10, 120, 250)]
    for kind in ("GIF", "TIFF", "WEBP"):
        options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
        content = encode(shades[0], kind, save_all=True, append_images=shades[1:], **options)
        assert count_frames(content) == 3
        assert [
            pixels(read_image(content, frame=frame).convert("L"))[0, 0] for frame in (0, 1, 2)
        ] == [10, 120, 250]
        assert pixels(read_image(content).convert("L"))[0, 0] == 10
        with pytest.raises(ImageError, match="has no frame 3; frames run from 0 to 2"):
            read_image(content, frame=3)
    assert count_frames(encode(shades[0], "PNG")) == 1


def test_kind_is_found_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "scan.dcm"
    path.write_bytes(encode(Image.fromarray(COLOUR), "PNG"))
    for source in (path, str(path), path.read_bytes()):
        assert (pixels(read_image(source)) == COLOUR).all()


def test_texts_that_came_with_a_picture_are_left_behind() -> None:
    exif = Image.Exif()
    exif[0x010E] = "Jane Roe"
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        content = encode(Image.fromarray(COLOUR), kind, exif=exif)
        assert b"Jane Roe" in content
        assert not read_image(content).info
        assert not dict(read_image(content).getexif())


def test_arrays_and_pillow_images() -> None:
    assert (pixels(read_image(GREY)) == GREY).all()
    assert (pixels(read_image(GREY[:, :, None])) == GREY).all()
    assert (pixels(read_image(COLOUR)) == COLOUR).all()
    assert (pixels(read_image(GREY > 99)) == (GREY > 99) * 255).all()
    assert (pixels(read_image(COLOUR / 255)) == COLOUR).all()
    deep = np.arange(40000, dtype=np.int64).reshape(200, 200) * 10**6
    assert np.median(pixels(read_image(deep))) == pytest.approx(127, abs=1)
    assert pixels(read_image(np.where(deep == 0, np.nan, deep / 3)))[0, 0] == 0
    for wrong in (np.zeros(5), np.zeros((3, 3, 2)), np.array([["a"]]), np.zeros((0, 4))):
        with pytest.raises(ImageError):
            read_image(wrong)

    image = Image.fromarray(np.dstack([COLOUR, GREY]))
    assert read_image(image).mode == "RGB"
    assert image.mode == "RGBA"
    kept = Image.fromarray(COLOUR)
    read_image(kept).putpixel((0, 0), (1, 2, 3))
    assert (pixels(kept) == COLOUR).all()


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)


@pytest.mark.parametrize("side", [100_000, 12_000])  # far beyond Pillow's bound, and within it
def test_bombs_are_refused_by_their_header(side: int) -> None:
    assert side * side > MAX_PIXELS
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(ImageError, match="pixels"):
        read_image(png_header(side, side))
    assert time.perf_counter() - started < 1
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_the_pixel_cap_can_be_lowered_and_holds_for_every_source() -> None:
    image = Image.fromarray(COLOUR)
    for source in (encode(image, "PNG"), image, COLOUR):
        assert read_image(source, max_pixels=21 * 34).size == (34, 21)
        with pytest.raises(ImageError, match="megapixels"):
            read_image(source, max_pixels=21 * 34 - 1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_truncated_files_are_image_errors(kind: str) -> None:
    content = encode(Image.fromarray(COLOUR), kind)
    with pytest.raises(ImageError, match=r"^scan 7: .*damaged or cut short; "):
        read_image(content[: len(content) * 2 // 3], name="scan 7")


def test_messages_name_the_file_the_reason_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture here")
    (tmp_path / "empty.png").write_bytes(b"")
    for name, reason in (
        ("gone.png", "no such file"),
        ("empty.png", "is empty"),
        ("notes.txt", "is not a picture of a known format"),
        ("", "is a folder"),
    ):
        path = tmp_path / name
        with pytest.raises(ImageError) as caught:
            read_image(path)
        assert caught.value.name == str(path)
        assert caught.value.reason == reason
        assert "\n" not in str(caught.value)
        with pytest.raises(ImageError):
            count_frames(path)
