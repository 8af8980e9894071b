"""From image files to rows: decoding runs ahead of the encoder, and a bad image costs only itself.

Rows and thumbnails are written and flushed before the catalogue counts them, some hundred at a
time; a run that is stopped loses no more than that, and the next one goes on behind it.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medclip_search.corpora.base import Skipped
from medclip_search.encoders.base import Encoder
from medclip_search.errors import ImageError
from medclip_search.images import make_thumbnail, read_image
from medclip_search.library.durable import digest
from medclip_search.library.generation import refuse_other_model
from medclip_search.library.workcatalogue import Pending
from medclip_search.library.writer import Writer
from medclip_search.progress import Progress

_COMMIT = 128  # images between two commits: what a kill can cost
_MAX_FILE = 2 << 30  # bytes: some are read at once, and no picture or clip of use is larger
_WORKERS = max(2, min(8, os.cpu_count() or 2))


@dataclass(frozen=True, slots=True)
class _Decoded:
    pending: Pending
    digest: bytes
    pixels: NDArray[np.float32] | None  # None: the content is what was embedded before
    thumbnail: bytes


def begin_spaces(writer: Writer, encoder: Encoder) -> None:
    """Make sure the library has the encoder's spaces, and that they are this very model's."""
    known = {record.space.name: record for record in writer.catalogue.spaces()}
    for space in encoder.spaces:
        if space.name in known:
            refuse_other_model(writer.library, space.name, known[space.name].fingerprint, encoder)
        else:
            writer.append_file(space.name, "embeddings", ".f16").close()
            writer.catalogue.put_space(space, encoder.name, encoder.fingerprint)


def embed(
    writer: Writer,
    encoder: Encoder,
    report: Callable[[Skipped], None],
    progress: Progress,
) -> int:
    """Bring every case's vectors and thumbnail up to date; tells how many were embedded."""
    catalogue = writer.catalogue
    total = catalogue.count_pending()
    if not total:
        return 0
    count = 0
    spaces = [r for r in catalogue.spaces() if r.space.name in {s.name for s in encoder.spaces}]
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

        def commit(fresh: list[tuple[_Decoded, dict[str, NDArray[np.float16]]]]) -> None:
            if not fresh:
                return
            blocks = {
                name: file.append(np.stack([vectors[name] for _, vectors in fresh]).tobytes())
                for name, file in files.items()
            }
            pictures = pack.append(b"".join(decoded.thumbnail for decoded, _ in fresh))
            with catalogue.transaction():
                start = pictures.start
                for number, (decoded, _) in enumerate(fresh):
                    key = decoded.pending.key
                    for record in spaces:
                        catalogue.put_row(
                            record, rows[record.space.name] + number, key, decoded.digest
                        )
                    catalogue.put_thumbnail(key, start, len(decoded.thumbnail))
                    start += len(decoded.thumbnail)
                    catalogue.mark_embedded(key, decoded.pending.stat)
                for name, block in blocks.items():
                    catalogue.count_block(name, block)
                    rows[name] += len(fresh)
                catalogue.count_block("thumbnails", pictures)

        fresh: list[tuple[_Decoded, dict[str, NDArray[np.float16]]]] = []
        batch: list[_Decoded] = []
        everything = _decoded(_all_pending(writer), encoder)
        for item in _with_end(everything):
            if isinstance(item, Skipped):
                report(item)
            elif item is not None and item.pixels is None:
                catalogue.mark_unchanged(item.pending.key, item.pending.stat)
            elif item is not None:
                batch.append(item)
            if batch and (item is None or len(batch) == encoder.batch_size):
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


def _decoded(pending: Iterator[Pending], encoder: Encoder) -> Iterator[_Decoded | Skipped]:
    """Decode in threads, a bounded window ahead of the reader, in the order of ``pending``."""
    window = 2 * encoder.batch_size + _WORKERS
    with ThreadPoolExecutor(_WORKERS, "decode") as pool:
        ahead: deque[Future[_Decoded | Skipped]] = deque()
        try:
            for one in pending:
                ahead.append(pool.submit(_decode, one, encoder))
                if len(ahead) >= window:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def _decode(pending: Pending, encoder: Encoder) -> _Decoded | Skipped:
    try:
        data = _read(pending.image.path)
        content = digest(data + b"#%d" % (pending.image.frame or 0))
        if content == pending.digest:
            return _Decoded(pending, content, None, b"")
        image = read_image(data, frame=pending.image.frame, name=pending.image.path.name)
        return _Decoded(pending, content, encoder.preprocess(image), make_thumbnail(image))
    except OSError as error:
        return _skipped(pending, f"the image cannot be read ({error.strerror})", "")
    except MemoryError:
        return _skipped(pending, "the image does not fit into memory", "scale it down")
    except ImageError as error:
        return _skipped(pending, error.reason, error.remedy)
    except Exception as error:  # a decoder's own fault must not end a night's work
        return _skipped(pending, f"the image cannot be decoded ({type(error).__name__})", "")


def _read(path: Path) -> bytes:
    """A regular file's bytes: a pipe would be waited for, a device could do anything."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(str(path), "is not a regular file", "put a picture in its place")
    if status.st_size > _MAX_FILE:
        limit = f"{_MAX_FILE / 2**30:g} GiB"
        raise ImageError(str(path), f"is larger than {limit}", "scale it down or split the clip")
    return path.read_bytes()


def _skipped(pending: Pending, reason: str, remedy: str) -> Skipped:
    where = Path(pending.image.path)
    frame = "" if pending.image.frame is None else f" frame {pending.image.frame}"
    return Skipped(f"{where}{frame}", reason, remedy, dropped=False)


def _encode(encoder: Encoder, batch: list[_Decoded]) -> list[dict[str, NDArray[np.float16]] | None]:
    spaces = encoder.encode_images(np.stack([d.pixels for d in batch if d.pixels is not None]))
    with np.errstate(over="ignore"):
        half = {name: vectors.astype(np.float16) for name, vectors in spaces.items()}
    finite = np.all([np.isfinite(vectors).all(axis=1) for vectors in half.values()], axis=0)
    return [
        {name: vectors[i] for name, vectors in half.items()} if finite[i] else None
        for i in range(len(batch))
    ]
