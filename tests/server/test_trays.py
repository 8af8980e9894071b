"""Trays over REST: made, filled, ordered, exported, imported; and closed to pages elsewhere."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.api import Library
from medclip_search.exports.importing import MOST_BYTES
from medclip_search.server.rest import create_api
from medclip_search.state import State

CASE = "/trays/Lung/cases"


@pytest.fixture
def client(library: Library, tmp_path: Path) -> Iterator[TestClient]:
    """Over a state of the test's own."""
    with (
        State.open(tmp_path) as state,
        TestClient(
            create_api(lambda: library, lambda: state), raise_server_exceptions=False
        ) as one,
    ):
        yield one


@pytest.fixture
def ids(library: Library) -> list[str]:
    return [case.id for case in library.cases()]


def kept(client: TestClient, name: str = "Lung") -> list[tuple[str, str]]:
    return [(one["id"], one["note"]) for one in client.get(f"/trays/{name}").json()["cases"]]


def test_a_tray_is_made_filled_ordered_renamed_and_deleted(
    client: TestClient, ids: list[str]
) -> None:
    assert client.post("/trays", json={"name": " Lung "}).json() == {"name": "Lung"}
    for case_id in ids[:3]:
        assert client.put(f"{CASE}/{case_id}", json={}).json() == {"id": case_id, "added": True}
    change = {"note": "first\nof all", "place": 0}
    assert client.put(f"{CASE}/{ids[2]}", json=change).json()["added"] is False
    assert kept(client) == [(ids[2], "first\nof all"), (ids[0], ""), (ids[1], "")]
    assert client.delete(f"{CASE}/{ids[0]}").status_code == 204
    assert client.delete(f"{CASE}/{ids[0]}").status_code == 404
    assert client.patch("/trays/Lung", json={"name": "Chest", "current": True}).status_code == 200
    assert client.get("/trays").json()["trays"] == [{"name": "Chest", "cases": 2, "current": True}]
    assert client.delete("/trays/Chest").status_code == 204
    assert client.get("/trays/Chest").status_code == 404


def test_what_is_exported_as_json_is_put_back_as_it_was(client: TestClient, ids: list[str]) -> None:
    for case_id in ids[:3]:
        client.put(f"{CASE}/{case_id}", json={"note": f"on {case_id}", "place": 0})
    whole = client.get("/trays/Lung/export", params={"format": "json"}).json()
    client.delete("/trays/Lung")
    assert client.put("/trays/Lung", json=whole).json() == {"name": "Lung", "cases": 3, "notes": []}
    assert client.get("/trays/Lung").json() == whole
    whole["cases"].append({"id": "gone", "note": "was good"})
    (note,) = client.put("/trays/Lung", json=whole).json()["notes"]
    assert note == "1 case is not in this library, and kept as gone: gone"
    assert client.put(f"{CASE}/gone", json={"note": "really"}).status_code == 200
    assert kept(client)[-1] == ("gone", "really")


@pytest.mark.parametrize("form", ["csv", "json", "bibtex", "ris", "zip", "html", "quiz"])
def test_every_form_is_a_file_to_keep(client: TestClient, ids: list[str], form: str) -> None:
    client.put(f"{CASE}/{ids[0]}", json={})
    answer = client.get("/trays/Lung/export", params={"format": form})
    assert answer.status_code == 200
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith("attachment; filename=medclip-Lung")
    if form == "zip":
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            text = archive.read("README.txt").decode()
    else:
        text = answer.content.decode()
    assert NOT_FOR_DIAGNOSIS in text


def test_a_page_elsewhere_cannot_write(client: TestClient, ids: list[str]) -> None:
    """A form, a text, or nothing at all is what a browser sends for any page without asking."""
    client.put(f"{CASE}/{ids[0]}", json={})
    before = client.get("/trays/Lung").json()
    body = json.dumps({"name": "theirs", "cases": [], "note": "x"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        headers = {"content-type": kind, "origin": "https://evil.example"}
        for method, path in (
            ("POST", "/trays"),
            ("PUT", "/trays/Lung"),
            ("PATCH", "/trays/Lung"),
            ("PUT", f"{CASE}/{ids[0]}"),
        ):
            answer = client.request(method, path, content=body, headers=headers)
            assert answer.status_code == 415, (method, path, kind)
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        asked = {
            "origin": "https://evil.example",
            "access-control-request-method": method,
            "access-control-request-headers": "content-type",
        }
        answer = client.options("/trays/Lung", headers=asked)
        assert "access-control-allow-origin" not in answer.headers
    assert client.get("/trays/Lung").json() == before
    assert len(client.get("/trays").json()["trays"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/trays", {"name": "Lung"}, 409),
        ("POST", "/trays", {"name": "a/b"}, 400),
        ("POST", "/trays", {"name": "  "}, 400),
        ("POST", "/trays", {}, 422),
        ("POST", "/trays", {"name": "x", "more": 1}, 422),
        ("PATCH", "/trays/nobody", {"current": True}, 404),
        ("PATCH", "/trays/Lung", {"name": ""}, 400),
        ("PUT", f"{CASE}/nobody", {}, 404),
        ("PUT", f"{CASE}/nobody", {"note": "x" * 2001}, 422),
        ("PUT", f"{CASE}/nobody", {"place": -1}, 422),
        ("PUT", "/trays/Lung", [], 400),
        ("PUT", "/trays/Lung", {"cases": [{"id": 1}]}, 400),
        ("PUT", "/trays/Lung", {"cases": [], "version": 9}, 400),
        ("PUT", "/trays/Lung", {"cases": [{"id": "a", "note": "x" * 2001}]}, 400),
        ("GET", "/trays/nobody", None, 404),
        ("GET", "/trays/nobody/export", None, 404),
        ("GET", "/trays/Lung/export?format=word", None, 422),
        ("DELETE", "/trays/nobody", None, 404),
    ],
)
def test_what_cannot_be_done_is_one_line(
    client: TestClient, method: str, path: str, body: object, status: int
) -> None:
    client.post("/trays", json={"name": "Lung"})
    answer = client.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error
    assert "\n" not in error
    assert client.get("/trays").json()["trays"] == [{"name": "Lung", "cases": 0, "current": True}]


def test_a_body_too_large_is_not_taken_in(client: TestClient) -> None:
    json_headers = {"content-type": "application/json"}
    content = b'{"cases":' + b" " * MOST_BYTES + b"[]}"
    assert client.put("/trays/Lung", content=content, headers=json_headers).status_code == 413
    assert client.post("/trays", content=content, headers=json_headers).status_code == 413
