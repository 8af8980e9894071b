"""Every form that a tray is exported in: what it is called, and how it is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from medclip_search.errors import UsageError
from medclip_search.exports.archive import to_zip
from medclip_search.exports.bibtex import to_bibtex
from medclip_search.exports.page import to_page
from medclip_search.exports.pictures import Pictures
from medclip_search.exports.ris import to_ris
from medclip_search.exports.tables import to_csv, to_json
from medclip_search.exports.tray import Tray


@dataclass(frozen=True, slots=True)
class Form:
    """One form: its suffix, its media type, and what writes it in parts."""

    suffix: str
    media_type: str
    write: Callable[[Tray, Pictures], Iterable[str | bytes]]


FORMS = {
    "csv": Form("csv", "text/csv", lambda tray, _: [to_csv(tray)]),
    "json": Form("json", "application/json", lambda tray, _: [to_json(tray)]),
    "bibtex": Form("bib", "application/x-bibtex", lambda tray, _: [to_bibtex(tray.references())]),
    "ris": Form(
        "ris", "application/x-research-info-systems", lambda tray, _: [to_ris(tray.references())]
    ),
    "zip": Form("zip", "application/zip", to_zip),
    "html": Form("html", "text/html", to_page),
    "quiz": Form("html", "text/html", partial(to_page, quiz=True)),
}


def export_tray(tray: Tray, form: str, pictures: Pictures) -> Iterator[bytes]:
    """The bytes of an export, in parts; ``form`` is one of ``FORMS``, else ``UsageError``.

    ``pictures`` is the library. Raises ``LibraryError`` where that cannot be read.
    """
    if form not in FORMS:
        raise UsageError(f"{form}: no such form; there are {', '.join(FORMS)}")
    return (
        part if isinstance(part, bytes) else part.encode("utf-8", "backslashreplace")
        for part in FORMS[form].write(tray, pictures)
    )


def file_name(tray: Tray, form: str) -> str:
    """What to call the file: ASCII letters that every system takes."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", tray.name).strip("-") or "tray"
    return f"medclip-{name}{'-quiz' if form == 'quiz' else ''}.{FORMS[form].suffix}"
