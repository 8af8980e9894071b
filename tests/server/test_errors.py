"""What the REST API says of what it cannot answer: one line, which tells nothing of the disk."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from medclip_search.api import Library
from medclip_search.corpora.base import CorpusSpec
from medclip_search.errors import LibraryDamagedError
from medclip_search.library.build import build
from medclip_search.server import uploads
from medclip_search.server.rest import create_api


def one_line(answer: str) -> bool:
    return bool(answer) and "\n" not in answer and "Traceback" not in answer


@pytest.mark.parametrize("kind", ["cases", "images", "thumbnails"])
def test_an_unknown_case_is_404(client: TestClient, kind: str) -> None:
    answer = client.get(f"/{kind}/no such case")
    assert answer.status_code == 404
    assert "no such case" in answer.json()["error"]
    assert one_line(answer.json()["error"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"words": "  "}, 400),
        ({"words": "x", "where": "no filter at all"}, 400),
        ({"words": "x", "fusion": "sum"}, 422),
        ({"words": "x", "weights": {"words": -1}}, 400),
        ({"words": "x", "weights": {"words" * 5000: 1}}, 400),
        ({"words": "x", "weights": {"words": [[1]]}}, 422),
        ({"words": "x", "k": 0}, 422),
        ({"words": "x", "k": -3}, 422),
        ({"words": "x", "k": 10_000_000}, 422),
        ({"words": "x", "k": "many"}, 422),
        ({"wrods": "x"}, 422),
        ({"words": 7}, 422),
        ([], 422),
    ],
)
def test_a_wrong_query_is_one_line(client: TestClient, body: object, status: int) -> None:
    answer = client.post("/search", json=body)
    assert answer.status_code == status, answer.text
    assert one_line(answer.json()["error"])


def test_a_wrong_vector_is_one_short_line(client: TestClient) -> None:
    answer = client.post("/search", json={"vector": [1.0, 2.0]})
    assert answer.status_code == 400
    assert "the space compact has 1280" in answer.json()["error"]
    unknown = client.post("/search", json={"vector": [0.5] * 1280, "space": "lab"})
    assert unknown.status_code == 400
    assert "has no lab; there are: compact (1280-D)" in unknown.json()["error"]
    # An answer that lists each of many wrong numbers would be larger than what was sent.
    hostile = client.post("/search", json={"vector": ["x"] * 50_000})
    assert hostile.status_code == 400
    assert len(hostile.content) < 2000
    hostile_ones: list[Any] = [
        [[1.0] * 1280] * 65,
        *([{}], [None], [True], [[1.0], [1.0, 2.0]], [[[1.0]]], [10**400]),
    ]
    for wrong in hostile_ones:
        answer = client.post("/search", json={"vector": wrong})
        assert answer.status_code in (400, 422)
        assert one_line(answer.json()["error"])
    assert client.post("/search", json={"vector": [1.0] * (1 << 17)}).status_code == 422
    assert client.post("/search", json={"words": "x", "space": "x" * 10_000}).status_code == 422


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"words": [7] * 9}, "words"),
        ({"weights": [[]] * 9}, "weights"),
        ({"area": ["x"] * 9}, "area"),
    ],
)
def test_of_many_that_are_wrong_the_first_is_told(
    client: TestClient, body: dict[str, object], told: str
) -> None:
    answer = client.post("/search", json={"words": "x"} | body)
    assert answer.status_code == 422
    assert re.search(rf"{told}\.list\S*\.0:", answer.json()["error"])
    assert not re.search(rf"{told}\.list\S*\.[1-9]", answer.json()["error"])


def test_wrong_forms_are_one_line(client: TestClient) -> None:
    wrong = [
        client.post("/search", data={"wrods": "x"}),
        client.post("/search", data={"words": "x", "k": "many"}),
        client.post("/search", data={"image": "not a file"}),
        client.post("/search", files={"words": ("a.txt", b"x")}),
        client.post("/search", content=b"{", headers={"content-type": "application/json"}),
        client.post("/search", content=b"x", headers={"content-type": "text/plain"}),
        client.post("/search", content=b"x", headers={"content-type": "multipart/form-data"}),
        client.get("/search"),
        client.get("/nowhere"),
    ]
    assert [answer.status_code for answer in wrong] == [422, 422, 422, 422, 422, 415, 400, 405, 404]
    assert all(one_line(answer.json()["error"]) for answer in wrong)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n broken"])
def test_an_unreadable_upload_is_named(client: TestClient, content: bytes) -> None:
    answer = client.post("/search", files={"image": ("scan 7.png", content, "image/png")})
    assert answer.status_code == 400
    assert "scan 7.png" in answer.json()["error"]
    assert one_line(answer.json()["error"])


def test_too_large_an_upload_is_413(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LIMIT_MB", 1)
    announced = client.post("/search", files={"image": ("big.png", bytes(2 * 2**20))})

    def chunks() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for _ in range(20):
            yield bytes(100_000)

    kind = {"content-type": "multipart/form-data; boundary=b"}
    chunked = client.post("/search", content=chunks(), headers=kind)
    for answer in (announced, chunked):
        assert answer.status_code == 413
        assert one_line(answer.json()["error"])


def test_a_library_that_cannot_be_read_is_503_and_a_fault_500() -> None:
    failures: list[Exception] = [
        LibraryDamagedError("library: a file is missing; build it again"),
        ZeroDivisionError("a secret of the server"),
    ]

    def failing() -> Library:
        raise failures.pop(0)

    with TestClient(create_api(failing), raise_server_exceptions=False) as client:
        damaged, fault = client.get("/health"), client.get("/health")
    assert damaged.status_code == 503
    assert "build it again" in damaged.json()["error"]
    assert fault.status_code == 500
    assert "secret" not in fault.text


def test_no_error_tells_where_pictures_lie_or_what_their_files_are_called(tmp_path: Path) -> None:
    """DICOM files are often called after the patient."""
    folder = tmp_path / "SMITH_JOHN"
    folder.mkdir()
    for name in ("cut", "pipe", "gone"):
        (folder / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    rows = [f"case-{name},{name}.png,CT of the chest" for name in ("cut", "pipe", "gone")]
    (folder / "cases.csv").write_text("\n".join(["id,image,caption", *rows]), "utf-8")
    packed = tmp_path / "packed"
    packed.mkdir()
    with zipfile.ZipFile(packed / "images.zip", "w") as archive:
        archive.writestr("x/PMC1_SMITH.jpg", b"no picture")
    (packed / "pmc_oa.jsonl").write_text('{"image": "PMC1_SMITH.jpg", "caption": "MRI"}', "utf-8")
    path = tmp_path / "library"
    build(
        path,
        [CorpusSpec("table", folder / "cases.csv", "t"), CorpusSpec("pmc-oa", packed, "p")],
    )
    (folder / "gone.png").unlink()
    (folder / "pipe.png").unlink()
    os.mkfifo(folder / "pipe.png")
    with (
        Library.open(path) as opened,
        TestClient(create_api(lambda: opened), raise_server_exceptions=False) as asked,
    ):
        for case_id in ("case-cut", "case-pipe", "case-gone", "PMC1_SMITH"):
            answer = asked.get(f"/images/{case_id}")
            assert answer.status_code == 404
            assert opened.has_image(case_id) == (case_id in ("case-cut", "PMC1_SMITH"))
            error = answer.json()["error"]
            assert error.startswith(f"{case_id}: ")
            rest = error.removeprefix(case_id)
            assert not any(told in rest for told in ("SMITH", str(tmp_path), ".png", ".zip"))
