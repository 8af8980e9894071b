"""The commands ``tray …``: what is kept of a library, its notes and order, exports and imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from medclip_search.errors import StateError, TrayFileError, UsageError

if TYPE_CHECKING:
    from medclip_search.api import Library
    from medclip_search.state import State

_PATH = click.Path(path_type=Path)
_LIBRARY = click.argument("library", type=_PATH)
_TRAY = click.option("--tray", "name", metavar="NAME", help="Which tray; by default the current.")
_IDS = click.argument("ids", nargs=-1, required=True, metavar="ID …")


@click.group()
def tray() -> None:
    """Named trays of cases kept of a library, in order and with notes.

    The app shows the same ones. A command that names no tray means the current one.
    """


@tray.command("list")
@_LIBRARY
def list_trays(library: Path) -> None:
    """List the trays, and how many cases each holds; * is the current one."""
    with _opened(library) as (opened, state, user):
        current = state.current_tray(user, opened.id)
        for name, count in state.trays(user, opened.id).items():
            click.echo(f"{'*' if name == current else ' '} {count:>5}  {name}")


@tray.command()
@_LIBRARY
@_TRAY
def show(library: Path, name: str | None) -> None:
    """Show a tray's cases in order, with their notes."""
    from medclip_search.exports.tables import GONE
    from medclip_search.exports.tray import read_tray

    with _opened(library) as (opened, state, user):
        kept = read_tray(state, opened, name, user)
    for place, one in enumerate(kept.kept, start=1):
        caption = GONE if one.case is None else " ".join(one.case.caption.split())
        click.echo(f"{place:>3}  {one.id}  {caption[:100]}")
        for line in one.note.splitlines():
            click.echo(f"     | {line}")


@tray.command()
@_LIBRARY
@_IDS
@_TRAY
@click.option("--note", metavar="TEXT", help="What you want to remember of it.")
@click.option("--place", type=click.IntRange(1), metavar="N", help="Where to put it; 1 is first.")
def add(
    library: Path, ids: tuple[str, ...], name: str | None, note: str | None, place: int | None
) -> None:
    """Put cases into a tray, made if it is new; or give those in it a note or a place."""
    from medclip_search.exports.tray import keep_case

    with _opened(library) as (opened, state, user):
        there = {entry.case_id for entry in state.tray(user, opened.id, name)}
        for case_id in ids:
            if case_id not in there:
                opened.case(case_id)  # what is in neither is told before anything is written
        for step, case_id in enumerate(ids):
            at = None if place is None else place - 1 + step
            keep_case(state, opened, case_id, name, note=note, place=at, user=user)


@tray.command()
@_LIBRARY
@_IDS
@_TRAY
def remove(library: Path, ids: tuple[str, ...], name: str | None) -> None:
    """Take cases out of a tray, with their notes."""
    with _opened(library) as (opened, state, user):
        _check(state, opened, user, ids, name)
        for case_id in ids:
            state.remove_from_tray(user, opened.id, case_id, name)


@tray.command()
@_LIBRARY
@_IDS
@click.option("--to", required=True, metavar="NAME", help="The other tray, made if it is new.")
@_TRAY
@click.option("--copy", is_flag=True, help="Leave them in the first tray too.")
def move(library: Path, ids: tuple[str, ...], to: str, name: str | None, copy: bool) -> None:
    """Move cases, with their notes, to the end of another tray."""
    with _opened(library) as (opened, state, user):
        _check(state, opened, user, ids, name)
        put = state.copy_to_tray if copy else state.move_to_tray
        for case_id in ids:
            put(user, opened.id, case_id, to, name)


@tray.command()
@_LIBRARY
@click.argument("name")
def use(library: Path, name: str) -> None:
    """Make a tray the current one, an empty one if it is new."""
    with _opened(library) as (opened, state, user):
        if name not in state.trays(user, opened.id):
            name = state.create_tray(user, opened.id, name)
        state.choose_tray(user, opened.id, name)


