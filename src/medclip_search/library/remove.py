"""Taking cases out of a library at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from medclip_search.library.compact import compact
from medclip_search.library.workcatalogue import WorkCatalogue
from medclip_search.library.writer import writing
from medclip_search.progress import SILENT, Progress


def remove_cases(
    library: Path,
    choose: Callable[[WorkCatalogue], Iterable[int]],
    *,
    purge: bool = False,
    progress: Progress = SILENT,
) -> int:
    """Take out the cases whose keys ``choose`` gives, and publish; tells how many.

    Later builds leave them out. ``purge`` also rewrites the files that hold their thumbnails and
    vectors, and drops older generations now.
    """
    with writing(library, command="remove") as writer:
        writer.purge = purge
        with writer.catalogue.transaction():
            count = writer.catalogue.delete_cases(choose(writer.catalogue), remember=True)
        compact(writer, "anything is dead" if purge else "much is dead")
        if writer.has_changes():
            writer.publish(progress)
        else:
            writer.abandon()
        return count
