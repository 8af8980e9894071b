"""Pictures are preprocessed bit for bit as open_clip does, whatever their mode and shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medclip_search.encoders.open_clip.preprocess import Preprocessing
from medclip_search.encoders.open_clip.torchvision_ops import declare_missing_ops
from medclip_search.errors import EncoderError

MODES = ("RGB", "L", "RGBA", "LA", "P", "1", "I;16", "I;16B", "I", "F", "CMYK", "PA")
SIZES = (
    *((1, 1), (3, 2), (224, 224), (225, 224), (224, 225), (223, 224)),
    *((448, 447), (30, 500), (640, 480), (37, 53)),
)
CONFIGS: tuple[dict[str, Any], ...] = (
    {},
    {"interpolation": "bilinear"},
    {"resize_mode": "squash"},
    {"resize_mode": "longest"},
    {"resize_mode": "longest", "fill_color": 200, "interpolation": "bilinear"},
    {"size": 65, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.25, 0.3]},
    {"size": [50, 80]},
    {"size": [50, 80], "resize_mode": "longest", "fill_color": 7},
    {"size": (80, 50), "interpolation": "bilinear"},
)


def picture(mode: str, size: tuple[int, int], seed: int) -> Image.Image:
    """Blocks and noise, so that resizing has edges and ground to work on."""
    rng = np.random.default_rng(seed)
    width, height = size
    depth = 65536 if mode in ("I;16", "I;16B", "I", "F") else 256
    levels = rng.integers(0, depth, (height, width, 4))
    levels[: height // 2, : width // 3] = rng.integers(0, depth, 4)
    if mode in ("I;16", "I;16B", "I", "F"):
        kinds: dict[str, Any] = {"I;16": "<u2", "I;16B": ">u2", "I": np.int32, "F": np.float32}
        return Image.fromarray(levels[..., 0].astype(kinds[mode]))
    whole = Image.fromarray(levels.astype(np.uint8), "RGBA")
    if mode in ("P", "PA"):
        indexed = whole.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE)
        return indexed if mode == "P" else indexed.convert("PA")
    return whole if mode == "RGBA" else whole.convert("LA" if mode == "LA" else "RGB").convert(mode)


def of_open_clip(config: dict[str, Any], image: Image.Image) -> Any:
    declare_missing_ops()
    transform = pytest.importorskip("open_clip.transform")
    return transform.image_transform_v2(transform.PreprocessCfg(**config), is_train=False)(image)


def assert_equal(config: dict[str, Any], image: Image.Image) -> None:
    expected = of_open_clip(config, image).numpy()
    found = Preprocessing.from_config(config)(image)
    assert found.dtype == expected.dtype
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES)
def test_modes_and_sizes(mode: str, size: tuple[int, int]) -> None:
    image = picture(mode, size, seed=size[0])
    assert image.mode == mode
    assert_equal({}, image)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@settings(max_examples=40, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    seed=st.integers(0, 99),
)
def test_every_config(config: dict[str, Any], mode: str, size: tuple[int, int], seed: int) -> None:
    if config.get("resize_mode") == "longest" and max(size) > 100 * min(size):
        return  # open_clip fails where a side would vanish
    assert_equal(config, picture(mode, size, seed))


@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (3, 301), (501, 2)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_long_strips_go_another_way_to_the_same_pixels(size: tuple[int, int], mode: str) -> None:
    assert_equal({"interpolation": "bilinear"} if size[0] == 3 else {}, picture(mode, size, seed=1))


@pytest.mark.parametrize("size", [(20_001, 1), (1, 20_001)])
def test_a_line_is_seen_in_its_middle(size: tuple[int, int]) -> None:
    """Resized whole it would take gigabytes; what lies far from its middle is never seen."""
    levels = np.zeros(20_001, dtype=np.uint8)
    levels[9000:11_002] = 128
    found = Preprocessing()(Image.fromarray(levels.reshape(size[::-1])))
    np.testing.assert_array_equal(found, Preprocessing()(Image.new("L", (224, 224), 128)))


def test_a_side_that_would_vanish_keeps_one_pixel() -> None:
    found = Preprocessing.from_config({"resize_mode": "longest"})(Image.new("L", (2000, 1), 255))
    assert (found[:, 111] > found[:, 0]).all()
    assert (found[:, :111] == found[:, :1, :1]).all()


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_json_gives_it_back(config: dict[str, Any]) -> None:
    made = Preprocessing.from_config(config)
    assert Preprocessing.from_config(made.to_json()) == made


def test_null_and_unknown_entries_take_the_defaults() -> None:
    assert Preprocessing.from_config({"mean": None, "later": 1}) == Preprocessing()
    assert Preprocessing.from_config({"mean": 0.5}).mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"mode": "L"}, "mode 'L' is unknown"),
        ({"interpolation": "lanczos"}, "interpolation 'lanczos' is unknown"),
        ({"resize_mode": "crop"}, "resize_mode 'crop' is unknown; it must be shortest or"),
        ({"size": [1, 2, 3]}, "one number or two"),
        ({"size": "big"}, "big"),
        ({"size": 0}, "must not be zero"),
        ({"std": [1, 0, 1]}, "must not be zero"),
        ({"mean": [1, 2]}, "three numbers"),
    ],
)
def test_what_cannot_be_is_one_line(config: dict[str, Any], said: str) -> None:
    with pytest.raises(EncoderError, match=said) as raised:
        Preprocessing.from_config(config)
    assert "\n" not in str(raised.value)
