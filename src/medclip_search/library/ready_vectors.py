"""From ready-made vectors to rows: what came with a table instead of being encoded here.

``begin_ready_spaces`` checks everything that can be checked before a build writes; after the
cases are in, ``take_vectors`` brings the rows up to date. Rows are written and flushed before the
catalogue counts them, as those of images are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medclip_search.cases import ImageSource
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.vector_files import Vectors, open_vectors
from medclip_search.encoders.base import Encoder, Space
from medclip_search.errors import CorpusError, ImageError
from medclip_search.images import read_image
from medclip_search.images.sources import read_source
from medclip_search.library.catalogue import SourceRecord, SpaceRecord
from medclip_search.library.durable import digest
from medclip_search.library.writer import Writer
from medclip_search.progress import Progress

NOT_FINITE = "vector holds NaN or infinity"
ALL_ZERO = "vector is all zeros"
RESERVED = ("thumbnails",)
"""Names that a library's other append-only files bear."""

_LEAST, _MOST = 1e-2, 6e4  # of a vector's largest number, for float16 to hold the rest too
_COMMIT = 4096  # cases between two commits
_PLACES = 4  # pictures embedded to see whether vectors and rows have one order
_TRIES = 8  # cases looked at in each place for a picture that can be read
_ALIKE = 0.95  # cosine of one picture's vector made here and elsewhere, at the least


def begin_ready_spaces(writer: Writer, specs: Sequence[CorpusSpec]) -> None:
    """Make sure the library has the spaces of which tables bring vectors.

    To be called after ``begin_spaces``: where the encoder has a space of this name, the space is
    the encoder's. Raises ``CorpusError`` where a file does not fit its space. Vectors that a table
    brought before and brings no more lose their rows.
    """
    catalogue = writer.catalogue
    sources = {record.name: record.number for record in catalogue.sources()}
    known = {record.space.name: record.space for record in catalogue.spaces()}
    wanted: dict[tuple[int, str], Path] = {}
    made: dict[str, Space] = {}
    for spec in specs:
        for name, path in spec.embeddings.items():
            space = known.get(name) or made.get(name)
            if name.lower() in RESERVED:
                raise CorpusError(f"{path}: a space cannot be called {name}; choose another name")
            if space is not None and space.holds != "images":
                raise CorpusError(
                    f"{path}: the space {name} holds the vectors that the encoder makes of "
                    "captions; choose another name"
                )
            vectors = open_vectors(path, dimension=space.dimension if space else None)
            if space is None:
                made[name] = Space(name, vectors.shape[1], ready_made=True)
            wanted[sources[spec.name], name] = path
    for name, space in made.items():
        writer.append_file(name, "embeddings", ".f16").close()
        catalogue.put_space(space, "", "")
    given = catalogue.given()
    for number, name in wanted.keys() - given.keys():
        catalogue.put_given(number, name, "")
    read = {sources[spec.name] for spec in specs}
    for number, name in given.keys() - wanted.keys():
        if number in read:
            _forget(writer, number, name)


def take_vectors(
    writer: Writer,
    specs: Sequence[CorpusSpec],
    encoder: Encoder | None,
    report: Callable[[Skipped], None],
    progress: Progress,
) -> int:
    """Bring the rows of ready-made vectors up to date; tells how many were written.

    A case whose vector is what it was costs no new row; one whose vector says nothing (NaN,
    infinity, zeros) has none. Raises ``CorpusError`` where the encoder, which is to have made
    the vectors, makes others of the same pictures.
    """
    sources = {record.name: record for record in writer.catalogue.sources()}
    return sum(
        _take(writer, sources[spec.name], name, path, encoder, report, progress)
        for spec in specs
        for name, path in spec.embeddings.items()
    )


def _take(
    writer: Writer,
    corpus: SourceRecord,
    name: str,
    path: Path,
    encoder: Encoder | None,
    report: Callable[[Skipped], None],
    progress: Progress,
) -> int:
    catalogue, source = writer.catalogue, corpus.number
    record = next(one for one in catalogue.spaces() if one.space.name == name)
    status = path.stat()
    mark, before = f"{status.st_size}:{status.st_mtime_ns}", catalogue.given()[source, name]
    vectors = open_vectors(path, dimension=record.space.dimension)
    # What this build did not meet in its table has no place in it: it keeps what it had.
    build = int(catalogue.fact("builds") or 0)
    if mark != before and encoder is not None:
        _refuse_other_order(writer, source, record, path, vectors, build, encoder)
    count, row, last = 0, record.rows, -1
    total = catalogue.count_of(source)
    with (
        writer.append_file(name, "embeddings", ".f16") as file,
        progress(f"vectors of {corpus.name}", total, "vector") as advance,
    ):
        while some := catalogue.numbered_cases(source, record, last, _COMMIT, met=build):
            last = some[-1][0]
            here = [
                (key, case_id, number, old)
                for key, case_id, number, old in some
                if number is not None
            ]
            half = _half(path, vectors, [number for _, _, number, _ in here])
            finite = np.asarray(np.isfinite(half).all(axis=1))
            filled = np.asarray(half.any(axis=1))
            fresh: list[tuple[int, bytes, bytes]] = []
            lost: list[int] = []
            for at, (key, case_id, number, old) in enumerate(here):
                if not (finite[at] and filled[at]):
                    reason = ALL_ZERO if finite[at] else NOT_FINITE
                    report(Skipped(f"{path.name}[{number}] ({case_id})", reason, dropped=False))
                    lost += [key] if old is not None else []
                    continue
                data = half[at].tobytes()
                if (content := digest(data)) == old:
                    continue
                if mark == before and old is not None:
                    raise CorpusError(
                        f"{path}: is what it was, but the table gives record {number} to "
                        f"{case_id}, which had another vector; save the vectors in the table's "
                        "order (or touch the file if this order is right)"
                    )
                fresh.append((key, content, data))
            block = file.append(b"".join(data for *_, data in fresh)) if fresh else None
            with catalogue.transaction():
                for key in lost:
                    catalogue.drop_row(record, key)
                for key, content, _ in fresh:
                    catalogue.put_row(record, row, key, content)
                    row += 1
                if block is not None:
                    catalogue.count_block(name, block)
            count += len(fresh)
            advance(len(some))
    if mark != before:
        catalogue.put_given(source, name, mark)
        catalogue.restated = catalogue.restated or bool(before)
    return count


