"""Writing the text index, anew or as an update that shares the unchanged files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import tantivy

from medclip_search.indexes.text.analyser import ANALYSER, analyser, sound
from medclip_search.indexes.text.files import (
    index_files,
    link_or_copy,
    open_index,
    read_counts,
)
from medclip_search.indexes.text.marks import caption_marks, id_mark

FIELD_WEIGHTS = {"caption": 1.0, "keywords": 0.25}
"""Keywords often repeat the caption, so they only nudge (see benchmarks/roco_captions.py)."""

_HEAP = 1 << 30
"""Taken as far as needed: 1.6 million captions become one segment, which is searched a fifth faster
than five."""
_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class TextDocument:
    """What the text index knows of a case: its key, and the texts it is found by."""

    key: int
    id: str
    caption: str
    keywords: tuple[str, ...] = ()


def build_text_index(
    documents: Iterable[TextDocument],
    folder: Path,
    *,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Index documents into ``folder``, which exists and is empty.

    ``progress`` is told, now and then, how many documents more have been added.
    """
    index = tantivy.Index(_schema(), str(folder), reuse=False)
    _write(index, folder, (), documents, progress)


def update_text_index(
    previous: Path,
    folder: Path,
    removed_keys: Iterable[int],
    documents: Iterable[TextDocument],
    *,
    progress: Callable[[int], None] | None = None,
) -> None:
    """The index of ``previous`` less the removed keys, plus documents, in the empty ``folder``.

    An edited case is a removed key and a document. Segments are immutable and are shared by hard
    links; no file of ``previous`` is ever written to. Removed documents still count in document
    frequencies until their segment is merged: see ``deleted_share``.
    """
    for file in index_files(previous):
        # tantivy replaces its two small JSON files whole, but a link to them saves nothing.
        if file.suffix == ".json":
            shutil.copyfile(file, folder / file.name)
        else:
            link_or_copy(file, folder / file.name)
    _write(open_index(folder), folder, removed_keys, documents, progress)


def deleted_share(folder: Path) -> float:
    """Which share of the documents in the index's files is deleted, 0 to 1.

    They take room and blur document frequencies; above a tenth or so, build the index anew.
    """
    counts = read_counts(folder)
    return counts.deleted / counts.total if counts.total else 0.0


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # A signed field: tantivy-py turns a Python int into a signed term when it deletes.
    builder.add_integer_field("key", indexed=True, fast=True)
    for field in FIELD_WEIGHTS:
        builder.add_text_field(field, tokenizer_name=ANALYSER)
    builder.add_text_field("exact", tokenizer_name="raw", index_option="basic")
    return builder.build()


def _write(
    index: tantivy.Index,
    folder: Path,
    removed_keys: Iterable[int],
    documents: Iterable[TextDocument],
    progress: Callable[[int], None] | None,
) -> None:
    index.register_tokenizer(ANALYSER, analyser())
    schema = index.schema
    writer = index.writer(_HEAP, 1)
    removed = iter(removed_keys)
    while batch := list(islice(removed, _BATCH)):
        writer.delete_documents_by_query(tantivy.Query.term_set_query(schema, "key", batch))
    stream = iter(documents)
    while some := list(islice(stream, 1000)):
        for document in some:
            writer.add_document(_tantivy_document(document))
        if progress is not None:
            progress(len(some))
    writer.commit()
    writer.garbage_collect_files()
    writer.wait_merging_threads()
    del writer
    for lock in folder.glob("*.lock"):
        lock.unlink()


def _tantivy_document(document: TextDocument) -> tantivy.Document:
    made = tantivy.Document()
    made.add_integer("key", document.key)
    if document.caption:
        made.add_text("caption", sound(document.caption))
        for mark in caption_marks(document.caption):
            made.add_text("exact", mark)
    for keyword in document.keywords:
        made.add_text("keywords", sound(keyword))
    made.add_text("exact", id_mark(document.id))
    return made
