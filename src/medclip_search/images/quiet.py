"""Decoders that neither warn nor log, in the threads that ask for it.

Pillow and pydicom report what they find odd as Python warnings and log records, and pydicom's
quote the header, patient's name included. ``warnings.catch_warnings`` swaps state that all
threads share, so here one filter stays in place and asks who is warning.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = (
    "PIL.Image",
    "PIL.PngImagePlugin",
    "PIL.TiffImagePlugin",
    "pydicom",
    "pydicom.pixels.decoders.base",
    "pydicom.pixels.utils",
)

_thread = threading.local()


def _hushed() -> bool:
    return getattr(_thread, "depth", 0) > 0


class _WhileHushed(type):
    """Every warning counts as a subclass while the thread that raises it is hushed."""

    def __subclasscheck__(cls, subclass: type) -> bool:
        return _hushed()


class _HushedWarning(Warning, metaclass=_WhileHushed):
    """The category of the one filter."""


def _is_wanted(record: logging.LogRecord) -> bool:
    return not _hushed()


for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(_is_wanted)


@contextmanager
def quietly() -> Iterator[None]:
    """Drop the warnings and decoder log records of this thread, and of no other."""
    if not any(entry[2] is _HushedWarning for entry in warnings.filters):
        warnings.simplefilter("ignore", _HushedWarning)
    _thread.depth = getattr(_thread, "depth", 0) + 1
    try:
        yield
    finally:
        _thread.depth -= 1
