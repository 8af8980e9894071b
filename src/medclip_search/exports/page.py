"""A tray as a page to teach from: one HTML file that needs nothing else, made for print."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.cases import Case
from medclip_search.exports.citations import references
from medclip_search.exports.licences import Sharing, sharing, sharing_sentence
from medclip_search.exports.pictures import Pictures, jpeg, shown
from medclip_search.exports.tables import GONE
from medclip_search.exports.tray import Kept, Tray

PRINTED = 1600
"""Pixels at a figure's longer side: 240 dots an inch at the width of a page."""

# The notice stands in a table's foot, which every browser repeats on each printed page.
_STYLE = """
  @page { size: auto; margin: 14mm 15mm 12mm; }
  * { box-sizing: border-box; }
  body { font: 11pt/1.45 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; color: #111;
    background: #fff; margin: 0 auto; padding: 1rem; max-width: 190mm; }
  table { width: 100%; border-collapse: collapse; table-layout: fixed; }
  td { padding: 0; }
  tfoot td { padding-top: 3mm; font-size: 9pt; text-align: center; color: #444; }
  h1 { font-size: 20pt; line-height: 1.2; margin: 0 0 2mm; overflow-wrap: anywhere; }
  h2 { font-size: 12pt; margin: 0 0 2mm; break-after: avoid; }
  p { margin: 0 0 2mm; overflow-wrap: anywhere; }
  .about { color: #444; margin-bottom: 6mm; }
  section { break-inside: avoid; padding-bottom: 8mm; }
  .answers { break-before: page; }
  figure { margin: 0 0 3mm; break-inside: avoid; }
  img { display: block; max-width: 100%; max-height: 135mm; margin: 0 auto; }
  .note { white-space: pre-wrap; border-inline-start: 1mm solid #0b6780;
    padding-inline-start: 3mm; }
  .cite { font-size: 9pt; color: #333; }
  .ask { font-size: 9pt; font-weight: 600; }
  @media print { body { padding: 0; max-width: none; } }
"""


def to_page(tray: Tray, pictures: Pictures, *, quiz: bool = False) -> Iterator[str]:
    """The page in parts, one figure in memory at a time. Raises ``LibraryError``.

    ``quiz`` shows the figures alone, and tells captions, notes and sources at the end.
    """
    title = html.escape(tray.name)
    yield (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<table>\n"
        f"<tfoot><tr><td>{NOT_FOR_DIAGNOSIS}</td></tr></tfoot>\n<tbody><tr><td>\n"
        f'<h1>{title}</h1>\n<p class="about">{_about(tray, quiz)}</p>\n'
    )
    for number, one in enumerate(tray.kept, start=1):
        yield f"<section>\n<h2>{number}</h2>\n{_figure(number, one, pictures, quiz)}"
        yield "</section>\n" if quiz else f"{_told(one)}</section>\n"
    if quiz:
        yield '<div class="answers">\n<h1>Answers</h1>\n'
        for number, one in enumerate(tray.kept, start=1):
            yield f"<section>\n<h2>{number}</h2>\n{_told(one)}</section>\n"
        yield "</div>\n"
    yield "</td></tr></tbody>\n</table>\n</body>\n</html>\n"


def _about(tray: Tray, quiz: bool) -> str:
    count = "1 figure" if len(tray.kept) == 1 else f"{len(tray.kept):,} figures"
    parts = [f"{count}, chosen with MedClip Search."]
    if quiz:
        parts.append("What they show is told at the end.")
    return html.escape(" ".join([*parts, *tray.warnings()]))


def _figure(number: int, one: Kept, pictures: Pictures, quiz: bool) -> str:
    if one.case is None:
        return f"<p>{html.escape(one.id)}: {GONE}</p>\n"
    found = shown(one.case, pictures)
    if found is None:
        return "<p>No picture</p>\n"
    data = base64.b64encode(jpeg(found.picture, PRINTED)).decode()
    alt = f"Figure {number}" if quiz or not one.case.caption else one.case.caption
    small = "" if found.full_size else '<p class="cite">Full-size file gone: a thumbnail</p>\n'
    source = f"data:image/jpeg;base64,{data}"
    return f'<figure><img src="{source}" alt="{html.escape(alt)}"></figure>\n{small}'


def _told(one: Kept) -> str:
    """Caption, note, citation and licence; all of it escaped."""
    case = one.case
    note = f'<p class="note">{html.escape(one.note)}</p>\n' if one.note else ""
    return note if case is None else f"{_caption(case)}{note}{_source(case)}"


def _caption(case: Case) -> str:
    return f"<p>{html.escape(case.caption) or 'No caption'}</p>\n"


def _source(case: Case) -> str:
    (work,) = references([case])
    style = "ask" if sharing(case) is Sharing.ASK else "cite"
    return (
        f'<p class="cite">{html.escape(work.text())}</p>\n'
        f'<p class="{style}">{html.escape(sharing_sentence(case))}</p>\n'
    )
