"""Any picture Pillow can hold, or NumPy array, as upright 8-bit grey (``L``) or ``RGB``."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from medclip_search.errors import ImageError
from medclip_search.images.limits import check_size
from medclip_search.images.windowing import Grey, Pixels, robust_window, stretch, window_robustly

DEEP = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}
"""Pillow's modes of grey with more levels than a screen shows."""

_TIFF_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0


def to_grey_or_rgb(image: Image.Image) -> Image.Image:
    """The picture upright, in mode ``L`` or ``RGB``; ``image`` itself is left as it is.

    It is turned as its EXIF orientation says. More than 8 bits a pixel are windowed robustly;
    what is transparent lies on white or black (see ``lay_on_background``).
    """
    inverted = white_is_zero(image)
    image = upright(image)
    if image.mode in DEEP:
        grey = window_robustly(np.asarray(image))
        return Image.fromarray(255 - grey if inverted else grey)
    if image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or image.has_transparency_data:
        return lay_on_background(image.convert("RGBA"), grey=image.mode in {"L", "LA", "La"})
    if image.mode in {"L", "RGB"}:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def lay_on_background(image: Image.Image, grey: bool = False) -> Image.Image:
    """An ``RGBA`` picture on whichever of white and black shows its content better.

    Bright content (mean luminance weighted by opacity, at least half of white) lies on black,
    dark content on white. A picture without one visible pixel has a meaningless alpha channel
    (32-bit bitmaps often do): its colours are shown as they are.
    """
    mode = "L" if grey else "RGB"
    opacity = np.asarray(image.getchannel("A"), np.float64)
    total = float(opacity.sum())
    if total == 0 or opacity.min() == 255:
        return image.convert("RGB").convert(mode)
    luminance = np.asarray(image.convert("RGB").convert("L"), np.float64)
    bright = float((luminance * opacity).sum()) / total >= 127.5
    background = Image.new("RGBA", image.size, (0, 0, 0, 255) if bright else (255,) * 4)
    return Image.alpha_composite(background, image).convert("RGB").convert(mode)


def from_array(array: Pixels, max_pixels: int, name: str) -> Image.Image:
    """A picture of shape (H, W), (H, W, 1), (H, W, 3: RGB) or (H, W, 4: RGBA).

    ``uint8`` is taken as it is, ``bool`` and floats within [0, 1] as from black to white;
    all else is windowed robustly, the colours of a picture in one window.
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in {3, 4})):
        raise ImageError(
            name, f"an array of shape {array.shape} is no picture", "give (H, W), or (H, W, 3)"
        )
    check_size(array.shape[1], array.shape[0], max_pixels, name)
    if array.dtype.kind not in "buif":
        raise ImageError(name, f"an array of {array.dtype} is no picture", "give numbers")
    return to_grey_or_rgb(Image.fromarray(np.ascontiguousarray(_to_bytes(array))))


def _to_bytes(array: Pixels) -> Grey:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "f" and array.min() >= 0 and array.max() <= 1:
        return stretch(array, 0.0, 1.0)
    if array.ndim == 2:
        return window_robustly(array)
    return stretch(array, *robust_window(array))


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation says; a copy."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # an orientation that cannot be read is none
        return image.copy()


def white_is_zero(image: Image.Image) -> bool:
    """Pillow inverts WhiteIsZero TIFFs of up to 8 bits, but not deeper ones."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO
