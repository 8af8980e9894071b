"""From image files to rows: decoding runs ahead of the encoder, and a bad image costs only itself.

Rows and thumbnails are written and flushed before the catalogue counts them, some hundred at a
time; a run that is stopped loses no more than that, and the next one goes on behind it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
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
    size = encoder.batch_size if encoder is not None else _COMMIT
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
        batch: list[_Decoded] = []
        everything = _decoded(_all_pending(writer), encoder, spaces)
        for item in _with_end(everything):
            if isinstance(item, Skipped):
                report(item)
            elif item is not None and not item.wanting and not item.thumbnail:
                catalogue.mark_unchanged(item.pending.key, item.pending.stat)
            elif item is not None and item.pixels is None:
                fresh.append((item, {}))
            elif item is not None:
                batch.append(item)
            if encoder is not None and batch and (item is None or len(batch) == size):
                for decoded, vectors in zip(batch, _encode(encoder, batch), strict=True):
                    if vectors is None:
                        report(_skipped(decoded.pending, "the encoder gave no finite vector", ""))
                    else:
                        fresh.append((decoded, vectors))
                        count += 1
                batch = []
            if item is None or len(fresh) >= _COMMIT:
                commit(fresh)
                fresh = []
            if item is not None:
                advance(1)
    return count


def _all_pending(writer: Writer) -> Iterator[Pending]:
    last = -1
    while some := writer.catalogue.pending(after=last):
        yield from some
        last = some[-1].key


def _with_end(items: Iterator[_Decoded | Skipped]) -> Iterator[_Decoded | Skipped | None]:
    yield from items
    yield None


def _decoded(
    pending: Iterator[Pending], encoder: Encoder | None, spaces: list[SpaceRecord]
) -> Iterator[_Decoded | Skipped]:
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


def _encode(encoder: Encoder, batch: list[_Decoded]) -> list[_Vectors | None]:
    spaces = encoder.encode_images(np.stack([d.pixels for d in batch if d.pixels is not None]))
    with np.errstate(over="ignore"):
        half = {name: vectors.astype(np.float16) for name, vectors in spaces.items()}
    finite = np.all([np.isfinite(vectors).all(axis=1) for vectors in half.values()], axis=0)
    return [
        {name: vectors[i] for name, vectors in half.items()} if finite[i] else None
        for i in range(len(batch))
    ]
