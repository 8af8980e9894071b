"""Files of a model in a repository of the hub: from the cache, else downloaded."""

from __future__ import annotations

from pathlib import Path

from medclip_search.encoders import hub
from medclip_search.encoders.open_clip.packages import require_packages
from medclip_search.errors import EncoderUnavailableError


def file_of(repository: str, names: tuple[str, ...], otherwise: str) -> Path:
    """The first of these files, from the cache or downloaded; it must be there."""
    found = hub.cached(repository, names) or fetched(repository, names)
    if found is None:
        raise EncoderUnavailableError(f"{hub.PREFIX}{repository}: has no {names[0]}; {otherwise}")
    return found


def fetched(repository: str, names: tuple[str, ...], *, every: bool = False) -> Path | None:
    """What ``hub.fetched`` gives, where there are packages that could use it."""
    require_packages(f"{hub.PREFIX}{repository}")
    return hub.fetched(repository, names, every=every)
