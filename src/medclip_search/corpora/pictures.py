"""Names of images to files: by suffix, without suffix, in subfolders, under a DICOM's magic."""

# Paths are strings in here, since there may be millions of them.
# ruff: noqa: PTH118, PTH121, PTH123

from __future__ import annotations

import os
from pathlib import Path

from medclip_search.corpora import reasons
from medclip_search.corpora.base import Skipped
from medclip_search.corpora.captions import one_line
from medclip_search.corpora.files import file_fault, unread, walk

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".dcm", ".dicom", ".ima",
)  # fmt: skip
"""What a file of pixels is called, in lower case; the most frequent first."""

SPELLINGS = tuple(s for suffix in IMAGE_SUFFIXES for s in (suffix, suffix.upper()))


def split_suffix(name: str) -> tuple[str, str]:
    """A name without, and with only, its image suffix (``""`` where there is none)."""
    stem, dot, ending = name.rpartition(".")
    suffix = (dot + ending).lower()
    return (stem, dot + ending) if stem and suffix in IMAGE_SUFFIXES else (name, "")


def may_be_image(name: str) -> bool:
    """Whether a file's name is an image's, or has no suffix at all (as DICOM files often are).

    The last number of a name like ``1.2.840.10008`` is no suffix.
    """
    ending = name.rpartition(".")[2] if "." in name else ""
    return bool(split_suffix(name)[1]) or not ending or ending.isdecimal()


def is_utf8(name: str) -> bool:
    """Whether a file's name can be written down (Linux allows names that cannot)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def starts_like_dicom(path: str | Path) -> bool:
    """Whether a regular file bears the mark of DICOM part 10: ``DICM`` after 128 bytes.

    Raises ``OSError``.
    """
    with open(path, "rb") as stream:
        return stream.read(132)[128:] == b"DICM"


class ImageFinder:
    """Finds the file that a table's image name means.

    A name is tried in each folder as it stands, then with each image suffix; a bare name, with
    no folder in it, is then looked for in all subfolders of the first folder, which are listed
    once, when first needed (unless ``below`` is false: they may be too large). Nothing is
    opened. ``problems`` gathers the folders that could not be listed.
    """

    def __init__(self, *folders: Path, below: bool = True) -> None:
        self._folders = [str(folder) for folder in folders]
        self._below: dict[str, str | None] | None = None if below else {}
        self.problems: list[Skipped] = []

    def find(self, name: str) -> tuple[Path | None, str]:
        """The file and ``""``, or ``None`` and the reason why there is none."""
        if "\0" in name or not is_utf8(name):
            return None, reasons.MISSING_IMAGE
        faults: list[str] = []
        for tried in dict.fromkeys((name, name.replace("\\", "/"))):
            for folder in self._folders:
                place = os.path.join(folder, tried)
                if _is_file(place, faults):
                    return Path(os.path.normpath(place)), ""
                if split_suffix(tried)[1] or tried.endswith("/"):
                    continue
                hits = [place + s for s in SPELLINGS if _is_file(place + s, faults)]
                if len(hits) > 1 and not _same_file(hits):
                    return None, reasons.AMBIGUOUS_IMAGE
                if hits:
                    return Path(os.path.normpath(hits[0])), ""
        lost = faults[0] if faults else reasons.MISSING_IMAGE
        if "/" in name or "\\" in name:
            return None, lost
        if self._below is None:
            self._below = self._list_subfolders()
        if name not in self._below:
            return None, lost
        below = self._below[name]
        if below is None:
            return None, reasons.AMBIGUOUS_IMAGE
        fault = file_fault(below)
        return (None, fault) if fault else (Path(below), "")

    def _list_subfolders(self) -> dict[str, str | None]:
        """Names with and without suffix to what lies below the folder; ``None`` if several."""
        below: dict[str, str | None] = {}
        root = self._folders[0]
        for listing in walk(Path(root)):
            here = listing.here
            if fault := listing.faults.pop("", ""):
                self.problems.append(unread(one_line(os.path.relpath(here, root)), fault))
            if here == root or not is_utf8(here):
                continue
            for name in (*listing.files, *listing.faults):
                if not is_utf8(name) or not may_be_image(name):
                    continue
                place = os.path.join(here, name)
                for key in {name, split_suffix(name)[0]}:
                    known = below.setdefault(key, place)
                    if known is not None and known != place:
                        below[key] = None
        return below


def _is_file(place: str, faults: list[str]) -> bool:
    """Whether there is a file to open; what else lies there is added to ``faults``."""
    fault = file_fault(place)
    if fault not in ("", reasons.ABSENT, reasons.A_FOLDER):
        faults.append(fault)
    return not fault


def _same_file(places: list[str]) -> bool:
    """Whether all are one file (``a.jpg`` and ``a.JPG`` where case does not count)."""
    return all(os.path.samefile(places[0], place) for place in places[1:])
