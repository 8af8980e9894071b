"""Known-item search on ROCO: does every caption, given back as a query, find its own case first?

    python benchmarks/roco_captions.py DATA [--library LIBRARY] [--without-whole]

DATA is a ROCO folder (``data/{train,validation,test}/…/captions.txt``). Each caption is asked as it
stands, operators and all; the first answer must be its own case or one with an equal caption.
``--library`` asks ``Library.search`` of a library built from that folder instead of the text index
alone. ``--without-whole`` asks for the caption's terms only (plain BM25), which shows why the index
looks for whole captions: short captions lose against longer ones that repeat their words.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from medclip_search import Library, Query
from medclip_search.indexes.text import TextDocument, TextIndex, build_text_index

Rows = list[tuple[str, str]]
Ask = Callable[[str], str | None]
"""From a query text to the caption of the first answer."""


def read_captions(root: Path) -> Rows:
    """(id, caption) of every case with a caption."""
    rows = []
    for file in sorted((root / "data").glob("*/*/captions.txt")):
        for line in file.read_text("utf-8").splitlines():
            case_id, _, caption = line.partition("\t")
            if caption.strip():
                rows.append((case_id, caption.strip()))
    return rows


def ask_index(index: TextIndex, rows: Rows, *, whole: bool) -> Ask:
    def ask(words: str) -> str | None:
        if whole:
            keys, _ = index.search(words, 1)
        else:
            keys, _ = index.search_terms(dict.fromkeys(index.terms(words), 1.0), 1)
        return rows[keys[0]][1] if len(keys) else None

    return ask


def ask_library(library: Library) -> Ask:
    def ask(words: str) -> str | None:
        hits = library.search(Query(text=words), k=1)
        return hits[0].case.caption if len(hits) else None

    return ask


def report(ask: Ask, rows: Rows, shown: int) -> None:
    began = time.perf_counter()
    lost = [
        (case_id, caption, first) for case_id, caption in rows if (first := ask(caption)) != caption
    ]
    milliseconds = (time.perf_counter() - began) * 1000 / max(len(rows), 1)
    print(f"{len(rows)} captions, {len({caption for _, caption in rows})} distinct")
    print(
        f"{len(lost)} do not rank their own or an equal caption first ({milliseconds:.2f} ms each)"
    )
    for case_id, caption, first in lost[:shown]:
        print(f"  {case_id}: {caption[:90]!r}\n    first: {(first or 'nothing')[:90]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--library", type=Path)
    parser.add_argument("--without-whole", action="store_true")
    parser.add_argument("--show", type=int, default=10, help="how many examples to print")
    arguments = parser.parse_args()
    rows = read_captions(arguments.data)
    if arguments.library is not None:
        with Library.open(arguments.library) as library:
            report(ask_library(library), rows, arguments.show)
        return
    with tempfile.TemporaryDirectory() as folder:
        documents = (TextDocument(k, i, caption) for k, (i, caption) in enumerate(rows))
        build_text_index(documents, Path(folder))
        index = TextIndex.open(Path(folder))
        report(ask_index(index, rows, whole=not arguments.without_whole), rows, arguments.show)
        index.close()


if __name__ == "__main__":
    main()
