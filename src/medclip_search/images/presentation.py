"""From the stored values of a DICOM frame to what a screen shows.

Greyscale goes through the steps of PS3.4 N.2: modality LUT or rescale (PS3.3 C.11.1), VOI LUT
or window (C.11.2), and inversion for MONOCHROME1 (C.7.6.3.1.2).
"""

from __future__ import annotations

import math

import numpy as np
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

from medclip_search.images.windowing import Grey, Pixels, robust_window, shade_levels, stretch

_BEYOND = 1e12  # further out than any window


def present(pixels: Pixels, header: Dataset) -> Grey:
    """A frame of shape (H, W) or (H, W, 3: RGB) as 8-bit grey (H, W) or RGB (H, W, 3).

    Without window or VOI LUT, more than 8 stored bits are windowed robustly. Padding
    (C.7.5.1.1.2) is black and has no say in that window.
    """
    if header.PhotometricInterpretation == "PALETTE COLOR":
        return _palette_to_rgb(pixels, header)
    if pixels.ndim == 3:
        return _to_bytes(pixels, int(header.BitsStored))
    return shade_levels(pixels, lambda values, counts: _shade(values, counts, header))


def _shade(stored: Pixels, counts: Pixels | None, header: Dataset) -> Grey:
    padding = is_padding(stored, header)
    values = apply_modality_lut(stored, header)
    grey = _apply_voi(values, header)
    if grey is None or _is_blank(grey[~padding], stored[~padding]):
        grey = _apply_default_window(values, counts, padding, header)
    if header.PhotometricInterpretation == "MONOCHROME1":
        grey = 255 - grey
    grey[padding] = 0
    return grey


def is_padding(stored: Pixels, header: Dataset) -> Pixels:
    """Which stored values stand for no measurement (C.7.5.1.1.2)."""
    value = header.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, np.bool_)
    limit = header.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    return (stored >= low) & (stored <= high)


def _is_blank(grey: Pixels, stored: Pixels) -> bool:
    """Whether a window shows one flat grey of values that differ: the window is wrong."""
    return bool(stored.size) and grey.min() == grey.max() and stored.min() != stored.max()


def _apply_voi(values: Pixels, header: Dataset) -> Grey | None:
    """The header's VOI LUT or window, the first of several; ``None`` where it has none."""
    if header.get("VOILUTSequence"):
        first, entries = lut_span(header)
        within = np.clip(np.rint(values), first, first + entries - 1).astype(np.int64)
        ramp = apply_voi_lut(np.arange(first, first + entries, dtype=np.int64), header)
        return stretch(apply_voi_lut(within, header), float(ramp.min()), float(ramp.max()))
    if header_window(header) is None:
        return None
    with np.errstate(over="ignore"):
        shown = apply_voi_lut(np.append(values.astype(np.float64), (-_BEYOND, _BEYOND)), header)
    below, above = float(shown[-2]), float(shown[-1])
    if above < below:  # pydicom maps onto the rescaled range, which a negative slope turns round
        shown, below, above = -shown, -below, -above
    return stretch(shown[:-2].reshape(values.shape), below, above)


def lut_span(header: Dataset) -> tuple[int, int]:
    """First mapped value and number of entries of the VOI LUT."""
    descriptor = header.VOILUTSequence[0].LUTDescriptor
    return int(descriptor[1]), int(descriptor[0]) or 1 << 16


def header_window(header: Dataset) -> tuple[float, float] | None:
    """Centre and width of the header's window, the first of several, where one is usable."""
    centre, width = (_first(header.get(key)) for key in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or not math.isfinite(centre) or not math.isfinite(width):
        return None
    linear = str(header.get("VOILUTFunction") or "LINEAR").upper() == "LINEAR"
    return (centre, width) if (width >= 1 if linear else width > 0) else None


def _first(value: object) -> float | None:
    if isinstance(value, (MultiValue, list)):
        value = value[0] if value else None
    return None if value is None or value == "" else float(str(value))


def _apply_default_window(
    values: Pixels, counts: Pixels | None, padding: Pixels, header: Dataset
) -> Grey:
    bits = int(header.BitsStored)
    if bits <= 8:
        lowest = -(1 << (bits - 1)) if header.get("PixelRepresentation") == 1 else 0
        ends = np.array([lowest, lowest + (1 << bits) - 1], np.int64)
        ends = apply_modality_lut(ends, header)
        return stretch(values, float(ends.min()), float(ends.max()))
    seen = ~padding if (~padding).any() else np.ones_like(padding)
    return stretch(values, *robust_window(values[seen], None if counts is None else counts[seen]))


def _palette_to_rgb(pixels: Pixels, header: Dataset) -> Grey:
    colours = apply_color_lut(pixels, header)[..., :3]
    # Some writers put 8-bit colours into 16-bit entries.
    return _to_bytes(colours, 16 if colours.max(initial=0) > 255 else 8)


def _to_bytes(colours: Pixels, bits: int) -> Grey:
    if bits == 8:
        return colours.astype(np.uint8)
    return stretch(colours, 0.0, float((1 << bits) - 1))
