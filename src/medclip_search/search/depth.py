"""How deep the ranked lists of a query are: as deep as it takes to fill its page, and no deeper."""

from __future__ import annotations

from medclip_search.search.arrange import FOLDED
from medclip_search.search.asked import Asked

LEAST = 200
"""Lists that are fused are at least this deep, and four times as deep as the answer."""
STEERED = 1000
"""Lists are at least this deep where likes and dislikes re-rank them, or one article may fill
many places, or where pages follow one another."""


def depth_of(asked: Asked, k: int, start: int | None, *, steered: bool) -> int:
    """The depth of the lists for ``k`` answers; for pages that fit together, equal for all of them.

    ``steered`` by likes or dislikes.
    """
    if start is not None:
        return STEERED
    if steered or asked.query.group:
        return max(STEERED, 4 * k)
    if _one_list(asked):
        # The page is cut from it as it is, but for what is folded; a cross-encoder reads no more.
        return k + FOLDED
    return max(LEAST, 4 * k)


def _one_list(asked: Asked) -> bool:
    """Whether one list of words is all that answers, in its own order."""
    query = asked.query
    others = (query.image, query.vector, query.not_image, query.diversity)
    return (
        len(query.text) == 1
        and not any(others)
        and query.sort == "relevance"
        and not any(asked.encoded.words)
        and asked.generation.columns.captionless is None
    )
