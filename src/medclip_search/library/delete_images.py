"""Deleting raw images that a library needs no more: only when asked.

``deletable`` says which they are, to be shown and confirmed; ``delete_images`` deletes them.
Cases whose images go are marked, and that generation is published, before the first file is
deleted: killed at any point, a library never takes for a loss what it was asked to do, and saying
it again deletes the rest.
"""

# Paths are strings in here, since there may be millions of them.
# ruff: noqa: PTH108

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medclip_search.cases import ImageSource
from medclip_search.corpora.base import Skipped
from medclip_search.corpora.captions import one_line
from medclip_search.errors import LibraryDamagedError
from medclip_search.images.sources import source_mark
from medclip_search.library.appendfile import Block, damaged_blocks
from medclip_search.library.spared_images import Deletable, Identity, RawImage, spared_images
from medclip_search.library.writer import Writer, writing
from medclip_search.progress import SILENT, Advance, Progress

CHANGED = "changed since it was listed; kept"


@dataclass(slots=True)
class DeletionSummary:
    """What was deleted, and what could not be. ``generation`` is the one that is published now."""

    generation: int = 0
    files: int = 0
    bytes: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def delete_images(
    library: Path,
    plan: Deletable,
    *,
    report: Callable[[Skipped], None] = lambda _: None,
    progress: Progress = SILENT,
) -> DeletionSummary:
    """Delete the images of a plan, as far as the library still can spare each of them.

    Each is looked at again just before. One that changed or cannot be deleted is reported, and
    the rest goes on. Raises ``LibraryDamagedError`` where vectors or thumbnails are damaged (they
    could not be made again), ``LibraryBusyError`` where another session writes or was stopped;
    nothing is deleted then.
    """
    summary = DeletionSummary()

    def tell(image: RawImage, reason: str, remedy: str = "") -> None:
        summary.skipped[reason] += 1
        report(Skipped(one_line(image.path, 1000), reason, remedy, dropped=False))

    with writing(library, command="remove") as writer:
        _refuse_damaged(writer, progress)
        now = {
            image.path: image for image in spared_images(library, writer.catalogue, progress).files
        }
        agreed: list[RawImage] = []
        for image in plan.files:
            found = now.get(image.path)
            if found is not None and (found.identity, found.mark) == (image.identity, image.mark):
                agreed.append(found)
            elif os.path.lexists(image.path):
                tell(image, CHANGED)
        with writer.catalogue.transaction():
            writer.catalogue.mark_images_deleted(key for image in agreed for key in image.keys)
        if writer.has_changes():
            summary.generation = writer.publish(progress).number
        else:  # all were marked by a call that was stopped
            writer.abandon()
            summary.generation = writer.base.number if writer.base is not None else 0
        freed: dict[Identity, int] = {}
        with progress("deleting images", len(agreed), "image") as advance:
            for image in agreed:
                try:
                    if _is_still(image):
                        os.unlink(image.path)
                        summary.files += 1
                        freed[image.identity] = image.bytes
                    else:
                        tell(image, CHANGED)
                except FileNotFoundError:
                    pass  # somebody was faster
                except OSError as error:
                    tell(image, f"cannot be deleted ({error.strerror})", "delete it yourself")
                advance(1)
        summary.bytes = sum(freed.values())
    return summary


def _is_still(image: RawImage) -> bool:
    """Whether a path leads, through no link, to the very file that was looked at."""
    found = os.lstat(image.path)
    return (
        stat.S_ISREG(found.st_mode)
        and (found.st_dev, found.st_ino) == image.identity
        and source_mark(ImageSource(Path(image.path))) == image.mark
        and os.path.realpath(image.path) == image.path
    )


def _refuse_damaged(writer: Writer, progress: Progress) -> None:
    """Compare all that was made of images with its checksums: soon it cannot be made again."""
    files = writer.catalogue.append_files()
    with progress("checking vectors", sum(size for _, size in files.values()), "B") as advance:
        for name, (path, counted) in files.items():
            blocks = _counted(writer.catalogue.blocks(name), advance)
            try:
                damaged = any(True for _ in damaged_blocks(writer.library / path, blocks, counted))
            except OSError:
                damaged = True
            if damaged:
                raise LibraryDamagedError(
                    f"{writer.library}: {path} is damaged, so no image was deleted; run "
                    f"'medclip-search build {writer.library} --repair' first"
                )


def _counted(blocks: list[Block], advance: Advance) -> Iterator[Block]:
    for block in blocks:
        yield block
        advance(block.length)