@tray.command()
@_LIBRARY
@click.argument("name")
@click.argument("new")
def rename(library: Path, name: str, new: str) -> None:
    """Call a tray otherwise."""
    with _opened(library) as (opened, state, user):
        state.rename_tray(user, opened.id, name, new)


@tray.command()
@_LIBRARY
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(library: Path, name: str, yes: bool) -> None:
    """Delete a tray with the notes in it; asks first."""
    with _opened(library) as (opened, state, user):
        count = len(_read(state, opened, name, user))
        if not yes and count:
            click.confirm(f"Delete {name} with its {count} cases and notes?", abort=True, err=True)
        state.delete_tray(user, opened.id, name)


@tray.command("export")
@_LIBRARY
@_TRAY
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json", "bibtex", "ris", "zip", "html", "quiz"]),
    required=True,
    help="html is a page made for print, quiz one that tells the captions at its end.",
)
@click.option("--output", type=_PATH, metavar="FILE", help="Where to; - is the standard output.")
def export(library: Path, name: str | None, form: str, output: Path | None) -> None:
    """Write a tray to a file: a table, references, its figures, or a page to teach from."""
    from medclip_search import terminal
    from medclip_search.exports.files import export_tray, file_name
    from medclip_search.exports.tray import read_tray

    with _opened(library) as (opened, state, user):
        kept = read_tray(state, opened, name, user)
        target = output if output is not None else Path(file_name(kept, form))
        with _written(target) as file:
            for part in export_tray(kept, form, opened):
                file.write(part)
    terminal.say(f"{kept.name}: {terminal.counted(len(kept.kept), 'case')} written to {target}")
    for warning in kept.warnings():
        terminal.say(warning)


@tray.command("import")
@_LIBRARY
@click.argument("file", type=_PATH)
@click.option("--tray", "name", metavar="NAME", help="What to call it; by default as it was.")
@click.option("--replace", is_flag=True, help="Take the place of a tray of that name.")
def import_(library: Path, file: Path, name: str | None, replace: bool) -> None:
    """Make a tray of one that was exported as JSON or as ZIP."""
    from medclip_search import terminal
    from medclip_search.exports.importing import MOST_FILE, import_tray

    try:
        with file.open("rb") as opened_file:
            content = opened_file.read(MOST_FILE + 1)
    except OSError as error:
        raise TrayFileError(f"{file}: cannot be read ({error.strerror})") from None
    with _opened(library) as (opened, state, user):
        try:
            made = import_tray(state, opened, content, name, user=user, replace=replace)
        except TrayFileError as error:
            raise TrayFileError(f"{file}: {error}") from None
    terminal.say(f"{made.name}: {terminal.counted(made.cases, 'case')} imported")
    for note in made.notes:
        terminal.say(note)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Library, State, str]]:
    from medclip_search.api import Library
    from medclip_search.state import LOCAL_USER, State

    with Library.open(path) as library, State.open() as state:
        yield library, state, LOCAL_USER


@contextmanager
def _written(target: Path) -> Iterator[BinaryIO]:
    if str(target) == "-":
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    part = target.with_name(f"{target.name}.part")  # a file is there whole, or not at all
    try:
        try:
            with part.open("wb") as file:
                yield file
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StateError(
            f"{target}: cannot be written ({error.strerror}); name another --output"
        ) from None


def _read(state: State, library: Library, name: str | None, user: str) -> list[str]:
    from medclip_search.exports.tray import read_tray

    return [one.id for one in read_tray(state, library, name, user).kept]


def _check(
    state: State, library: Library, user: str, ids: tuple[str, ...], name: str | None
) -> None:
    kept = set(_read(state, library, name, user))
    for case_id in ids:
        if case_id not in kept:
            raise UsageError(f"{case_id}: not in the tray; see 'medclip-search tray show'")
