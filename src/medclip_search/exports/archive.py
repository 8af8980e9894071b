"""A tray as a ZIP: its figures as PNG, captions, licences, citations. Written as it is read."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.exports.bibtex import to_bibtex
from medclip_search.exports.citations import references
from medclip_search.exports.licences import sharing_sentence
from medclip_search.exports.pictures import Pictures, png, shown
from medclip_search.exports.tables import GONE, to_csv, to_json
from medclip_search.exports.tray import Kept, Tray

TRAY_JSON = "tray.json"
"""What a ZIP is imported by."""

_README = """{name}: {count} from MedClip Search

{notice}

figures/         the figures in the order of the tray, as PNG
captions.csv     captions, notes, what is known of each figure, and how to cite it
licences.txt     what each figure's licence lets you do
citations.bib    the same citations for LaTeX and reference managers
tray.json        to import the tray back into MedClip Search, as this ZIP does too

A picture whose name ends in -thumbnail is small, because its full-size file is not
there any more. Pictures are as the program shows them: 8-bit, windowed, without headers.
"""


def to_zip(tray: Tray, pictures: Pictures) -> Iterator[bytes]:
    """The bytes of the ZIP, one figure in memory at a time. Raises ``LibraryError``."""
    stream = _Stream()
    with zipfile.ZipFile(stream, "w") as archive:

        def add(name: str, content: bytes | str) -> bytes:
            # PNG is compressed already. The date is the same each time, so the bytes are too.
            member = zipfile.ZipInfo(name)
            member.external_attr = 0o644 << 16
            text = isinstance(content, str)
            if isinstance(content, str):
                content = content.encode("utf-8", "backslashreplace")
            kind = zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED
            archive.writestr(member, content, compress_type=kind)
            return stream.take()

        yield add("README.txt", _readme(tray))
        yield add("licences.txt", _licences(tray))
        files: dict[str, str] = {}
        for number, one in enumerate(tray.kept, start=1):
            found = shown(one.case, pictures) if one.case is not None else None
            if found is not None:
                small = "" if found.full_size else "-thumbnail"
                files[one.id] = f"figures/{number:03}-{_file_name(one.id)}{small}.png"
                yield add(files[one.id], png(found.picture))
        yield add("captions.csv", to_csv(tray, files))
        yield add("citations.bib", to_bibtex(tray.references()))
        yield add(TRAY_JSON, to_json(tray))
    yield stream.take()


class _Stream:
    """What a ZIP is written to: it cannot seek, and forgets what was taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Nothing waits anywhere."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _readme(tray: Tray) -> str:
    count = "1 figure" if len(tray.kept) == 1 else f"{len(tray.kept):,} figures"
    told = _README.format(name=tray.name, count=count, notice=NOT_FOR_DIAGNOSIS)
    if warnings := tray.warnings():
        told += "\nBefore you pass this on (licences.txt says which):\n"
    return told + "".join(f"{warning}\n" for warning in warnings)


def _licences(tray: Tray) -> str:
    notice = f"{NOT_FOR_DIAGNOSIS}\n\n"
    return notice + "\n".join(_licence(*numbered) for numbered in enumerate(tray.kept, start=1))


def _licence(number: int, one: Kept) -> str:
    if one.case is None:
        return f"{number:03} {one.id}\n    {GONE}\n"
    says, citation = sharing_sentence(one.case), references([one.case])[0].text()
    return f"{number:03} {one.id}\n    {says}\n    {citation}\n"


def _file_name(text: str) -> str:
    """What every file system takes."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)[-60:].strip("-") or "figure"
