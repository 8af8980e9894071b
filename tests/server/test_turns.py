"""Many searches at once over the REST API."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from medclip_search.api import Library
from medclip_search.server.rest import AT_ONCE, create_api


def test_searches_wait_their_turn_and_are_all_answered(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most, lock = 0, 0, threading.Lock()
    plain = Library.search

    def search(opened: Library, *asked: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        try:
            return plain(opened, *asked)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(Library, "search", search)
    with TestClient(create_api(lambda: library)) as client, ThreadPoolExecutor(4 * AT_ONCE) as many:
        asked = {"words": "gallbladder", "k": 1}
        answers = [many.submit(client.post, "/search", json=asked) for _ in range(4 * AT_ONCE)]
        assert {answer.result().status_code for answer in answers} == {200}
    assert 1 < most <= AT_ONCE
