"""Samples and regions over REST: what the library gives, cached, and nothing of a header."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from medclip_search.api import Library, build
from medclip_search.server.rest import create_api
from tests.figures import draw_textured
from tests.images.test_dicom import RAMP, dicom


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A CT, a deep PNG, and two pictures of 8 bits."""
    folder = tmp_path_factory.mktemp("deep")
    content = dicom(
        RAMP,
        RescaleSlope=1,
        RescaleIntercept=-1024,
        Modality="CT",
        WindowCenter=40,
        WindowWidth=400,
        PatientName="Doe^Jane",
    )
    (folder / "Doe Jane.dcm").write_bytes(content)
    Image.fromarray((RAMP * 16).astype(np.uint16)).save(folder / "deep.png")
    for name in "ab":
        draw_textured(ord(name)).save(folder / f"{name}.png")
    build(folder / "library", [f"folder={folder}"])
    with Library.open(folder / "library") as opened:
        yield opened


@pytest.fixture(scope="module")
def deep_client(deep: Library) -> Iterator[TestClient]:
    with TestClient(create_api(lambda: deep), raise_server_exceptions=False) as opened:
        yield opened


def test_samples_are_the_librarys_as_numpy_reads_them(
    deep_client: TestClient, deep: Library
) -> None:
    for case_id, unit in (("Doe Jane", "HU"), ("deep", "")):
        answer = deep_client.get(f"/samples/{case_id}")
        assert answer.status_code == 200
        expected = deep.samples(case_id)
        assert expected is not None
        assert np.array_equal(np.load(io.BytesIO(answer.content)), expected.values)
        facts = json.loads(answer.headers["x-medclip-samples"])
        assert facts == expected.facts()
        assert facts["unit"] == unit
    assert b"Jane" not in deep_client.get("/samples/Doe Jane").content


def test_samples_are_asked_for_once(deep_client: TestClient) -> None:
    first = deep_client.get("/samples/deep")
    assert "max-age" in first.headers["cache-control"]
    again = deep_client.get("/samples/deep", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_there_are_none_of_eight_bits_and_of_nothing(
    deep_client: TestClient, deep: Library
) -> None:
    assert [deep.has_samples(one) for one in ("a", "deep", "Doe Jane")] == [False, True, True]
    for case_id, reason in (("a", "8 bits"), ("nobody", "no case")):
        answer = deep_client.get(f"/samples/{case_id}")
        assert answer.status_code == 404
        assert reason in answer.json()["error"]


def side_by_side(folder: Path) -> bytes:
    whole = Image.new("L", (400, 200))
    for at, name in enumerate("ab"):
        whole.paste(Image.open(folder / f"{name}.png"), (200 * at, 0))
    buffer = io.BytesIO()
    whole.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(("region", "first"), [("0,0,200,200", "a"), ("0.5,0,0.5,1", "b")])
def test_an_uploaded_image_is_searched_by_its_region(
    deep_client: TestClient, deep: Library, region: str, first: str
) -> None:
    files = {"image": ("two.png", side_by_side(deep.path.parent), "image/png")}
    answer = deep_client.post("/search", files=files, data={"region": region, "k": "1"})
    assert answer.status_code == 200
    assert [hit["id"] for hit in answer.json()["hits"]] == [first]


def test_a_region_that_cannot_be_is_one_line(deep_client: TestClient, deep: Library) -> None:
    files = {"image": ("two.png", side_by_side(deep.path.parent), "image/png")}
    for region, reason in (
        ("1,2,3", "is no box"),
        ("300,0,200,100", "reaches beyond"),
        ("0,0,4,4", "less than 8"),
    ):
        answer = deep_client.post("/search", files=files, data={"region": region})
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("region: ")
        assert reason in answer.json()["error"]
    answer = deep_client.post("/search", json={"words": "a", "region": "0,0,9,9"})
    assert answer.status_code == 400
    assert "1 for 0 images" in answer.json()["error"]
