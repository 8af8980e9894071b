"""The library that a benchmark is given at the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from medclip_search.errors import LibraryError
from medclip_search.library.layout import CURRENT, read_current


def library_at(given: str) -> Path:
    """The path of a library, as argparse wants it: what is none ends in a line, not a traceback."""
    path = Path(given)
    try:
        read_current(path)
    except LibraryError as error:
        inside = path / "library"
        told = (
            f"{path}: is not a library, but {inside} is" if (inside / CURRENT).exists() else error
        )
        raise argparse.ArgumentTypeError(str(told)) from None
    return path
