"""Names of images to files: by suffix, without suffix, in subfolders, under a DICOM's magic."""

# Paths are strings in here, since there may be millions of them.
# ruff: noqa: PTH113, PTH116, PTH118, PTH121, PTH123

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from medclip_search.corpora import reasons

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
    """Whether a file bears the mark of DICOM part 10: ``DICM`` after 128 bytes."""
    try:
        with open(path, "rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Folders below (and with) this one and the names of their files, all sorted.

    Hidden files and folders are left out, links to folders followed once, and what cannot be
    listed is passed over. A folder's own files come before its subfolders.
    """
    seen: set[tuple[int, int]] = set()
    stack = [str(folder)]
    while stack:
        here = stack.pop()
        files: list[str] = []
        folders: list[str] = []
        try:
            status = os.stat(here)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith((".", "__MACOSX")):
                        continue
                    (folders if entry.is_dir() else files).append(entry.name)
        except OSError:
            continue
        yield here, sorted(files)
        stack.extend(os.path.join(here, name) for name in sorted(folders, reverse=True))


class ImageFinder:
    """Finds the file that a table's image name means.

    A name is tried in each folder as it stands, then with each image suffix; a bare name, with
    no folder in it, is then looked for in all subfolders of the first folder, which are listed
    once, when first needed. Nothing is opened.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = [str(folder) for folder in folders]
        self._below: dict[str, str | None] | None = None

    def find(self, name: str) -> tuple[Path | None, str]:
        """The file and ``""``, or ``None`` and the reason why there is none."""
        if "\0" in name or not is_utf8(name):
            return None, reasons.MISSING_IMAGE
        for tried in dict.fromkeys((name, name.replace("\\", "/"))):
            for folder in self._folders:
                place = os.path.join(folder, tried)
                if os.path.isfile(place):
                    return Path(os.path.normpath(place)), ""
                if split_suffix(tried)[1] or tried.endswith("/"):
                    continue
                hits = [place + s for s in SPELLINGS if os.path.isfile(place + s)]
                if len(hits) > 1 and not _same_file(hits):
                    return None, reasons.AMBIGUOUS_IMAGE
                if hits:
                    return Path(os.path.normpath(hits[0])), ""
        if "/" in name or "\\" in name:
            return None, reasons.MISSING_IMAGE
        if self._below is None:
            self._below = self._list_subfolders()
        if name not in self._below:
            return None, reasons.MISSING_IMAGE
        below = self._below[name]
        return (Path(below), "") if below is not None else (None, reasons.AMBIGUOUS_IMAGE)

    def _list_subfolders(self) -> dict[str, str | None]:
        """Names with and without suffix to files below the folder; ``None`` if several."""
        below: dict[str, str | None] = {}
        root = self._folders[0]
        for here, names in walk(Path(root)):
            if here == root or not is_utf8(here):
                continue
            for name in names:
                if not is_utf8(name) or not may_be_image(name):
                    continue
                place = os.path.join(here, name)
                for key in {name, split_suffix(name)[0]}:
                    known = below.setdefault(key, place)
                    if known is not None and known != place:
                        below[key] = None
        return below


def _same_file(places: list[str]) -> bool:
    """Whether all are one file (``a.jpg`` and ``a.JPG`` where case does not count)."""
    return all(os.path.samefile(places[0], place) for place in places[1:])
