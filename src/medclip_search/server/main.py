"""`medclip-search serve`: the app and the API in one process."""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn
from starlette.routing import Mount
from starlette.types import ASGIApp
from streamlit.starlette import App
from streamlit.web import bootstrap
from threadpoolctl import threadpool_limits

from medclip_search import app as pages
from medclip_search.api import Library
from medclip_search.app import waiting
from medclip_search.app.theme import THEME
from medclip_search.errors import MedClipError, UsageError
from medclip_search.server import guard, shared, uploads
from medclip_search.server.rest import create_api
from medclip_search.state import State

API = "/api/v1"

_GRACE_S = 3  # what a request under way gets when the server is told to end


def serve(
    library_path: str | Path,
    host: str = "127.0.0.1",
    port: int = 8501,
    model: str | None = None,
    rerank: str | None = None,
    combiner: str | None = None,
    synonyms: str | None = None,
) -> None:
    """Serve a library until interrupted; returns after Ctrl-C.

    ``model`` is where the encoder's model lies here, ``rerank`` a cross-encoder that re-ranks
    answers to words, ``combiner`` a file of what was learnt of the lists, ``synonyms`` one of words
    that mean the same (``Library.open``).
    ``port`` 0 takes a free one. The address is printed on stdout once the port is held. Raises
    ``MedClipError`` (or its kin, for the library and the state) where it cannot start.
    """
    with (
        Library.open(
            library_path, model=model, rerank=rerank, combiner=combiner, synonyms=synonyms
        ) as library,
        State.open() as state,
    ):
        listening = _listen(host, port)
        # Searches run beside one another, and their products are small: more threads than one for
        # each of them wait for one another, and take many times as long.
        with listening, threadpool_limits(1, user_api="blas"):
            port = listening.getsockname()[1]
            _configure_streamlit(host, port)
            shared.share(shared.Shared(library, state))
            try:
                _announce(library_path, host, port)
                uvicorn.Server(_configured(build(host))).run(sockets=[listening])
            except KeyboardInterrupt:
                pass  # the way a person ends it
            finally:
                _let_threads_end()
                shared.share(None)


def build(host: str = "127.0.0.1") -> App:
    """The ASGI app over what ``shared`` holds: the page at ``/``, the API under ``API``."""
    uploads.keep_in_memory()
    api = create_api(lambda: shared.current().library(), lambda: shared.current().state)
    return App(
        Path(pages.__file__).with_name("page.py"),
        routes=[Mount(API, app=api)],
        middleware=guard.middleware(host),
    )


def _configured(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",  # httptools, taken where it is installed, reads a head of any length
        log_level="warning",
        access_log=False,  # an access log would keep what was asked
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:  # the resolver would quietly take the rest of a division
        raise UsageError(f"port {port}: give a number from 0 to 65535 by --port")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # asyncio sends at once (TCP_NODELAY) only what it knows to be TCP; else each answer waits
        # 40 ms for the client to confirm the answer's head.
        listening = socket.socket(family, kind, socket.IPPROTO_TCP)
    except OSError as error:
        raise MedClipError(f"{host}:{port}: {error}; give another --host or --port") from None
    try:
        if sys.platform != "win32":  # there it would share the port with another program
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise MedClipError(
            f"port {port} on {host}: {reason.lower()}; give another one by --port"
        ) from None
    return listening


def _let_threads_end() -> None:
    """Wait, a little, for searches under way in threads of the app and the API.

    They are daemon threads: one that is inside an encoder or an index when the interpreter goes
    would take the process down by an abort.
    """
    last = time.monotonic() + _GRACE_S
    for thread in threading.enumerate():
        if thread.name.startswith(("ScriptRunner", "AnyIO worker", waiting.THREAD)):
            thread.join(max(0.0, last - time.monotonic()))


def _announce(library_path: str | Path, host: str, port: int) -> None:
    name = f"[{host}]" if ":" in host else host
    print(f"MedClip Search: http://{name}:{port}  (library {library_path}; Ctrl-C ends)")
    if not guard.is_loopback(host):
        print(f"Warning: {host} lets others on the network search this library, without a login.")
    sys.stdout.flush()


def _configure_streamlit(host: str, port: int) -> None:
    """Streamlit's settings, in code: no file of the user's changes what the server promises."""
    settings: dict[str, Any] = {
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "global.developmentMode": False,
        "logger.level": "warning",
        "runner.magicEnabled": False,
        "server.address": host,
        "server.enableAgentApi": False,
        "server.enableStaticServing": False,
        "server.fileWatcherType": "none",
        "server.headless": True,
        "server.maxUploadSize": uploads.LIMIT_MB,
        "server.port": port,
        "server.showEmailPrompt": False,
    }
    bootstrap.load_config_options(settings | THEME)
