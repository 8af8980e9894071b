"""Mending a damaged library: keep what is intact, and let the build make the rest again."""

from __future__ import annotations

from medclip_search.library.appendfile import damaged_blocks
from medclip_search.library.compact import compact
from medclip_search.library.writer import Writer


def drop_damaged(writer: Writer) -> int:
    """Forget rows and thumbnails whose bytes are damaged; their cases become pending.

    Every index will be derived anew. Tells how many blocks were damaged.
    """
    writer.rebuild = True
    catalogue = writer.catalogue
    files = catalogue.append_files()
    widths = {r.space.name: (r, 2 * r.space.dimension) for r in catalogue.spaces()}
    count = 0
    for name, (path, counted) in files.items():
        file = writer.library / path
        if file.exists():
            damaged = [
                (block.start, block.start + block.length)
                for block in damaged_blocks(file, iter(catalogue.blocks(name)), counted)
            ]
        else:
            damaged = [(0, counted)] if counted else []
        with catalogue.transaction():
            for start, stop in damaged:
                if name in widths:
                    record, width = widths[name]
                    catalogue.kill_rows(record, start // width, -(-stop // width))
                else:
                    catalogue.forget_thumbnails(start, stop)
        if damaged or writer.fell_back:
            compact(writer, "always", only=name)
        count += len(damaged)
    return count
