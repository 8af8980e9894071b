"""The demonstration: a library of sample images, two searches in the terminal, then the app."""

from __future__ import annotations

import os
import shlex
import sys
import threading
import webbrowser
from pathlib import Path

import platformdirs

from medclip_search import terminal
from medclip_search.api import Library, build
from medclip_search.search.query import Query
from medclip_search.server.main import serve


def run(library: Path | None, port: int) -> None:
    """Build (or bring up to date) the sample library, search it twice, and serve it."""
    path = library or Path(platformdirs.user_data_dir("medclip-search", False)) / "sample-library"
    build(path, ["sample"], report=terminal.skip_line, progress=terminal.bars)
    with Library.open(path) as opened:
        words = opened.examples()[0]
        _show(["search", str(path), *words.split()], opened, Query(text=words))
        first = opened.search(Query(text=words), k=1)[0]
        assert first.case.image is not None
        command = ["search", str(path), "--image", str(first.case.image.path)]
        _show(command, opened, Query(image=opened.image(first.id)))
    print(
        "\nThe sample is small. Build a library of your own:\n"
        "  medclip-search build my-library --corpus folder=/data/my-figures\n"
        "  medclip-search build my-library --corpus dicom=/data/studies\n"
        "  medclip-search build my-library --corpus roco=/data/roco\n"
        "  medclip-search build my-library --corpus pmc-oa=/data/pmc-oa --encoder biomedclip\n"
    )
    if _has_screen():
        opening = threading.Timer(3.0, webbrowser.open, (f"http://127.0.0.1:{port}",))
        opening.daemon = True
        opening.start()
    serve(path, port=port)


def _has_screen() -> bool:
    """Whether a browser window can be opened: on servers and in CI the address must do."""
    if not sys.stdout.isatty():
        return False
    return sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def _show(command: list[str], library: Library, query: Query) -> None:
    print(f"\n$ medclip-search {shlex.join(command)} -k 3")
    hits = library.search(query, k=3)
    print(terminal.table(hits))
    print(terminal.closing(hits))
    for note in hits.notes:
        print(f"note: {note}")
