"""``--corpus``, ``--columns`` and ``--images`` as text, and specs as JSON."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medclip_search.corpora.base import CorpusSpec
from medclip_search.errors import CorpusError, UsageError

KINDS: Mapping[str, str] = {
    "roco": "ROCO v1, a folder",
    "rocov2": "ROCO version 2, a folder",
    "pmc-oa": "PMC-OA, a folder",
    "dicom": "a folder of DICOM",
    "beir": "a judged collection as BEIR lays it out, a folder",
    "trec": "a judged collection of SMART, a folder",
    "table": "CSV, TSV, JSON lines or Parquet, a file",
    "folder": "a folder of images",
    "sample": "the embedded sample",
}
"""Kinds of corpora, and what their path is."""

FIELDS = (
    "image", "caption", "id", "article", "licence", "year", "modality", "region", "keywords",
    "cuis",
)  # fmt: skip
"""Fields of a case that ``--columns`` may name a column for."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
HOW = f"write KIND=PATH or KIND:NAME=PATH, or sample alone (kinds: {', '.join(KINDS)})"


def parse_spec(
    text: str, *, columns: Mapping[str, str] | None = None, images: str | Path | None = None
) -> CorpusSpec:
    """One ``--corpus``: ``KIND=PATH``, ``KIND:NAME=PATH``, ``sample`` or ``sample:NAME``.

    The path is made absolute, since a library remembers it. Raises ``UsageError``.
    """
    left, equals, place = text.partition("=")
    kind, colon, name = left.strip().partition(":")
    if kind not in KINDS:
        raise UsageError(f"--corpus {_shown(text)}: no kind {_shown(kind)}; {HOW}")
    if colon and not NAME.fullmatch(name):
        raise UsageError(
            f"--corpus {_shown(text)}: a name is letters, digits, '.', '_' and '-'; {HOW}"
        )
    if kind == "sample" and equals:
        raise UsageError(f"--corpus {_shown(text)}: sample has no path; {HOW}")
    if kind != "sample" and not place.strip():
        raise UsageError(f"--corpus {_shown(text)}: {kind} needs a path; {HOW}")
    if kind != "table" and (columns or images is not None):
        raise UsageError(f"--corpus {_shown(text)}: --columns and --images belong to a table")
    return CorpusSpec(
        kind=kind,
        path=_absolute(place, "--corpus") if equals else None,
        name=name or kind,
        columns=dict(columns or {}),
        images=None if images is None else _absolute(str(images), "--images"),
    )


def parse_columns(text: str) -> dict[str, str]:
    """``image=FILE,caption=Text.Caption,id=ID`` as a mapping of fields to columns.

    Columns may hold commas, spaces, dots and colons. Raises ``UsageError``.
    """
    columns: dict[str, str] = {}
    for part in re.split(r",(?=\s*\w+\s*=)", text):
        field, equals, column = (piece.strip() for piece in part.partition("="))
        if field not in FIELDS or not equals or not column:
            raise UsageError(
                f"--columns {_shown(text)}: {_shown(part)} is not FIELD=COLUMN; "
                f"fields are {', '.join(FIELDS)}"
            )
        if field in columns:
            raise UsageError(f"--columns {_shown(text)}: {field} is given twice; give it once")
        columns[field] = column
    return columns


def parse_corpora(
    corpora: Sequence[str],
    columns: Sequence[str] = (),
    images: Sequence[str] = (),
    embeddings: Sequence[str] = (),
    frames: Sequence[str | int] = (),
) -> list[CorpusSpec]:
    """All ``--corpus`` with what the other options say of them.

    ``--columns [NAME:]FIELD=COLUMN,…``, ``--images [NAME=]DIR`` and
    ``--embeddings [NAME:]SPACE=FILE`` belong to the table of that name, or without one to every
    table that is given none of its own; ``--frames [NAME=]N`` belongs to DICOM in the same way.
    Raises ``UsageError``.
    """
    specs = [parse_spec(text) for text in corpora]
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--corpus: two are called {name}; name one, as in KIND:NAME=PATH")
    tables = {spec.name for spec in specs if spec.kind == "table"}
    series = {spec.name for spec in specs if spec.kind == "dicom"}
    by_columns: dict[str, dict[str, str]] = {}
    for text in columns:
        left, colon, rest = text.partition(":")
        named = bool(colon) and "=" not in left
        owner = left.strip() if named else ""
        _claim("--columns", text, owner, tables, by_columns, "table")
        by_columns[owner] = parse_columns(rest if named else text)
    by_images: dict[str, Path] = {}
    for text in images:
        left, equals, rest = text.partition("=")
        named = bool(equals) and left.strip() in names
        owner = left.strip() if named else ""
        _claim("--images", text, owner, tables, by_images, "table")
        by_images[owner] = _absolute(rest if named else text, "--images")
    by_embeddings: dict[str, dict[str, Path]] = {}
    for text in embeddings:
        owner, space, path = _parse_embeddings(text)
        _claim("--embeddings", text, owner, tables, {}, "table")
        spaces = by_embeddings.setdefault(owner, {})
        if space in spaces:
            raise UsageError(f"--embeddings {_shown(text)}: {space} is given twice; give it once")
        spaces[space] = path
    by_frames: dict[str, int] = {}
    for given in frames:
        text = str(given)
        left, equals, rest = text.partition("=")
        owner = left.strip() if equals else ""
        _claim("--frames", text, owner, series, by_frames, "dicom")
        by_frames[owner] = _parse_frames(rest if equals else text, text)
    return [
        replace(
            spec,
            columns=by_columns.get(spec.name, by_columns.get("", {})),
            images=by_images.get(spec.name, by_images.get("")),
            embeddings=by_embeddings.get(spec.name, by_embeddings.get("", {})),
        )
        if spec.kind == "table"
        else replace(spec, frames=by_frames.get(spec.name, by_frames.get("", 0)))
        if spec.kind == "dicom"
        else spec
        for spec in specs
    ]


