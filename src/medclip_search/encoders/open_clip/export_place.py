"""Where an export is put: one at a time, whole or not at all, and never over what is not ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from medclip_search.encoders.open_clip.exported import (
    FORMAT,
    NAMES,
    PAGE,
    ExportedModel,
    is_exported,
    read_exported,
)
from medclip_search.errors import EncoderError, UsageError
from medclip_search.progress import Progress


def found_in(folder: Path, mark: str, *, int8: bool) -> ExportedModel | None:
    """The model of this fingerprint where the folder holds it already, with all its files whole.

    ``int8`` asks for the 8-bit networks too. ``None`` where there is nothing, or an export of
    this model that is damaged or lacks what is asked for: it may be replaced. Raises
    ``UsageError`` where something else is there.
    """
    if not is_exported(folder):
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise UsageError(f"{folder}: is there and is not an exported model; choose another")
        return None
    _refuse_another_model(folder, mark)
    try:
        found = read_exported(folder)
        for name in found.description.files:
            found.checked(name)
        if found.has_int8 or not int8:
            return found
    except EncoderError:
        pass  # damaged
    _refuse_more_than_an_export(folder)
    return None


@contextmanager
def held(folder: Path, progress: Progress) -> Iterator[None]:
    """Nobody else exports to this folder meanwhile; waits for who does. Raises ``OSError``.

    The lock is a hidden file beside the folder, which stays there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        with progress("waiting for another export to this folder", None, "step"):
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def draft_of(folder: Path) -> Iterator[Path]:
    """A folder beside the one that is held, gone afterwards. Raises ``OSError``."""
    place = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(place, ignore_errors=True)  # of an export that was killed
    place.mkdir()
    try:
        draft = place / "whole"
        draft.mkdir()
        yield draft
    finally:
        shutil.rmtree(place, ignore_errors=True)


def put(draft: Path, folder: Path) -> None:
    """The draft takes the folder's place, in which is nothing or an export of the same model.

    Raises ``UsageError`` where something else was put there meanwhile, ``OSError``.
    """
    if folder.exists():
        _refuse_more_than_an_export(folder)
        folder.rename(draft.with_name("old"))
    draft.rename(folder)


def _refuse_another_model(folder: Path, mark: str) -> None:
    """Told from the page alone, for the other files may be damaged."""
    try:
        page = json.loads((folder / PAGE).read_text(encoding="utf-8"))
        written, newer = page.get("fingerprint", mark), page.get("format", FORMAT) > FORMAT
    except (OSError, ValueError, TypeError, AttributeError):
        return  # damaged beyond telling
    if newer:
        raise UsageError(
            f"{folder}: was exported by a newer medclip-search; upgrade this one, or choose "
            "another folder"
        )
    if written != mark:
        raise UsageError(f"{folder}: holds another exported model; choose another folder")


def _refuse_more_than_an_export(folder: Path) -> None:
    for one in sorted(folder.iterdir()):
        if one.name not in NAMES or one.is_dir():
            raise UsageError(
                f"{folder}: its export is to be made anew, but {one.name} is there too; move it "
                "elsewhere, or choose another folder"
            )
