"""`compact` gives PyTorch's vectors, whatever picture comes and whatever comes beside it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medclip_search import encoders
from medclip_search.encoders.base import Encoder, Floats
from medclip_search.encoders.compact import FIRST, NOW, WEIGHTS, CompactEncoder, Version
from medclip_search.errors import EncoderError

REFERENCE = Path(__file__).parent / "efficientnet_lite0_reference.npz"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return encoders.load("compact")


def generated(side: int = 288) -> Image.Image:
    """The picture whose vectors ``tools/export_compact.py`` took from PyTorch."""
    rows, columns = np.mgrid[0:side, 0:side] * (224 / side)
    disc = ((columns - 112) ** 2 + (rows - 90) ** 2 < 60**2) * 200
    return Image.fromarray(np.stack([columns, rows, disc], axis=2).astype(np.uint8))


def noise(seed: int, width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def vectors(encoder: Encoder, *images: Image.Image) -> Floats:
    pixels = np.stack([encoder.preprocess(image) for image in images])
    return encoder.encode_images(pixels)["compact"]


@pytest.mark.parametrize("version", [NOW, FIRST], ids=["now", "first"])
def test_vector_is_that_of_pytorch(version: Version) -> None:
    found = vectors(CompactEncoder(version=version), generated(version.side))
    assert found.shape == (1, 1280)
    assert found.dtype == np.float32
    expected = np.load(REFERENCE)[version.output]
    np.testing.assert_allclose(found[0], expected, rtol=1e-3, atol=1e-4)


def test_vectors_of_the_first_libraries_go_on(encoder: Encoder) -> None:
    """The fingerprint is what libraries of that time remember."""
    first = "8300f850d5f55733668577089aa58b00daf2eb4167b7cc4ad60cda2e9fa169a7"
    assert encoders.load("compact", first).fingerprint == first
    assert encoders.load("compact", encoder.fingerprint).fingerprint == encoder.fingerprint
    assert encoders.load("compact", "of another").fingerprint == encoder.fingerprint != first


def test_vector_does_not_depend_on_its_batch(encoder: Encoder) -> None:
    pictures = [generated()] + [noise(seed, 288, 288) for seed in range(31)]
    alone = vectors(encoder, pictures[0])[0]
    for size in (7, 32):
        assert np.array_equal(vectors(encoder, *pictures[:size])[0], alone)
        assert np.array_equal(vectors(encoder, *pictures[size - 1 :: -1])[-1], alone)


def test_no_pictures_give_no_vectors(encoder: Encoder) -> None:
    found = encoder.encode_images(np.empty((0, 3, 288, 288), dtype=np.float32))
    assert found["compact"].shape == (0, 1280)


def test_grey_and_rgb_of_one_picture_are_the_same(encoder: Encoder) -> None:
    grey = noise(1, 300, 200).convert("L")
    np.testing.assert_array_equal(encoder.preprocess(grey), encoder.preprocess(grey.convert("RGB")))


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (20_000, 1), (1, 20_000), (3000, 40), (287, 288)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_any_shape_is_fitted(encoder: Encoder, size: tuple[int, int], mode: str) -> None:
    pixels = encoder.preprocess(noise(2, *size).convert(mode))
    assert pixels.shape == (3, 288, 288)
    assert pixels.dtype == np.float32
    assert pixels.flags.c_contiguous
    assert np.isfinite(encoder.encode_images(pixels[None])["compact"]).all()


@pytest.mark.parametrize("background", [0, 255])
def test_bars_blend_with_the_background(encoder: Encoder, background: int) -> None:
    """A drawing on white and a scan on black are each extended by their own background."""
    picture = Image.new("L", (400, 200), background)
    picture.paste(128, (100, 50, 300, 150))
    expected = Image.new("L", (400, 400), background)
    expected.paste(128, (100, 150, 300, 250))
    difference = encoder.preprocess(picture) - encoder.preprocess(expected)
    assert np.abs(difference).max() < 0.1


def test_aspect_is_kept(encoder: Encoder) -> None:
    """A disc in a wide picture stays as wide as it is high."""
    rows, columns = np.mgrid[0:100, 0:400]
    disc = np.where((columns - 200) ** 2 + (rows - 50) ** 2 < 40**2, 255, 0).astype(np.uint8)
    lit = encoder.preprocess(Image.fromarray(disc))[0] > 0
    assert abs(int(lit.any(axis=0).sum()) - int(lit.any(axis=1).sum())) <= 1


def test_preprocess_is_safe_in_threads(encoder: Encoder) -> None:
    pictures = [noise(seed, 100 + 7 * seed, 150) for seed in range(40)]
    expected = [encoder.preprocess(picture) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        for found, alone in zip(pool.map(encoder.preprocess, pictures), expected, strict=True):
            np.testing.assert_array_equal(found, alone)


def test_network_is_loaded_once_by_many_threads() -> None:
    fresh = CompactEncoder()
    pixels = fresh.preprocess(generated())[None]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: fresh.encode_images(pixels)["compact"], range(16)))
    assert all(np.array_equal(one, found[0]) for one in found)


def test_words_are_not_embedded(encoder: Encoder) -> None:
    assert encoder.encode_words(["pleural effusion"]) == {}
    assert not any(space.embeds_words for space in encoder.spaces)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for path in (WEIGHTS, Path(f"{WEIGHTS}.sha256")):
        shutil.copy(path, tmp_path)
    return tmp_path / WEIGHTS.name


def test_damaged_weights_are_refused(copy: Path) -> None:
    with copy.open("r+b") as file:
        file.seek(5_000_000)
        byte = file.read(1)[0]
        file.seek(5_000_000)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(EncoderError, match=r"damaged.*pip install --force-reinstall") as raised:
        CompactEncoder(copy)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("missing", ["", ".sha256"])
def test_missing_weights_are_refused(copy: Path, missing: str) -> None:
    Path(f"{copy}{missing}").unlink()
    with pytest.raises(EncoderError, match="cannot be read; pip install"):
        CompactEncoder(copy)


def test_fingerprint_follows_the_weights(encoder: Encoder, copy: Path) -> None:
    assert CompactEncoder(copy).fingerprint == encoder.fingerprint
    Path(f"{copy}.sha256").write_text(
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # of no bytes at all
    )
    copy.write_bytes(b"")
    other = CompactEncoder(copy)
    assert other.fingerprint != encoder.fingerprint
    with pytest.raises(EncoderError, match="ONNX Runtime cannot load"):
        other.encode_images(np.zeros((1, 3, 288, 288), dtype=np.float32))


def test_list_tells_what_compact_can_do() -> None:
    compact = encoders.available()[0]
    assert (compact.name, compact.available, compact.embeds_words) == ("compact", True, False)
    assert compact.licence == "Apache-2.0"
    assert encoders.load(compact.name).spaces == compact.spaces


def test_unknown_encoder_is_one_line() -> None:
    with pytest.raises(EncoderError, match="encoder clip: unknown; choose one of: compact, "):
        encoders.load("clip")


def test_absent_onnxruntime_is_one_line_and_import_is_lazy() -> None:
    """Listing the encoders neither needs ONNX Runtime nor imports it."""
    program = """
import sys
from medclip_search import encoders
assert encoders.available()[0].available and "onnxruntime" not in sys.modules
sys.modules["onnxruntime"] = None
compact = encoders.available()[0]
print(compact.available, compact.note)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "False encoder compact: ONNX Runtime is not installed; pip install onnxruntime\n"
    )
