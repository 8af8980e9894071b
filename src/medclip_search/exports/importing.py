"""A tray taken back in from the JSON that it was exported as, or the ZIP that has it."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from medclip_search.api import Library
from medclip_search.errors import TrayFileError, UsageError
from medclip_search.exports.archive import TRAY_JSON
from medclip_search.exports.tables import FORMAT, VERSION
from medclip_search.state import DEFAULT_TRAY, LOCAL_USER, State, TrayEntry
from medclip_search.state.trays import MOST_NAME, tray_name, tray_note

MOST_BYTES = 16 << 20
"""What the JSON of a tray has at most."""
MOST_FILE = 64 << 20
"""What is taken in of a ZIP, with the figures in it."""
MOST_CASES = 5_000
"""No tray that somebody looks through is larger."""

_MOST_ID = 1_000
_REMEDY = "give the file that a tray was exported to as JSON or ZIP"
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
    if isinstance(content, bytes) and content.startswith(b"PK"):
        content = _unzipped(content)
    if len(content) > MOST_BYTES:
        raise TrayFileError(f"the file is larger than {MOST_BYTES >> 20} MB; no tray is")
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise TrayFileError(f"not JSON; {_REMEDY}") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("cases"), list):
        raise TrayFileError(f"not a tray; {_REMEDY}")
    if whole.get("format", FORMAT) != FORMAT or whole.get("version", VERSION) != VERSION:
        raise TrayFileError("a tray in a form that this program does not know; upgrade it")
    if len(whole["cases"]) > MOST_CASES:
        raise TrayFileError(f"it has more than {MOST_CASES:,} cases; export it in parts")
    return whole


def _unzipped(content: bytes) -> bytes:
    """The JSON in a ZIP that a tray was exported to; no more of it than is taken."""
    if len(content) > MOST_FILE:
        limit = f"larger than {MOST_FILE >> 20} MB"
        raise TrayFileError(f"the ZIP is {limit}; import the {TRAY_JSON} that is in it")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open(TRAY_JSON) as member:
            return member.read(MOST_BYTES + 1)
    except KeyError:
        raise TrayFileError(f"a ZIP without a {TRAY_JSON}; {_REMEDY}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError):
        raise TrayFileError(f"a ZIP that is damaged or locked; {_REMEDY}") from None


def _entry(number: int, one: object) -> TrayEntry:
    if not isinstance(one, dict):
        raise TrayFileError(f"case {number} is not an object; export the tray again")
    case_id = one.get("id")
    if not isinstance(case_id, str) or not 0 < len(case_id) <= _MOST_ID or _broken(case_id):
        raise TrayFileError(f"case {number} has no id; export the tray again")
    note = one.get("note") or ""
    if not isinstance(note, str):
        raise TrayFileError(f"case {number}: its note is not a text; export the tray again")
    try:
        added = datetime.fromisoformat(str(one.get("added")))
    except ValueError:
        added = datetime.now(UTC)
    try:
        note = tray_note(note)
    except UsageError as error:
        raise TrayFileError(f"case {number}: {error}") from None
    return TrayEntry(case_id, added if added.tzinfo else added.replace(tzinfo=UTC), note)


def _broken(text: str) -> bool:
    """Whether it has half a character (a lone surrogate), which JSON can write and UTF-8 cannot."""
    return any("\ud800" <= one <= "\udfff" for one in text)


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
