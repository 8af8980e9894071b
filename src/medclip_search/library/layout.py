"""Where everything lies in a library's folder, and which generation is the published one.

    LIBRARY/
      CURRENT                        names the published generation (one small file, replaced whole)
      generations/000007.json        a generation: every file it is made of, with size and checksum
      catalogue/000007.sqlite        its snapshot of the catalogue, never written again
      embeddings/compact-1.f16       append-only float16 rows, shared by generations
      thumbnails/thumbnails-1.pack   append-only WebP pictures, shared by generations
      vectors/compact/000007/        derived: nearest neighbours in one embedding space
      text/000007/                   derived: BM25 over the captions
      columns/000007/                derived: arrays for filters and facets
      map/000007/                    derived: where every picture stands on the map, if there is one
      work/                          only while a build is under way: the writer's own catalogue
      lock                           held by the one writer

A generation names its files, so generations share what did not change without copies or links,
and a copy of the folder made by any tool is a whole library. This is the scheme of LevelDB's
``CURRENT`` and ``MANIFEST`` files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from medclip_search.errors import LibraryDamagedError, LibraryTooNewError, NotALibraryError
from medclip_search.library.durable import write_whole

FORMAT = 1
"""The version of this layout. A program refuses a library of a later one."""

CURRENT = "CURRENT"
LOCK = "lock"
WORK = "work"
FOLDERS = (
    "generations",
    "catalogue",
    "embeddings",
    "thumbnails",
    "vectors",
    "text",
    "columns",
    "map",
)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of a generation: its counted bytes, and its SHA-256.

    ``sha256`` is ``None`` for append-only files, which may grow past the counted bytes; their
    blocks' checksums stand in the catalogue.
    """

    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation: what it is made of (paths are relative to the library, with ``/``)."""

    number: int
    library: str
    created: str
    program: str
    encoder: str | None
    cases: int
    catalogue: str
    text: str
    columns: str
    vectors: Mapping[str, str]
    embeddings: Mapping[str, str]
    thumbnails: str | None
    files: Mapping[str, FileRecord]
    format: int = FORMAT

    @property
    def map(self) -> str | None:
        """The folder of the map; ``None`` where there is none.

        It is found by its files, so that programs that know of no map read the library too.
        """
        inside = (path for path in self.files if path.startswith("map/"))
        return next((str(PurePosixPath(path).parent) for path in inside), None)

    def to_bytes(self) -> bytes:
        """The canonical JSON form: any changed byte is a different file."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "files"}
        plain["files"] = {
            path: {"size": record.size, "sha256": record.sha256}
            for path, record in sorted(self.files.items())
        }
        return json.dumps(plain, indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises ``LibraryTooNewError``, or ``ValueError`` and its kin if it is no manifest."""
        plain: dict[str, Any] = json.loads(data)
        _refuse_newer(plain, "the library")
        plain["files"] = {
            path: FileRecord(record["size"], record["sha256"])
            for path, record in plain["files"].items()
        }
        return cls(**plain)


def manifest_path(library: Path, number: int) -> Path:
    return library / "generations" / f"{number:06d}.json"


def current_bytes(number: int, manifest: bytes) -> bytes:
    """The content of ``CURRENT`` for a published manifest."""
    plain = {"format": FORMAT, "generation": number, "sha256": hashlib.sha256(manifest).hexdigest()}
    return json.dumps(plain, sort_keys=True).encode() + b"\n"


def point_to(library: Path, number: int, manifest: bytes) -> None:
    """Publish: from this call on, whoever opens the library gets this generation."""
    write_whole(library / CURRENT, current_bytes(number, manifest))


def read_current(library: Path) -> Manifest:
    """The published generation.

    Raises ``NotALibraryError``, ``LibraryTooNewError`` or ``LibraryDamagedError``.
    """
    remedy = "run 'medclip-search verify' on it, or 'medclip-search build --repair'"
    try:
        pointer = (library / CURRENT).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotALibraryError(_why_not(library)) from None
    except OSError as error:
        raise NotALibraryError(f"{library}: cannot be read ({error.strerror})") from None
    try:
        plain = json.loads(pointer)
        _refuse_newer(plain, str(library))
        number = int(plain["generation"])
        data = manifest_path(library, number).read_bytes()
        if current_bytes(number, data) != pointer:
            raise ValueError("checksum")
        return Manifest.from_bytes(data)
    except FileNotFoundError:
        raise LibraryDamagedError(
            f"{library}: the generation that CURRENT names is missing; {remedy}"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise LibraryDamagedError(
            f"{library}: CURRENT or the generation it names is damaged; {remedy}"
        ) from None


def is_under_construction(library: Path) -> bool:
    """Whether a first build began here and has not been published yet."""
    return not (library / CURRENT).exists() and (library / WORK).is_dir()


def _why_not(library: Path) -> str:
    build = f"medclip-search build {library} --corpus KIND=PATH"
    if is_under_construction(library):
        return f"{library}: its first build has not finished; go on with 'medclip-search build'"
    if not library.exists():
        return f"{library}: no such library; make one with '{build}'"
    return f"{library}: is not a library (it has no CURRENT file); make one with '{build}'"


def _refuse_newer(plain: Mapping[str, Any], name: str) -> None:
    if int(plain["format"]) > FORMAT:
        raise LibraryTooNewError(
            f"{name}: written by a newer MedClip Search (format {plain['format']}, this one reads "
            f"up to {FORMAT}); update with 'pip install --upgrade medclip-search'"
        )
