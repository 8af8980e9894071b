"""What a library is, in plain JSON: counts, sources, spaces, indexes, sizes."""

from __future__ import annotations

import json
from typing import Any

from medclip_search.encoders.registry import note_on
from medclip_search.library.generation import Generation


def describe_library(generation: Generation) -> dict[str, Any]:
    """The answer of ``info``. Sizes are in bytes."""
    manifest, catalogue = generation.manifest, generation.catalogue
    counts = catalogue.counts_by_source()
    settings = json.loads(catalogue.fact("encoder_settings") or "{}")
    sizes: dict[str, int] = {}
    for path, record in manifest.files.items():
        room = path.split("/")[0]
        sizes[room] = sizes.get(room, 0) + record.size
    return {
        "path": str(generation.library),
        "library": manifest.library,
        "generation": manifest.number,
        "created": manifest.created,
        "program": manifest.program,
        "format": manifest.format,
        "encoder": manifest.encoder,
        "model": settings.get("model"),
        "cases": manifest.cases,
        "images": catalogue.count_images(),
        "sources": [
            {
                "name": source.name,
                "kind": json.loads(source.spec)["kind"],
                "root": source.root,
                "cases": counts[source.name],
            }
            for source in catalogue.sources()
        ],
        "spaces": [
            {
                "name": record.space.name,
                "dimension": record.space.dimension,
                "embeds_words": record.space.embeds_words,
                "holds": record.space.holds,
                "joint": record.space.joint,
                "ready_made": record.space.ready_made,
                "encoder": record.encoder,
                "fingerprint": record.fingerprint,
                "note": note_on(record.fingerprint),
                "rows": record.rows,
                "live": generation.vectors[record.space.name].size,
                "index": generation.vectors[record.space.name].describe(),
            }
            for record in catalogue.spaces()
        ],
        "text": generation.text.describe(),
        "map": None if generation.map is None else generation.map.describe(),
        "bytes": {**dict(sorted(sizes.items())), "total": sum(sizes.values())},
    }
