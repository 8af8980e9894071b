"""Recent searches over REST: listed, forgotten, kept no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from medclip_search.api import Library
from medclip_search.server.rest import create_api
from medclip_search.state import LOCAL_USER, PastSearch, State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def client(library: Library, state: State) -> Iterator[TestClient]:
    api = create_api(lambda: library, lambda: state)
    with TestClient(api, raise_server_exceptions=False) as one:
        yield one


def test_searches_are_listed_newest_first_and_forgotten(
    client: TestClient, state: State, library: Library
) -> None:
    assert client.get("/history").json() == {"keep": True, "searches": []}
    state.keep_search(LOCAL_USER, library.id, PastSearch(words=("nodule",), where=("modality=CT",)))
    state.keep_search(LOCAL_USER, library.id, PastSearch(cases=("a",), weights={"image": [2]}))
    state.keep_search(LOCAL_USER, "another", PastSearch(words=("elsewhere",)))
    first, second = client.get("/history").json()["searches"]
    assert (first["case"], first["weights"]) == (["a"], {"image": [2]})
    assert (second["words"], second["where"]) == (["nodule"], ["modality=CT"])
    # Any of them is asked again as it is.
    assert client.post("/search", json=second).json()["hits"]
    assert client.delete("/history").json() == {"forgotten": 2}
    assert client.get("/history").json()["searches"] == []
    assert state.searches(LOCAL_USER, "another")


def test_who_wants_none_kept_says_so_and_no_page_elsewhere_can(
    client: TestClient, state: State, library: Library
) -> None:
    asked = PastSearch(words=("nodule",))
    state.keep_search(LOCAL_USER, library.id, asked)
    plain = {"Content-Type": "text/plain"}
    assert client.patch("/history", content='{"keep": false}', headers=plain).status_code == 415
    assert client.patch("/history", json={"kept": False}).status_code == 422
    assert client.get("/history").json()["searches"]
    assert client.patch("/history", json={"keep": False}).json() == {"keep": False}
    assert not state.keep_search(LOCAL_USER, library.id, asked)
    assert client.get("/history").json() == {"keep": False, "searches": []}
    assert client.patch("/history", json={"keep": True}).json() == {"keep": True}
    assert state.keep_search(LOCAL_USER, library.id, asked)