def _half(path: Path, vectors: Vectors, numbers: Sequence[int]) -> NDArray[np.float16]:
    """Some rows, (n, dimension), as the library keeps them."""
    if numbers and max(numbers) >= len(vectors):
        raise CorpusError(
            f"{path}: {len(vectors)} vectors, none for record {max(numbers)} of the table; one of "
            "the two changed meanwhile: build again"
        )
    rows = vectors[np.array(numbers, dtype=np.int64)].astype(np.float32)
    # Cosine knows no length: what float16 would lose is brought to length 1.
    largest = np.abs(rows).max(axis=1, initial=0)
    odd = np.isfinite(largest) & (largest > 0) & ((largest < _LEAST) | (largest > _MOST))
    rows[odd] /= largest[odd, None]
    rows[odd] /= np.linalg.norm(rows[odd], axis=1, keepdims=True)
    with np.errstate(over="ignore"):
        return rows.astype(np.float16)


def _forget(writer: Writer, source: int, name: str) -> None:
    """Drop a source's rows in a space of which it brings no vectors any more."""
    catalogue = writer.catalogue
    record = next(one for one in catalogue.spaces() if one.space.name == name)
    with catalogue.transaction():
        last = -1
        while some := catalogue.numbered_cases(source, record, after=last):
            last = some[-1][0]
            for key, _, _, old in some:
                if old is not None:
                    catalogue.drop_row(record, key)
        catalogue.forget_given(source, name)


def _refuse_other_order(
    writer: Writer,
    source: int,
    record: SpaceRecord,
    path: Path,
    vectors: Vectors,
    build: int,
    encoder: Encoder,
) -> None:
    """Embed a few pictures spread over a table; raise where most vectors are not like these."""
    name = record.space.name
    if name not in {space.name for space in encoder.spaces}:
        return
    met = _numbers(writer, source, record, build)
    cosines: list[float] = []
    starts = {len(met) * (2 * place + 1) // (2 * _PLACES) for place in range(_PLACES)}
    for start in sorted(starts):
        for key, number in met[start : start + _TRIES].tolist():
            given = _half(path, vectors, [number])[0].astype(np.float32)
            made = _embedded(encoder, name, writer.catalogue.cases([key])[key].image)
            if made is not None and np.isfinite(given).all() and given.any():
                norms = float(np.linalg.norm(given) * np.linalg.norm(made))
                cosines.append(float(given @ made) / norms)
                break
    if 2 * sum(cosine < _ALIKE for cosine in cosines) > len(cosines):
        raise CorpusError(
            f"{path}: not the vectors that the encoder {encoder.name} makes of the table's images "
            f"(median cosine {np.median(cosines):.2f} of {len(cosines)}); are its rows in the "
            "order of the table, and of this model?"
        )


def _numbers(writer: Writer, source: int, record: SpaceRecord, build: int) -> NDArray[np.int64]:
    """Key and row in the table, (n, 2), of the cases that a build met."""
    parts: list[NDArray[np.int64]] = [np.empty((0, 2), np.int64)]
    last = -1
    while some := writer.catalogue.numbered_cases(source, record, last, met=build):
        last = some[-1][0]
        pairs = [(key, number) for key, _, number, _ in some if number is not None]
        parts.append(np.array(pairs, np.int64).reshape(-1, 2))
    return np.concatenate(parts)


def _embedded(
    encoder: Encoder, space: str, source: ImageSource | None
) -> NDArray[np.float32] | None:
    """The vector of a picture; ``None`` where there is none that can be read."""
    if source is None:
        return None
    try:
        image = read_image(read_source(source), frame=source.frame, name=source.name)
    except (OSError, ImageError, MemoryError):
        return None
    made = encoder.encode_images(encoder.preprocess(image)[np.newaxis])[space]
    return np.asarray(made[0], np.float32)
