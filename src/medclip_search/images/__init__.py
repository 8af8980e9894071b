"""Bytes to pixels, safely: raster files, DICOM, thumbnails."""

from medclip_search.images.dicom_facts import DicomFacts, dicom_facts
from medclip_search.images.limits import MAX_PIXELS
from medclip_search.images.reading import Source, count_frames, read_image
from medclip_search.images.thumbnails import THUMBNAIL_SIDE, make_thumbnail

__all__ = [
    "MAX_PIXELS",
    "THUMBNAIL_SIDE",
    "DicomFacts",
    "Source",
    "count_frames",
    "dicom_facts",
    "make_thumbnail",
    "read_image",
]
