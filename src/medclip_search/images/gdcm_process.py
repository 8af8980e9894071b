"""GDCM at arm's length: a crash or a hang there costs one picture, not the program."""

from __future__ import annotations

import atexit
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclip_search.images import gdcm_worker
from medclip_search.images.gdcm_worker import LENGTH

_PATIENCE = 60.0
"""Seconds after which a frame counts as undecodable."""

_idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
_inherited: list[queue.LifoQueue[_Worker]] = []


class _Worker:
    """A process that decodes one frame after another."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", gdcm_worker.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, request: bytes) -> bytes | None:
        """The answer; ``None`` where the process died or had to be killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(_PATIENCE, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(len(request).to_bytes(LENGTH, "little") + request)
            self._process.stdin.flush()
            size = self._process.stdout.read(LENGTH)
            answer = self._process.stdout.read(int.from_bytes(size, "little"))
        except OSError:
            return None
        finally:
            timer.cancel()
        complete = len(size) == LENGTH and len(answer) == int.from_bytes(size, "little")
        return answer if complete else None

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def decode_apart(frame: bytes, syntax: str, elements: Mapping[str, Any]) -> NDArray[Any] | None:
    """As ``gdcm_worker.decode_frame``, by GDCM, in another process; ``None`` for failure.

    Processes start when they are needed (about half a second), one for each thread that decodes
    at the same time, and are kept.
    """
    try:
        worker = _idle.get_nowait()
    except queue.Empty:
        try:
            worker = _Worker()
        except OSError:  # no process may be started here
            return None
    answer = None
    try:
        answer = worker.ask(pickle.dumps((frame, syntax, dict(elements))))
    finally:
        if answer is None:
            worker.stop()
        else:
            _idle.put(worker)
    return np.load(BytesIO(answer), allow_pickle=False) if answer else None


def _leave_to_parent() -> None:
    """In a forked process: the workers are the parent's, two may not write into one pipe."""
    global _idle
    _inherited.append(_idle)
    _idle = queue.LifoQueue()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


@atexit.register
def _stop_workers() -> None:
    while not _idle.empty():
        _idle.get_nowait().stop()
