"""The text index's files: linking, counting and opening them without writing to their folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tantivy

from medclip_search.errors import LibraryDamagedError


def index_files(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.iterdir()) if file.is_file() and file.suffix != ".lock")


def link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@dataclass(frozen=True, slots=True)
class Counts:
    """Documents, those of them deleted, segments, and bytes on disk."""

    total: int
    deleted: int
    segments: int
    bytes: int


def read_counts(folder: Path) -> Counts:
    """What the index's own ``meta.json`` says, and the size of its files, which are all there."""
    try:
        segments = json.loads((folder / "meta.json").read_text("utf-8"))["segments"]
        total = sum(segment["max_doc"] for segment in segments)
        deleted = sum((segment["deletes"] or {}).get("num_deleted_docs", 0) for segment in segments)
        for segment in segments:
            # tantivy opens a segment without its positions, and fails at the first phrase.
            (folder / f"{segment['segment_id'].replace('-', '')}.pos").stat()
        size = sum(file.stat().st_size for file in index_files(folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(folder, error) from error
    return Counts(total, deleted, len(segments), size)


def open_index(folder: Path, through: Path | None = None) -> tantivy.Index:
    """Open the index of ``folder``, by the files in ``through`` where they are linked to."""
    files = through or folder
    try:
        return tantivy.Index.open(str(files))
    except (ValueError, OSError) as error:
        raise damaged(folder, error, files) from error


def damaged(folder: Path, error: Exception, through: Path | None = None) -> LibraryDamagedError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if through is not None:
        reason = reason.replace(str(through), str(folder))
    return LibraryDamagedError(
        f"{folder}: the text index cannot be opened ({reason[:200]}); "
        "run 'medclip-search build --repair' on the library"
    )


@contextmanager
def links_to(folder: Path) -> Iterator[Path]:
    """A private, writable folder of links: tantivy takes a lock file even to read."""
    private = Path(tempfile.mkdtemp(prefix="medclip-text-"))
    try:
        for file in index_files(folder):
            try:
                (private / file.name).symlink_to(file.resolve())
            except OSError:
                link_or_copy(file, private / file.name)
        yield private
    finally:
        shutil.rmtree(private, ignore_errors=True)