def _parse_embeddings(text: str) -> tuple[str, str, Path]:
    """``[NAME:]SPACE=FILE``: whose they are, the space, and the file."""
    left, equals, file = text.partition("=")
    owner, colon, space = left.rpartition(":")
    if not equals or not NAME.fullmatch(space.strip()) or (colon and not owner.strip()):
        raise UsageError(
            f"--embeddings {_shown(text)}: write SPACE=FILE.npy, or TABLE:SPACE=FILE.npy; a "
            "space's name is letters, digits, '.', '_' and '-'"
        )
    return owner.strip(), space.strip(), _absolute(file, "--embeddings")


def _parse_frames(number: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", number.strip()) or int(number) < 1:
        raise UsageError(f"--frames {_shown(text)}: give a whole number from 1 to 999,999")
    return int(number)


def _claim(
    option: str, text: str, owner: str, owners: set[str], taken: Mapping[str, object], kind: str
) -> None:
    """Raise unless an option belongs to a corpus of its kind that has none yet."""
    if not owners:
        place = "FILE" if kind == "table" else "DIR"
        raise UsageError(
            f"{option} {_shown(text)}: no {kind} to belong to; add --corpus {kind}={place}"
        )
    if owner and owner not in owners:
        raise UsageError(
            f"{option} {_shown(text)}: no {kind} is called {_shown(owner)}; "
            f"there are: {', '.join(sorted(owners))}"
        )
    if owner in taken:
        whose = owner or f"every {kind}"
        raise UsageError(f"{option} {_shown(text)}: given twice for {whose}; give it once")


def _absolute(text: str, option: str) -> Path:
    text = text.strip()
    try:
        text.encode()
        if "\0" in text or not text:
            raise ValueError
        return Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - links stay links
    except (ValueError, RuntimeError):  # no such user, a NUL, or bytes that are no UTF-8
        raise UsageError(f"{option} {_shown(text)}: not a usable path; give another") from None


def _shown(text: str) -> str:
    """A user's text within one line of an error."""
    return repr(text if len(text) <= 80 else text[:79] + "…")


def spec_to_json(spec: CorpusSpec) -> dict[str, Any]:
    """A spec as plain JSON, for the library to remember."""
    return {
        "kind": spec.kind,
        "name": spec.name,
        "path": None if spec.path is None else str(spec.path),
        "columns": dict(spec.columns),
        "images": None if spec.images is None else str(spec.images),
        **(
            {"embeddings": {s: str(p) for s, p in spec.embeddings.items()}}
            if spec.embeddings
            else {}
        ),
        **({"frames": spec.frames} if spec.frames else {}),
    }


def spec_from_json(data: Mapping[str, Any]) -> CorpusSpec:
    """The spec that ``spec_to_json`` wrote; raises ``CorpusError`` for anything else."""
    try:
        path, images = data["path"], data.get("images")
        return CorpusSpec(
            kind=str(data["kind"]),
            path=None if path is None else Path(path),
            name=str(data["name"]),
            columns={str(k): str(v) for k, v in dict(data.get("columns") or {}).items()},
            images=None if images is None else Path(images),
            embeddings={
                str(k): Path(str(v)) for k, v in dict(data.get("embeddings") or {}).items()
            },
            frames=int(data.get("frames", 0)),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CorpusError(
            f"corpus {data!r:.80}: not a remembered corpus ({error!r:.60}); give --corpus again"
        ) from None
