"""Text files as numbered lines: any size, any damage, bounded memory."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from medclip_search.corpora import reasons
from medclip_search.corpora.files import fault_of, file_fault

MAX_LINE = 16 * 1024 * 1024
"""Longest line that is read, in bytes (characters for UTF-16)."""

UTF8_REMEDY = "read as Windows-1252; save the file as UTF-8"

ESCAPED = re.compile("[\udc80-\udcff]+")


class Line(NamedTuple):
    """One line: its number from 1, its text with ``\\n`` at its end, and what was wrong with it.

    ``fault`` is empty, ``NOT_UTF8`` (the text was repaired), ``TOO_LONG`` (there is no text), or
    says why the file could not be read further (nor is there any text then).
    """

    number: int
    text: str
    fault: str = ""

    @property
    def is_cut(self) -> bool:
        """Whether the file ends in, or before, this line: more may have followed once."""
        return self.fault != reasons.TOO_LONG and not self.text.endswith("\n")


def open_bytes(path: Path) -> BinaryIO:
    """A regular file's bytes, through gzip where its name ends in ``.gz``; raises ``OSError``."""
    if fault := file_fault(path):
        raise OSError(fault)
    return cast(BinaryIO, gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def why_unreadable(path: Path, error: Exception) -> str:
    """The reason for an error that reading a file raised."""
    return file_fault(path) or (
        fault_of(error) if isinstance(error, PermissionError) else reasons.UNREADABLE
    )


def decode(data: bytes) -> tuple[str, bool]:
    """UTF-8 as text, and whether it was whole; bytes that are none are read as Windows-1252.

    Nearly every table that is not UTF-8 was saved by a Western Windows program, and a wrong
    letter in a caption costs less than a lost caption.
    """
    try:
        return data.decode("utf-8"), True
    except UnicodeDecodeError:
        return repair(data.decode("utf-8", "surrogateescape")), False


def repair(text: str) -> str:
    """Text decoded with ``surrogateescape``, its escaped bytes read as Windows-1252."""
    return ESCAPED.sub(
        lambda found: bytes(ord(c) - 0xDC00 for c in found[0]).decode("cp1252", "replace"), text
    )


def read_lines(path: Path, limit: int = MAX_LINE) -> Iterator[Line]:
    """The lines of a file in UTF-8 (or UTF-16 with its mark), plain or gzip, from the start."""
    number = 0
    try:
        with open_bytes(path) as stream:
            head = stream.read(512)
            stream.seek(0)
            wide = head[:2] in (b"\xff\xfe", b"\xfe\xff") and b"\0" in head
            for line in _wide_lines(stream, limit) if wide else _byte_lines(stream, limit):
                number = line.number
                yield line
    except (OSError, EOFError, zlib.error) as error:
        yield Line(number + 1, "", why_unreadable(path, error))


def _byte_lines(stream: BinaryIO, limit: int) -> Iterator[Line]:
    number = 0
    while data := stream.readline(limit):
        number += 1
        if len(data) == limit and not data.endswith(b"\n"):
            while (data := stream.readline(limit)) and not data.endswith(b"\n"):
                pass
            yield Line(number, "", reasons.TOO_LONG)
            continue
        if number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        text, whole = decode(data)
        yield Line(number, _unix_end(text), "" if whole else reasons.NOT_UTF8)


def _wide_lines(stream: BinaryIO, limit: int) -> Iterator[Line]:
    number = 0
    with io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline="\n") as reader:
        while text := reader.readline(limit):
            number += 1
            if len(text) == limit and not text.endswith("\n"):
                while (text := reader.readline(limit)) and not text.endswith("\n"):
                    pass
                yield Line(number, "", reasons.TOO_LONG)
                continue
            yield Line(number, _unix_end(text), reasons.NOT_UTF8 if "�" in text else "")


def _unix_end(text: str) -> str:
    return text[:-2] + "\n" if text.endswith("\r\n") else text


def estimate_lines(path: Path) -> int | None:
    """About how many lines a file has, from its size and its first 64 KiB.

    ``None`` for gzip, and for what cannot be read.
    """
    if path.suffix.lower() == ".gz":
        return None
    try:
        with open_bytes(path) as stream:
            head = stream.read(65536)
        size = path.stat().st_size
    except OSError:
        return None
    ends = head.count(b"\n") or 1
    return max(1, round(size * ends / len(head))) if head else 0
