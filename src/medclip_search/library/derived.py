"""Folders of derived files: begun empty, and gone on with only where they are as published."""

from __future__ import annotations

import shutil
from pathlib import Path

from medclip_search.library.checksums import Checksums
from medclip_search.library.layout import Manifest


def new_folder(library: Path, name: str) -> str:
    """Make an empty folder of the library; gives its name."""
    shutil.rmtree(library / name, ignore_errors=True)  # left by a writer that was stopped
    (library / name).mkdir(parents=True)
    return name


def is_intact(library: Path, base: Manifest, folder: str, checksums: Checksums) -> bool:
    """Whether an index is what was published: damage must not be taken over with new checksums."""
    inside = (path for path in base.files if path.startswith(folder + "/"))
    return all(is_intact_file(library, base, path, checksums) for path in inside)


def is_intact_file(library: Path, base: Manifest, path: str, checksums: Checksums) -> bool:
    """``is_intact`` of one file, which the generation names."""
    return checksums.of(library / path) == base.files[path].sha256
