"""A real library of as many cases as wanted, through the project's own build.

    python -m benchmarks.large_library DIR --rows 1600000

Two tables with ready-made vectors beside them are written into DIR and built into DIR/library:
captions composed of ROCO's sentences (``composed_captions``), the vectors of ``clip_like``, no
images; modality, region, licence, year and article by chance; nine cases of ten in the corpus
``pmc``, the others in ``own``. Two further fields hold a number below 10,000 each, ``random`` and
``place``: those below 5,000, 500, 50, 5 are 50, 5, 0.5 and 0.05 % of the cases, of ``place`` whole
kinds of vectors and a part of one. What was stopped goes on where it was, a table or a build; what
each stage took of one that was not stopped is kept in DIR/stages.json.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.clip_like import KINDS, ClipLike
from benchmarks.composed_captions import composed, sentences
from benchmarks.stages import Stages
from medclip_search import Library, build
from medclip_search.corpora.captions import checked_caption

SPACE = "clip-like"
SPENT = "stages.json"
FIELDS = ("id", "caption", "article", "licence", "year", "modality", "region")
FACETS = ("modality", "region", "year", "licence_class", "corpus")
SHARES = {"50 %": 5000, "5 %": 500, "0.5 %": 50, "0.05 %": 5}
"""Below which number ``random`` and ``place`` are in so many of the cases."""

_GRAIN = 10_000
_CORPORA = {"pmc": (0.9, 1), "own": (0.1, 1 << 20)}  # share of the cases, first stream of vectors
_MODALITIES = ("CT", "CT", "CT", "MR", "MR", "XR", "XR", "US", "PET", None)
_REGIONS = ("head", "thorax", "thorax", "abdomen", "abdomen", "pelvis", "spine", None)
_LICENCES = ("CC BY", "CC BY", "CC BY-NC", "CC0", None)
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in FIELDS if name != "year"]
    + [(name, pa.int32()) for name in ("year", "random", "place")]
)


def library_of(folder: Path, rows: int) -> Path:
    """Make the library of ``rows`` cases below ``folder``, or what is left to make of it."""
    library = folder / "library"
    if rows < 10:
        raise SystemExit(f"--rows {rows}: give at least 10, of which each corpus has one")
    if (library / "CURRENT").exists():
        with Library.open(library) as opened:
            known = len(opened)
        if known != rows:
            raise SystemExit(f"{library}: holds {known:,} cases; name another folder")
        print(f"{library}: is there already")
        return library
    folder.mkdir(parents=True, exist_ok=True)
    begun = any(folder.iterdir())
    said = telling_sentences()
    with Stages() as stages:
        own = round(_CORPORA["own"][0] * rows)
        counts = {"pmc": rows - own, "own": own}
        for name, (_, first) in _CORPORA.items():
            if not (folder / f"{name}.parquet").exists():
                with stages(f"making {name}", counts[name], "row"):
                    write_table(folder, name, counts[name], first, said)
        made = build_tables(library, folder, list(counts), stages)
    if made != rows:
        raise SystemExit(f"{library}: holds {made:,} cases, not {rows:,}")
    if not begun:  # of one that was stopped, what its stages take is not known
        spent = {stage: asdict(one) for stage, one in stages.spent.items()}
        (folder / SPENT).write_text(json.dumps(spent, indent=1))
    return library


def telling_sentences() -> list[str]:
    """Sentences that can be captions on their own: none is a placeholder (``XXX.``)."""
    return [one for one in sentences() if checked_caption(one, "")[1] is None]


def build_tables(library: Path, folder: Path, names: Sequence[str], stages: Stages) -> int:
    """Build, or go on; tells how many cases the library has then."""
    columns = ",".join(f"{name}={name}" for name in FIELDS)
    summary = build(
        library,
        [f"table:{name}={folder / name}.parquet" for name in names],
        columns=[columns],
        embeddings=[f"{name}:{SPACE}={folder / name}.npy" for name in names],
        report=lambda skipped: print(f"  skipped: {skipped}"),
        progress=stages,
    )
    return summary.cases


def write_table(folder: Path, name: str, count: int, first: int, said: Sequence[str]) -> None:
    """``name.parquet``, which gets its name last, and ``name.npy``, block by block.

    ``first`` is the first stream of the vectors; with it, all else that is drawn differs too.
    """
    table, vectors = folder / f"{name}.parquet", folder / f"{name}.npy"
    source = ClipLike()
    starts = _starts(source)
    rows = np.lib.format.open_memmap(vectors, "w+", np.float16, (count, source.dimension))
    part = table.with_suffix(".part")
    done = 0
    with pq.ParquetWriter(part, _SCHEMA) as writer:
        for block, kinds in source.blocks(count, first):
            rows[done : done + len(block)] = block
            chance = random.Random(first * _GRAIN**2 + done)
            within = np.array([chance.random() for _ in kinds])
            places = starts[kinds] + within * source.weights[kinds]
            records = [
                _record(name, done + at, int(_GRAIN * place), chance, said)
                for at, place in enumerate(places)
            ]
            writer.write_table(pa.Table.from_pylist(records, _SCHEMA))
            done += len(block)
    rows.flush()
    part.rename(table)


def _starts(source: ClipLike) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Where each kind begins, as a share of all, the kinds in a seeded order."""
    order = np.random.default_rng(2).permutation(KINDS)
    starts = np.empty(KINDS)
    starts[order] = np.cumsum(source.weights[order]) - source.weights[order]
    return starts


def _record(
    name: str, number: int, place: int, chance: random.Random, said: Sequence[str]
) -> dict[str, str | int | None]:
    return {
        "id": f"{name}-{number:08}",
        "caption": composed(said, chance),
        "article": f"PMC{1_000_000 + number // 4}" if name == "pmc" else None,
        "licence": chance.choice(_LICENCES),
        "year": chance.randrange(1998, 2026) if chance.random() < 0.95 else None,
        "modality": chance.choice(_MODALITIES),
        "region": chance.choice(_REGIONS),
        "random": chance.randrange(_GRAIN),
        "place": min(place, _GRAIN - 1),
    }


def disk(library: Path) -> dict[str, float]:
    """MB on disk by part of a library, the largest first."""
    sizes = {
        one.name: sum(file.stat().st_size for file in one.rglob("*") if file.is_file()) / 1e6
        for one in library.iterdir()
        if one.is_dir()
    }
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_600_000)
    given = parser.parse_args()
    library = library_of(given.folder, given.rows)
    sizes = disk(library)
    parts = ", ".join(f"{name} {size:,.0f}" for name, size in sizes.items() if size >= 0.5)
    whole = sum(sizes.values())
    each = 1e6 * whole / given.rows
    print(f"{given.rows:,} cases, {whole:,.0f} MB on disk ({parts}): {each:,.0f} bytes a case")


if __name__ == "__main__":
    main()
