"""From captions to rows: the vectors of a space of captions, beside the joint space they belong to.

Rows are written and flushed before the catalogue counts them, as those of images are.
"""

from __future__ import annotations

import numpy as np

from medclip_search.encoders.base import Encoder
from medclip_search.library.catalogue import SpaceRecord
from medclip_search.library.durable import digest
from medclip_search.library.writer import Writer
from medclip_search.progress import Progress

_COMMIT = 256  # captions between two commits


def embed_captions(writer: Writer, encoder: Encoder, progress: Progress) -> int:
    """Bring the captions' vectors up to date; tells how many captions were embedded."""
    joint = {space.name for space in encoder.spaces if space.embeds_words}
    return sum(
        _embed(writer, encoder, record, progress)
        for record in writer.catalogue.spaces()
        if record.space.holds == "captions" and record.space.joint in joint
    )


def _embed(writer: Writer, encoder: Encoder, record: SpaceRecord, progress: Progress) -> int:
    catalogue, name = writer.catalogue, record.space.name
    total = catalogue.count_captioned(record)
    if not total:
        return 0
    count, row, last = 0, record.rows, -1
    with (
        writer.append_file(name, "embeddings", ".f16") as file,
        progress("captions", total, "caption") as advance,
    ):
        while some := catalogue.captioned(record, after=last, limit=_COMMIT):
            last = some[-1][0]
            contents = {key: digest(caption.encode()) for key, caption, _ in some}
            fresh = [
                (key, caption) for key, caption, old in some if caption and contents[key] != old
            ]
            emptied = [key for key, caption, old in some if not caption and old is not None]
            vectors = _encoded(encoder, record.space.joint, [caption for _, caption in fresh])
            kept = [bool(np.isfinite(vector).all()) for vector in vectors]
            block = file.append(vectors[kept].tobytes()) if any(kept) else None
            with catalogue.transaction():
                for key in emptied:
                    catalogue.drop_row(record, key)
                for (key, _), finite in zip(fresh, kept, strict=True):
                    if finite:
                        catalogue.put_row(record, row, key, contents[key])
                        row += 1
                if block is not None:
                    catalogue.count_block(name, block)
            count += sum(kept)
            advance(len(some))
    return count


def _encoded(
    encoder: Encoder, joint: str, captions: list[str]
) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    """(n, dimension) float16: an encoder's batch at a time."""
    parts = [
        encoder.encode_words(captions[start : start + encoder.batch_size])[joint]
        for start in range(0, len(captions), encoder.batch_size)
    ]
    with np.errstate(over="ignore"):
        return np.concatenate(parts).astype(np.float16) if parts else np.empty((0, 0), np.float16)
