"""Files of a Hugging Face repository: from the cache where they are there, else downloaded.

What is in the cache is found without a word to the network. What is not is asked for once, and
whatever goes wrong is said in one line, another with a network than without.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from medclip_search.errors import EncoderError, EncoderUnavailableError

PREFIX = "hf-hub:"
_PATIENCE = 10.0  # seconds that the hub may take to answer


def cached(repository: str, names: Sequence[str], option: str = "--model") -> Path | None:
    """The first of these files that is in the cache, or ``None``.

    ``option`` is what the user named the repository by.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    _prepare()
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for name in names:
        try:
            found = try_to_load_from_cache(repository, name)
        except HFValidationError:
            raise EncoderError(
                f"{option} {PREFIX}{repository}: is not a name of the form ORGANISATION/MODEL"
            ) from None
        if isinstance(found, str):
            return Path(found)
    return None


def fetched(
    repository: str, names: Sequence[str], *, every: bool = False, option: str = "--model"
) -> Path | None:
    """The first of these files that the repository has (``every``: all), downloaded.

    Gives the path of the first in the cache, ``None`` where it has none of them. A file of
    weights shows one bar. Raises ``EncoderUnavailableError`` with what to do. The package
    huggingface_hub must be there.
    """
    _prepare()
    from huggingface_hub import hf_hub_download

    with _explained(repository, option), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of a disk that will be too small, which is told when it is
        there = [name for name in names if name in _listing(repository)]
        paths = []
        for name in there if every else there[:1]:
            with _bar(shown=not name.endswith((".json", ".txt"))):
                paths.append(Path(hf_hub_download(repository, name, etag_timeout=_PATIENCE)))
    return paths[0] if paths else None


def _prepare() -> None:
    """No use is reported to anybody, and the hub's own warnings and retries are not printed."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


@functools.cache
def _listing(repository: str) -> frozenset[str]:
    """The names of the repository's files. One request, which fails at once without a network."""
    from huggingface_hub import HfApi

    found = HfApi().model_info(repository, timeout=_PATIENCE)
    return frozenset(one.rfilename for one in found.siblings or ())


@contextlib.contextmanager
def _bar(*, shown: bool) -> Iterator[None]:
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if shown or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


@contextlib.contextmanager
def _explained(repository: str, option: str) -> Iterator[None]:
    """What the hub raises, as one line with a remedy."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    name = f"{PREFIX}{repository}"
    elsewhere = (
        f"on a machine that has one run 'hf download {repository} --local-dir DIR' and copy the "
        f"folder, then give {option} DIR, or set HF_HOME to a cache that has it"
    )
    try:
        yield
    except GatedRepoError as error:
        raise EncoderUnavailableError(
            f"{name}: its owner asks for consent; give it on https://huggingface.co/{repository}, "
            "run 'hf auth login', and try again"
        ) from error
    except RepositoryNotFoundError as error:
        raise EncoderUnavailableError(
            f"{name}: there is no such model, or it is private; check the name, or run "
            "'hf auth login'"
        ) from error
    except OfflineModeIsEnabled as error:
        raise EncoderUnavailableError(
            f"{name}: not in the cache, and HF_HUB_OFFLINE forbids the network; unset it, or "
            f"{elsewhere}"
        ) from error
    except Exception as error:  # whichever library speaks HTTP, its exceptions share no root
        if _no_space(error):
            raise EncoderUnavailableError(
                f"{name}: download failed: the disk is full; make room, or set HF_HOME to a folder "
                "on another disk"
            ) from error
        if _unreachable(error):
            raise EncoderUnavailableError(
                f"{name}: not in the cache, and no network here; {elsewhere}"
            ) from error
        cause = next((one for one in _chain(error) if isinstance(one, HfHubHTTPError)), error)
        raise EncoderUnavailableError(
            f"{name}: download failed: {_reason(cause)}; {_remedy(cause)}"
        ) from error


def _remedy(error: BaseException) -> str:
    """What to do about an answer of the hub, or about none."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status in (401, 403):
        return (
            "the hub refuses it to this machine: ask its owner for access, run 'hf auth login' or "
            "correct HF_TOKEN, and try again"
        )
    if status == 429 or status >= 500:
        return "the hub is overloaded or out of order: try again later"
    if status:
        return "check the name and try again"
    return "try again (files that came whole are kept)"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unreachable(error: BaseException) -> bool:
    """Whether no connection was made at all, by the names that requests and httpx give it."""
    names = ("ConnectError", "ConnectTimeout", "ConnectionError", "gaierror", "ProxyError")
    return any(
        isinstance(one, ConnectionRefusedError) or type(one).__name__ in names
        for one in _chain(error)
    )


def _no_space(error: BaseException) -> bool:
    full = (errno.ENOSPC, errno.EDQUOT)
    return any(isinstance(one, OSError) and one.errno in full for one in _chain(error))


def _reason(error: BaseException) -> str:
    """The first line of what went wrong."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:;") if lines else type(error).__name__
