"""A tray taken back in from the JSON that it was exported as."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from medclip_search.api import Library
from medclip_search.errors import TrayFileError
from medclip_search.exports.tables import FORMAT, VERSION
from medclip_search.state import DEFAULT_TRAY, LOCAL_USER, State, TrayEntry
from medclip_search.state.trays import MOST_NAME, tray_name, tray_note

MOST_BYTES = 16 << 20
MOST_CASES = 5_000
"""No tray that somebody looks through is larger."""

_MOST_ID = 1_000
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Imported:
    """Under which name a tray was taken in, with how many cases, and what to know of it."""

    name: str
    cases: int
    notes: tuple[str, ...] = ()


def import_tray(
    state: State,
    library: Library,
    content: bytes | str,
    name: str | None = None,
    *,
    user: str = LOCAL_USER,
    replace: bool = False,
) -> Imported:
    """Make a tray of an exported one, under its own name or ``name``.

    A tray that has the name stays, and the new one is numbered, unless it is to be replaced.
    Cases that this library lacks are kept, and are shown as gone. From another library they are
    matched by id, and one whose caption is another here is another figure: it is left out, and the
    notes say so. Raises ``TrayFileError`` for what is no such file, ``UsageError`` for a bad name.
    """
    whole = _parsed(content)
    entries = [_entry(number, one) for number, one in enumerate(whole["cases"], start=1)]
    cases = {case.id: case for case in library.cases([entry.case_id for entry in entries])}
    notes = []
    strangers: set[str] = set()
    origin = whole.get("library")
    if isinstance(origin, str) and origin != library.id:
        captions = {one["id"]: one.get("caption") for one in whole["cases"]}
        strangers = {
            case.id
            for case in cases.values()
            if captions[case.id] is not None and captions[case.id] != case.caption
        }
        notes.append(f"exported from another library ({origin[:_MOST_ID]}); cases match by id")
    kept = [entry for entry in entries if entry.case_id not in strangers]
    gone = [entry.case_id for entry in kept if entry.case_id not in cases]
    if strangers:
        named = _listed(sorted(strangers))
        notes.append(f"{_are(len(strangers))} another figure here, and left out: {named}")
    if gone:
        notes.append(f"{_are(len(gone))} not in this library, and kept as gone: {_listed(gone)}")
    wanted = tray_name(name if name is not None else _name(whole))
    if not replace:
        wanted = _distinct(wanted, state.trays(user, library.id))
    name = state.put_tray(user, library.id, wanted, kept)
    return Imported(name, len({entry.case_id for entry in kept}), tuple(notes))


def _parsed(content: bytes | str) -> dict[str, Any]:
    if len(content) > MOST_BYTES:
        raise TrayFileError(f"the file is larger than {MOST_BYTES >> 20} MB; no tray is")
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise TrayFileError("not JSON; give the file that a tray was exported to as JSON") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("cases"), list):
        raise TrayFileError("not a tray; give the file that one was exported to as JSON")
    if whole.get("format", FORMAT) != FORMAT or whole.get("version", VERSION) != VERSION:
        raise TrayFileError("a tray in a form that this program does not know; upgrade it")
    if len(whole["cases"]) > MOST_CASES:
        raise TrayFileError(f"it has more than {MOST_CASES:,} cases; export it in parts")
    return whole


def _entry(number: int, one: object) -> TrayEntry:
    if not isinstance(one, dict):
        raise TrayFileError(f"case {number} is not an object; export the tray again")
    case_id = one.get("id")
    if not isinstance(case_id, str) or not 0 < len(case_id) <= _MOST_ID:
        raise TrayFileError(f"case {number} has no id; export the tray again")
    note = one.get("note") or ""
    if not isinstance(note, str):
        raise TrayFileError(f"case {number}: its note is not a text; export the tray again")
    try:
        added = datetime.fromisoformat(str(one.get("added")))
    except ValueError:
        added = datetime.now(UTC)
    return TrayEntry(case_id, added if added.tzinfo else added.replace(tzinfo=UTC), tray_note(note))


def _name(whole: dict[str, Any]) -> str:
    name = whole.get("tray")
    return name if isinstance(name, str) and name.strip() else DEFAULT_TRAY


def _distinct(name: str, taken: dict[str, int]) -> str:
    """The name, or it with a number: an empty tray of that name may be filled."""
    numbered, again = name, 2
    while taken.get(numbered):
        end = f" ({again})"
        numbered, again = f"{name[: MOST_NAME - len(end)]}{end}", again + 1
    return numbered


def _are(count: int) -> str:
    return "1 case is" if count == 1 else f"{count:,} cases are"


def _listed(ids: Sequence[str]) -> str:
    more = ", …" if len(ids) > _TOLD else ""
    return ", ".join(ids[:_TOLD]) + more
