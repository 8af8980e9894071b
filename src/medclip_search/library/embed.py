"""From image files to rows: decoding runs ahead of the encoder, and a bad image costs only itself.

Rows and thumbnails are written and flushed before the catalogue counts them, some hundred at a
time; a run that is stopped loses no more than that, and the next one goes on behind it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medclip_search.corpora.base import Skipped
from medclip_search.encoders.base import Encoder, caption_space
from medclip_search.errors import ImageError
from medclip_search.images import make_thumbnail, read_image
from medclip_search.library.catalogue import SpaceRecord
from medclip_search.library.generation import refuse_other_model, refuse_strange_model
from medclip_search.library.image_bytes import ImageBytes
from medclip_search.library.rowcatalogue import Pending
from medclip_search.library.writer import Writer, new_append_path
from medclip_search.progress import Progress

_COMMIT = 128  # images between two commits: what a kill can cost
_BATCHES_AHEAD = 1  # given to the encoder beside the one that it works on
_WORKERS = max(2, min(8, os.cpu_count() or 2))


@dataclass(frozen=True, slots=True)
class _Decoded:
    pending: Pending
    digest: bytes
    wanting: frozenset[int]  # the spaces that have no row of this content
    pixels: NDArray[np.float32] | None  # None: no space wants them
    thumbnail: bytes  # empty: the one that is there is of this content


_Vectors = Mapping[str, NDArray[np.float16]]


def begin_spaces(writer: Writer, encoder: Encoder, *, captions: bool = False) -> None:
    """Make sure the library has the encoder's spaces, and that they are this very model's.

    ``captions`` adds a space of the captions' vectors beside each joint space.
    """
    known = {record.space.name: record for record in writer.catalogue.spaces()}
    refuse_strange_model(writer.library, known.values(), encoder)
    wanted = list(encoder.spaces)
    wanted += [caption_space(space) for space in wanted if captions and space.embeds_words]
    for space in wanted:
        if space.name in known and known[space.name].bytes:
            refuse_other_model(writer.library, known[space.name], encoder)
            continue
        if space.name not in known:
            writer.append_file(space.name, "embeddings", ".f16").close()
        elif known[space.name].fingerprint != encoder.fingerprint:
            # Empty: a file of its own, so that no index of another dimension is shared.
            path = new_append_path(writer.library, space.name, "embeddings", ".f16")
            writer.catalogue.put_append_file(space.name, path)
            writer.append_file(space.name, "embeddings", ".f16").close()
        writer.catalogue.put_space(space, encoder.name, encoder.fingerprint)


def embed(
    writer: Writer,
    encoder: Encoder | None,
    report: Callable[[Skipped], None],
    progress: Progress,
) -> int:
    """Bring every case's vectors and thumbnail up to date; tells how many images were embedded.

    Without an encoder (all vectors came ready-made) there are only thumbnails to make.
    """
    catalogue = writer.catalogue
    total = catalogue.count_pending()
    if not total:
        return 0
    count = 0
    own = {space.name for space in encoder.spaces} if encoder is not None else set()
    spaces = [record for record in catalogue.encoded_spaces() if record.space.name in own]
    with ExitStack() as stack:
        files = {
            record.space.name: stack.enter_context(
                writer.append_file(record.space.name, "embeddings", ".f16")
            )
            for record in spaces
        }
        pack = stack.enter_context(writer.append_file("thumbnails", "thumbnails", ".pack"))
        rows = {record.space.name: record.rows for record in spaces}
        advance = stack.enter_context(progress("images", total, "image"))

        def commit(fresh: list[tuple[_Decoded, _Vectors]]) -> None:
            if not fresh:
                return
            owners = {
                record.space.name: [one for one in fresh if record.number in one[0].wanting]
                for record in spaces
            }
            blocks = {
                name: files[name].append(np.stack([v[name] for _, v in some]).tobytes())
                for name, some in owners.items()
                if some
            }
            pictures = pack.append(b"".join(decoded.thumbnail for decoded, _ in fresh))
            with catalogue.transaction():
                for record in spaces:
                    name = record.space.name
                    for number, (decoded, _) in enumerate(owners[name], rows[name]):
                        catalogue.put_row(record, number, decoded.pending.key, decoded.digest)
                start = pictures.start
                for decoded, _ in fresh:
                    key = decoded.pending.key
                    if decoded.thumbnail:
                        catalogue.put_thumbnail(key, start, len(decoded.thumbnail))
                        start += len(decoded.thumbnail)
                    catalogue.mark_embedded(key, decoded.pending.stat)
                for name, block in blocks.items():
                    catalogue.count_block(name, block)
                    rows[name] += len(owners[name])
                if pictures.length:
                    catalogue.count_block("thumbnails", pictures)

        fresh: list[tuple[_Decoded, _Vectors]] = []
        decoding = stack.enter_context(closing(_decoded(_all_pending(writer), encoder, spaces)))
        for item in stack.enter_context(closing(_encoded(decoding, encoder))):
            if isinstance(item, Skipped):
                report(item)
            else:
                decoded, vectors = item
                if not decoded.wanting and not decoded.thumbnail:
                    catalogue.mark_unchanged(decoded.pending.key, decoded.pending.stat)
                else:
                    fresh.append((decoded, vectors))
                    count += decoded.pixels is not None
            if len(fresh) >= _COMMIT:
                commit(fresh)
                fresh = []
            advance(1)
        commit(fresh)
    return count


def _all_pending(writer: Writer) -> Iterator[Pending]:
    last = -1
    while some := writer.catalogue.pending(after=last):
        yield from some
        last = some[-1].key


def _encoded(
    items: Iterator[_Decoded | Skipped], encoder: Encoder | None
) -> Generator[Skipped | tuple[_Decoded, _Vectors]]:
    """What was decoded, with its vectors; none where no space wants any.

    The encoder has a thread of its own and always the next batch waiting, so that it goes on while
    the reader writes what it gave.
    """
    if encoder is None:
        yield from (item if isinstance(item, Skipped) else (item, {}) for item in items)
        return
    with ThreadPoolExecutor(1, "encode") as pool:
        batch: list[_Decoded] = []
        running: deque[tuple[list[_Decoded], Future[list[_Vectors | None]]]] = deque()

        def begin() -> None:
            pixels = np.stack([one.pixels for one in batch if one.pixels is not None])
            running.append((batch, pool.submit(_encode, encoder, pixels)))

        try:
            for item in items:
                if isinstance(item, Skipped):
                    yield item
                elif item.pixels is None:
                    yield item, {}
                else:
                    batch.append(item)
                if len(batch) == encoder.batch_size:
                    begin()
                    batch = []
                while len(running) > _BATCHES_AHEAD:
                    yield from _taken(*running.popleft())
            if batch:
                begin()
            while running:
                yield from _taken(*running.popleft())
        finally:
            for _, future in running:
                future.cancel()


def _taken(
    batch: list[_Decoded], encoded: Future[list[_Vectors | None]]
) -> Iterator[Skipped | tuple[_Decoded, _Vectors]]:
    for decoded, vectors in zip(batch, encoded.result(), strict=True):
        if vectors is None:
            yield _skipped(decoded.pending, "the encoder gave no finite vector", "")
        else:
            yield decoded, vectors


def _decoded(
    pending: Iterator[Pending], encoder: Encoder | None, spaces: list[SpaceRecord]
) -> Generator[_Decoded | Skipped]:
    """Decode in threads, a bounded window ahead of the reader, in the order of ``pending``."""
    window = (2 * encoder.batch_size if encoder is not None else 0) + _WORKERS
    numbers = frozenset(record.number for record in spaces)
    held = ImageBytes()
    with ThreadPoolExecutor(_WORKERS, "decode") as pool:
        ahead: deque[Future[_Decoded | Skipped]] = deque()
        try:
            for one in pending:
                ahead.append(pool.submit(_decode, one, encoder, numbers, held))
                if len(ahead) >= window:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def _decode(
    pending: Pending, encoder: Encoder | None, numbers: frozenset[int], held: ImageBytes
) -> _Decoded | Skipped:
    try:
        with held.reading(pending.image, pending.stat) as (data, content):
            wanting = frozenset(
                number
                for number, known in pending.digests.items()
                if number in numbers and known != content
            )
            # Some row was made of this very content, and so was the thumbnail, made with it.
            same = pending.has_thumbnail and content in pending.digests.values()
            if same and not wanting:
                return _Decoded(pending, content, wanting, None, b"")
            image = read_image(data, frame=pending.image.frame, name=pending.image.name)
        pixels = encoder.preprocess(image) if encoder is not None and wanting else None
        thumbnail = b"" if same else make_thumbnail(image)
        return _Decoded(pending, content, wanting, pixels, thumbnail)
    except OSError as error:
        return _skipped(pending, f"the image cannot be read ({error.strerror})", "")
    except MemoryError:
        return _skipped(pending, "the image does not fit into memory", "scale it down")
    except ImageError as error:
        return _skipped(pending, error.reason, error.remedy)
    except Exception as error:  # a decoder's own fault must not end a night's work
        return _skipped(pending, f"the image cannot be decoded ({type(error).__name__})", "")


def _skipped(pending: Pending, reason: str, remedy: str) -> Skipped:
    where = replace(pending.image, frame=None)
    frame = "" if pending.image.frame is None else f" frame {pending.image.frame}"
    return Skipped(f"{where}{frame}", reason, remedy, dropped=False)


def _encode(encoder: Encoder, pixels: NDArray[np.float32]) -> list[_Vectors | None]:
    spaces = encoder.encode_images(pixels)
    with np.errstate(over="ignore"):
        half = {name: vectors.astype(np.float16) for name, vectors in spaces.items()}
    finite = np.all([np.isfinite(vectors).all(axis=1) for vectors in half.values()], axis=0)
    return [
        {name: vectors[i] for name, vectors in half.items()} if finite[i] else None
        for i in range(len(pixels))
    ]
