"""Squeezing dead rows and thumbnails out of append-only files.

A compacted file is a new one: generations that read the old one are not disturbed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from medclip_search.errors import LibraryDamagedError
from medclip_search.library.appendfile import AppendFile, Block, damaged_blocks
from medclip_search.library.catalogue import SpaceRecord
from medclip_search.library.writer import Writer, new_append_path

_DEAD_SHARE = 0.25
_DEAD_BYTES = 1 << 20  # below this, a file is not worth rewriting
_BLOCK = 4 << 20


When = Literal["much is dead", "anything is dead", "always"]


def compact(writer: Writer, when: When = "much is dead", *, only: str | None = None) -> None:
    """Rewrite the append-only files of which ``when`` is true (or ``only`` the one named)."""
    files = writer.catalogue.append_files()
    for record in writer.catalogue.spaces():
        width = 2 * record.space.dimension
        live = writer.catalogue.count_live_rows(record)
        if only in (None, record.space.name) and _is_due(record.bytes, live * width, when):
            _compact_rows(writer, record, writer.catalogue.live_rows(record), width)
    if "thumbnails" in files and only in (None, "thumbnails"):
        places = writer.catalogue.live_thumbnails()
        if _is_due(files["thumbnails"][1], sum(length for *_, length in places), when):
            _compact_thumbnails(writer, places, files["thumbnails"][0])


def _is_due(total: int, live: int, when: When) -> bool:
    dead = total - live
    if when == "much is dead":
        return dead > max(_DEAD_BYTES, _DEAD_SHARE * total)
    return when == "always" or dead > 0


def _compact_rows(
    writer: Writer, record: SpaceRecord, live: list[tuple[int, int, bytes]], width: int
) -> None:
    name = record.space.name
    path = new_append_path(writer.library, name, "embeddings", ".f16")
    spans = [(row * width, width) for row, _, _ in live]
    blocks = _copy(writer, name, record.path, path, spans)
    with writer.catalogue.transaction():
        writer.catalogue.put_append_file(name, path)
        for block in blocks:
            writer.catalogue.count_block(name, block)
        writer.catalogue.replace_rows(
            record, ((new, key, content) for new, (_, key, content) in enumerate(live))
        )


def _compact_thumbnails(writer: Writer, places: list[tuple[int, int, int]], old: str) -> None:
    path = new_append_path(writer.library, "thumbnails", "thumbnails", ".pack")
    spans = [(start, length) for _, start, length in places]
    blocks = _copy(writer, "thumbnails", old, path, spans)
    with writer.catalogue.transaction():
        writer.catalogue.put_append_file("thumbnails", path)
        for block in blocks:
            writer.catalogue.count_block("thumbnails", block)
        start = 0
        for key, _, length in places:
            writer.catalogue.put_thumbnail(key, start, length)
            start += length


def _copy(
    writer: Writer, name: str, old: str, new: str, spans: Sequence[tuple[int, int]]
) -> list[Block]:
    """Copy spans of one file to another, a few megabytes a block.

    Raises ``LibraryDamagedError`` where one is damaged: it must not get a new checksum.
    """
    blocks: list[Block] = []
    buffer = bytearray()
    source_path = writer.library / old
    if spans:
        _refuse_damaged(writer, name, source_path, spans)
    with AppendFile(writer.library / new, 0) as target:
        if spans:
            with source_path.open("rb") as source:
                for start, length in spans:
                    source.seek(start)
                    buffer += source.read(length)
                    if len(buffer) >= _BLOCK:
                        blocks.append(target.append(bytes(buffer)))
                        buffer.clear()
        if buffer:
            blocks.append(target.append(bytes(buffer)))
    return blocks


def _refuse_damaged(
    writer: Writer, name: str, path: Path, spans: Sequence[tuple[int, int]]
) -> None:
    counted = writer.catalogue.append_files()[name][1]
    for block in damaged_blocks(path, iter(writer.catalogue.blocks(name)), counted):
        stop = block.start + block.length
        if any(start < stop and start + length > block.start for start, length in spans):
            raise LibraryDamagedError(
                f"{path}: is damaged; run 'medclip-search build {writer.library} --repair'"
            )
