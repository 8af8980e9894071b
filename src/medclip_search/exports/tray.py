"""A tray as it is exported: its cases in order, with the user's notes, and those that are gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from medclip_search.api import Library
from medclip_search.cases import Case
from medclip_search.errors import TrayNotFoundError
from medclip_search.exports.citations import Reference, references
from medclip_search.exports.licences import Sharing, sharing
from medclip_search.state import LOCAL_USER, State
from medclip_search.state.trays import tray_note


@dataclass(frozen=True, slots=True)
class Kept:
    """One case of a tray; ``case`` is ``None`` where the library has it no more."""

    id: str
    case: Case | None
    note: str = ""
    added: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tray:
    """A tray, and the id of the library that its cases are of."""

    name: str
    library: str
    kept: tuple[Kept, ...]

    @property
    def cases(self) -> list[Case]:
        """Those that are still in the library."""
        return [one.case for one in self.kept if one.case is not None]

    @property
    def notes(self) -> dict[str, str]:
        return {one.id: one.note for one in self.kept if one.note}

    def references(self) -> list[Reference]:
        """The works to cite, with the notes."""
        return references(self.cases, self.notes)

    def warnings(self) -> list[str]:
        """What to heed before passing the tray on, in a sentence each."""
        gone = len(self.kept) - len(self.cases)
        kinds = [sharing(case) for case in self.cases]
        ask = sum(kind is Sharing.ASK for kind in kinds)
        limited = sum(kind is Sharing.NONCOMMERCIAL for kind in kinds)
        return [
            f"{_figures(count)} {says}."
            for count, says in (
                (ask, "under no licence known to allow passing on: ask the owner first"),
                (limited, "for non-commercial use only"),
                (gone, "no longer in this library"),
            )
            if count
        ]


def read_tray(
    state: State, library: Library, name: str | None = None, user: str = LOCAL_USER
) -> Tray:
    """A user's tray of a library, by default the current one.

    Raises ``TrayNotFoundError`` for a name that no tray has.
    """
    if name is None:
        name = state.current_tray(user, library.id)
    elif name not in state.trays(user, library.id):
        raise TrayNotFoundError(f"{name}: there is no such tray; see 'medclip-search tray list'")
    entries = state.tray(user, library.id, name)
    cases = {case.id: case for case in library.cases([entry.case_id for entry in entries])}
    kept = (Kept(one.case_id, cases.get(one.case_id), one.note, one.added) for one in entries)
    return Tray(name, library.id, tuple(kept))


def keep_case(
    state: State,
    library: Library,
    case_id: str,
    name: str | None = None,
    *,
    note: str | None = None,
    place: int | None = None,
    user: str = LOCAL_USER,
) -> bool:
    """Put a case into a tray, or give one in it another note or place (from 0); false then.

    Raises ``CaseNotFoundError`` for a case that is in neither the library nor the tray.
    """
    note = None if note is None else tray_note(note)  # refused before anything is written
    if all(one.case_id != case_id for one in state.tray(user, library.id, name)):
        library.case(case_id)
    added = state.add_to_tray(user, library.id, case_id, name)
    if note is not None:
        state.note_in_tray(user, library.id, case_id, note, name)
    if place is not None:
        state.place_in_tray(user, library.id, case_id, place, name)
    return added


def _figures(count: int) -> str:
    return "1 figure is" if count == 1 else f"{count:,} figures are"
