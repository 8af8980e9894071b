"""What tests of deleted images share."""

from __future__ import annotations

from pathlib import Path

from medclip_search import Library, Query
from medclip_search.corpora.base import CorpusSpec
from medclip_search.library.delete_images import DeletionSummary, delete_images
from medclip_search.library.spared_images import deletable
from tests.figures import draw


def spec(folder: Path, name: str = "figures", kind: str = "folder") -> CorpusSpec:
    return CorpusSpec(kind, folder, name)


def names(library: Path) -> list[str]:
    return [Path(image.path).name for image in deletable(library).files]


def kept(library: Path) -> dict[str, int]:
    return dict(deletable(library).kept)


def delete(library: Path) -> DeletionSummary:
    return delete_images(library, deletable(library))


def write_table(table: Path, rows: list[str]) -> CorpusSpec:
    table.write_text("\n".join(["image,caption,id", *rows]) + "\n", encoding="utf-8")
    return CorpusSpec("table", table, "table", images=table.parent / "images")


def found_by_image(library: Path, seed: int) -> str:
    with Library.open(library) as opened:
        return opened.search(Query(image=draw(seed)), k=1)[0].id


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), 500):
        data[at] ^= 0xFF
    path.write_bytes(bytes(data))
