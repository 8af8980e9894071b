"""Folders of derived files: begun empty, and gone on with only where they are as published."""

from __future__ import annotations

import shutil
from pathlib import Path

from medclip_search.library.durable import sha256_of
from medclip_search.library.layout import Manifest


def new_folder(library: Path, name: str) -> str:
    """Make an empty folder of the library; gives its name."""
    shutil.rmtree(library / name, ignore_errors=True)  # left by a writer that was stopped
    (library / name).mkdir(parents=True)
    return name


def is_intact(library: Path, base: Manifest, folder: str) -> bool:
    """Whether an index is what was published: damage must not be taken over with new checksums."""
    return all(
        sha256_of(library / path) == record.sha256
        for path, record in base.files.items()
        if path.startswith(folder + "/")
    )
