"""A picture to a CLIP model's input, bit for bit as open_clip makes it, with Pillow and NumPy only.

open_clip resizes and crops a picture in its own mode and only then makes it RGB; what Pillow
does to a palette or to 16 bits on the way is part of what the model is given, and is kept.

Source: ``image_transform_v2`` of open_clip 3.3 and the transforms of torchvision it is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from medclip_search.encoders.base import Floats
from medclip_search.errors import EncoderError

ResizeMode = Literal["shortest", "longest", "squash"]

_RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "random": Image.Resampling.BICUBIC,  # varies in training only
}
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_MOST_PIXELS = 1 << 24  # of a resized picture before it is cropped
_LONGEST = 1000  # times as long as wide; what is longer loses its ends first


@dataclass(frozen=True)
class Preprocessing:
    """What open_clip calls ``preprocess_cfg``, with its defaults.

    ``size`` is (height, width) in pixels. ``resize_mode`` fits the short side and cuts the rest
    off, fits the long side and adds bars of ``fill_color``, or squashes. ``mean`` and ``std`` are
    of R, G and B, in 0 to 1.
    """

    size: tuple[int, int] = (224, 224)
    mean: tuple[float, float, float] = _CLIP_MEAN
    std: tuple[float, float, float] = _CLIP_STD
    interpolation: str = "bicubic"
    resize_mode: ResizeMode = "shortest"
    fill_color: int = 0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Preprocessing:
        """Of open_clip's ``preprocess_cfg``: missing and null entries take open_clip's defaults.

        Raises ``EncoderError`` where open_clip would refuse it too.
        """
        given = {key: value for key, value in config.items() if value is not None}
        try:
            made = cls(
                size=_pair(given.get("size", 224)),
                mean=_triple(given.get("mean", _CLIP_MEAN)),
                std=_triple(given.get("std", _CLIP_STD)),
                interpolation=str(given.get("interpolation", "bicubic")),
                resize_mode=cast(ResizeMode, given.get("resize_mode", "shortest")),
                fill_color=int(given.get("fill_color", 0)),
            )
        except (TypeError, ValueError) as error:
            raise EncoderError(f"preprocess_cfg: {error}; correct the model's config") from error
        for name, value, known in (
            ("mode", given.get("mode", "RGB"), ("RGB",)),
            ("interpolation", made.interpolation, tuple(_RESAMPLING)),
            ("resize_mode", made.resize_mode, ("shortest", "longest", "squash")),
        ):
            if value not in known:
                raise EncoderError(
                    f"preprocess_cfg: {name} {value!r} is unknown; it must be {' or '.join(known)}"
                )
        if min(made.size) < 1 or 0 in np.asarray(made.std, dtype=np.float32):
            raise EncoderError("preprocess_cfg: size and std must not be zero")
        return made

    def to_json(self) -> dict[str, Any]:
        """What ``from_config`` reads, complete, for JSON."""
        return {
            "size": list(self.size),
            "mode": "RGB",
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "resize_mode": self.resize_mode,
            "fill_color": self.fill_color,
        }

    def __call__(self, image: Image.Image) -> Floats:
        """A picture of any mode to (3, height, width) float32, normalised. Thread-safe."""
        small = self._fitted(image)
        if small.mode != "L":
            small = small.convert("RGB")
        pixels = np.asarray(small)
        values = np.empty((3, *self.size), dtype=np.float32)
        for channel, table in enumerate(self._values):
            level = pixels if pixels.ndim == 2 else pixels[..., channel]
            np.take(table, level, out=values[channel], mode="clip")
        return values

    @cached_property
    def _values(self) -> NDArray[np.float32]:
        """The input for each of the 256 levels of each channel, (3, 256)."""
        levels = np.arange(256, dtype=np.float32) / np.float32(255)
        mean, std = (np.asarray(each, dtype=np.float32)[:, None] for each in (self.mean, self.std))
        return cast(Floats, (levels - mean) / std)

    def _fitted(self, image: Image.Image) -> Image.Image:
        """The picture, resized and cropped or padded to ``size``."""
        height, width = self.size
        if self.resize_mode == "shortest" and max(image.size) > _LONGEST * min(image.size):
            image = _shortened(image)
        new = self._resized_size(image)
        if self.resize_mode == "shortest" and height != width:
            resampling = Image.Resampling.BICUBIC  # so does open_clip, whatever was asked
        else:
            resampling = _RESAMPLING[self.interpolation]
        left, top = _middle(new[0], width), _middle(new[1], height)
        box = (left, top, left + width, top + height)
        if new[0] * new[1] > _MOST_PIXELS and image.mode in ("L", "RGB"):
            return _resized_strip(image, new, box, resampling)
        small = image if image.size == new else image.resize(new, resampling)
        if new[0] < width or new[1] < height:
            return _padded(small, (width, height), self.fill_color)
        return small if small.size == (width, height) else small.crop(box)

    def _resized_size(self, image: Image.Image) -> tuple[int, int]:
        """(width, height) before cropping or padding."""
        width, height = image.size
        new_height, new_width = self.size
        if self.resize_mode == "squash":
            return new_width, new_height
        if self.resize_mode == "shortest" and new_width == new_height:
            long = int(new_width * max(width, height) / min(width, height))
            return (new_width, long) if width <= height else (long, new_height)
        ratios = height / new_height, width / new_width
        ratio = max(ratios) if self.resize_mode == "longest" else min(ratios)
        # A picture a thousand times as long as wide would vanish: open_clip fails on it.
        return max(1, round(width / ratio)), max(1, round(height / ratio))


def _shortened(image: Image.Image) -> Image.Image:
    """The middle of a line: resized whole, it would be gigabytes, of which a square is kept."""
    width, height = image.size
    most = _LONGEST * min(width, height)
    left, top = (max(0, (side - most) // 2) for side in (width, height))
    return image.crop((left, top, min(width, left + most), min(height, top + most)))


def _resized_strip(
    image: Image.Image,
    new: tuple[int, int],
    box: tuple[int, int, int, int],
    resampling: Image.Resampling,
) -> Image.Image:
    """The same pixels as ``resize`` and ``crop``, in bounded memory, for very long pictures.

    Pillow resizes all rows and then all columns, each alone, so that what is cropped off can be
    left out between the two, and the columns can go a few at a time.
    """
    left, top, right, bottom = box
    rows = image.resize((new[0], image.height), resampling).crop((left, 0, right, image.height))
    small = Image.new(image.mode, (right - left, bottom - top))
    step = max(1, _MOST_PIXELS // new[1])
    for start in range(0, small.width, step):
        columns = rows.crop((start, 0, min(start + step, small.width), rows.height))
        columns = columns.resize((columns.width, new[1]), resampling)
        small.paste(columns.crop((0, top, columns.width, bottom)), (start, 0))
    return small


def _padded(image: Image.Image, size: tuple[int, int], fill: int) -> Image.Image:
    """The picture in the middle of a larger one."""
    across, down = size[0] - image.width, size[1] - image.height
    border = (across // 2, down // 2, (across + 1) // 2, (down + 1) // 2)
    bands = len(image.getbands())
    padded = ImageOps.expand(image, border, fill if bands == 1 else (fill,) * bands)
    if image.mode == "P":
        padded.putpalette(image.getpalette() or [])
    return padded


def _middle(whole: int, part: int) -> int:
    return round((whole - part) / 2.0)


def _pair(size: Any) -> tuple[int, int]:
    """(height, width) of one number or of two."""
    sides = [int(side) for side in size] if isinstance(size, (list, tuple)) else [int(size)]
    if len(sides) not in (1, 2):
        raise ValueError(f"size must be one number or two, not {size}")
    return sides[0], sides[-1]


def _triple(values: Any) -> tuple[float, float, float]:
    each = [float(v) for v in values] if isinstance(values, (list, tuple)) else [float(values)] * 3
    if len(each) != 3:
        raise ValueError(f"mean and std must be three numbers, not {values}")
    return each[0], each[1], each[2]
