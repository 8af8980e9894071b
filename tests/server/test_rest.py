"""The REST API over a real library: its answers, and what must never reach the disk."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from starlette.formparsers import MultiPartParser

from medclip_search import NOT_FOR_DIAGNOSIS, encoders
from medclip_search.api import Library
from medclip_search.search.query import Query
from medclip_search.search.regions import CaseFigure, Region

Ids = dict[str, str]


def png(library: Library, case_id: str) -> bytes:
    buffer = io.BytesIO()
    library.image(case_id).save(buffer, "PNG")
    return buffer.getvalue()


def test_words_as_json_give_what_the_library_gives(
    client: TestClient, library: Library, ids: Ids
) -> None:
    answer = client.post("/search", json={"words": "gallbladder", "k": 3})
    assert answer.status_code == 200
    body = answer.json()
    expected = library.search(Query(text="gallbladder"), k=3)
    assert [hit["id"] for hit in body["hits"]] == [hit.id for hit in expected]
    assert body["hits"][0]["id"] == ids["no picture"]
    assert body["generation"] == expected.generation
    assert body["disclaimer"] == NOT_FOR_DIAGNOSIS
    assert body["milliseconds"] >= 0
    assert isinstance(body["notes"], list)


def test_an_uploaded_image_finds_its_own_case(
    client: TestClient, library: Library, ids: Ids
) -> None:
    case_id = ids["chest ct 2"]
    files = {"image": ("mine.png", png(library, case_id), "image/png")}
    answer = client.post("/search", files=files, data={"k": "2"})
    assert answer.status_code == 200
    hits = answer.json()["hits"]
    assert hits[0]["id"] == case_id
    assert len(hits) == 2


def test_a_vector_as_json_finds_what_its_image_finds(
    client: TestClient, library: Library, ids: Ids
) -> None:
    encoder = encoders.load("compact")
    pixels = encoder.preprocess(library.image(ids["chest ct 2"]))
    vector = encoder.encode_images(pixels[None])["compact"][0].tolist()
    asked = {"vector": vector, "space": "compact", "k": 2}
    hits = client.post("/search", json=asked).json()["hits"]
    assert hits[0]["id"] == ids["chest ct 2"]
    assert hits[0]["evidence"]["lists"][0]["list"] == "vector:compact"


def test_every_field_of_the_form_reaches_the_query(
    client: TestClient, library: Library, ids: Ids
) -> None:
    liked, disliked = ids["chest ct 1"], ids["head mr 1"]
    answer = client.post(
        "/search",
        data={
            "words": ["showing", "chest"],
            "not_words": ["emphysema"],
            "where": ["corpus=folder"],
            "like": [liked],
            "dislike": [disliked],
            "tray": [ids["chest ct 2"]],
            "fusion": "rrf",
            "weights": ["words=1,0.5", "not-image=3"],
            "expand": ["none"],
            "k": "6",
        },
        files=[("not_image", ("no.png", png(library, ids["chest ct 2"]), "image/png"))],
    )
    assert answer.status_code == 200
    expected = library.search(
        Query(
            text=["showing", "chest"],
            not_text="emphysema",
            not_image=library.image(ids["chest ct 2"]),
            where="corpus=folder",
            like=liked,
            dislike=disliked,
            tray=ids["chest ct 2"],
            fusion="rrf",
            weights={"words": [1, 0.5], "not-image": 3},
            expand="none",
        ),
        k=6,
    )
    found = answer.json()["hits"]
    assert [hit["id"] for hit in found] == [hit.id for hit in expected]
    assert [hit["score"] for hit in found] == pytest.approx([hit.score for hit in expected])
    for hit, same in zip(found, expected, strict=True):
        assert same.feedback is not None
        told = [(one["weight"], one["says"]) for one in hit["evidence"]["feedback"]["decibans"]]
        assert told == [(line.decibans, line.says) for line in same.feedback.lines]


def test_groups_and_diversity_by_json_and_by_form(client: TestClient, library: Library) -> None:
    asked = {"words": "showing", "group": "modality", "fold": False, "diversity": 0.5}
    expected = library.search(
        Query(text="showing", group="modality", fold=False, diversity=0.5), k=10
    )
    sent = {name: str(value) for name, value in asked.items()}
    for answer in (client.post("/search", json=asked), client.post("/search", data=sent)):
        found = answer.json()["hits"]
        assert [hit["id"] for hit in found] == [hit.id for hit in expected]
        assert [hit["siblings"] for hit in found] == [list(hit.siblings) for hit in expected]
        assert any(hit["siblings"] for hit in found)
    wrong = client.post("/search", json={"words": "x", "group": "pages"})
    assert wrong.status_code == 400
    assert "no field is called 'pages'" in wrong.json()["error"]
    assert client.post("/search", json={"words": "x", "diversity": 2}).status_code == 422


def test_what_hits_are_called(client: TestClient, library: Library) -> None:
    answer = client.post("/search", json={"words": "chest", "suggest": 4, "k": 1})
    expected = library.suggest(Query("chest"), 4)
    assert expected
    assert answer.json()["suggestions"] == [one.to_json() for one in expected]
    assert client.post("/search", json={"words": "chest"}).json()["suggestions"] == []


def test_a_hit_leads_to_its_pictures_and_hides_the_disk(client: TestClient, corpus: Path) -> None:
    answer = client.post("/search", json={"words": "patella", "k": 1})
    (hit,) = answer.json()["hits"]
    assert str(corpus) not in answer.text
    assert client.get(hit["image"]).headers["content-type"] == "image/png"
    assert client.get(hit["thumbnail"]).headers["content-type"] == "image/webp"


def test_a_case_by_an_id_with_slashes_spaces_and_accents(client: TestClient, ids: Ids) -> None:
    case_id = ids["deep/er/größe é"]
    for path in (quote(case_id), quote(case_id, safe="")):
        answer = client.get(f"/cases/{path}")
        assert answer.status_code == 200
        assert answer.json()["id"] == case_id
        assert answer.json()["caption"].startswith("Radiograph of the knee")
        assert client.get(f"/thumbnails/{path}").status_code == 200


def test_full_size_is_lossless_and_says_so(client: TestClient, library: Library, ids: Ids) -> None:
    answer = client.get(f"/images/{quote(ids['chest ct 1'])}")
    assert answer.headers["x-medclip-image"] == "full-size"
    served = Image.open(io.BytesIO(answer.content))
    assert served.tobytes() == library.image(ids["chest ct 1"]).tobytes()


def test_a_source_that_is_gone_falls_back_to_the_thumbnail(client: TestClient, ids: Ids) -> None:
    answer = client.get(f"/images/{quote(ids['head mr 2'])}")
    assert answer.status_code == 200
    assert answer.headers["x-medclip-image"] == "thumbnail"
    assert answer.headers["content-type"] == "image/webp"


@pytest.mark.parametrize("kind", ["thumbnails", "images"])
def test_pictures_are_not_sent_twice(client: TestClient, ids: Ids, kind: str) -> None:
    path = f"/{kind}/{quote(ids['chest ct 1'])}"
    first = client.get(path)
    tag = first.headers["etag"]
    assert "max-age" in first.headers["cache-control"]
    again = client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(path, headers={"If-None-Match": f'W/{tag}, "x"'}).status_code == 304
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_health(client: TestClient, library: Library) -> None:
    body = client.get("/health").json()
    assert body["status"] == "ok"
    assert body["cases"] == len(library)
    assert body["library"] == library.id


def test_fields_left_empty_in_a_form_say_nothing(client: TestClient) -> None:
    empty = {"where": "", "like": "", "not_words": ""}
    answer = client.post("/search", data={"words": "figure", **empty})
    assert answer.status_code == 200, answer.text
    assert answer.json()["hits"] == client.post("/search", json={"words": "figure"}).json()["hits"]


def test_a_file_field_left_empty_is_no_image(client: TestClient) -> None:
    form = (
        b'--b\r\nContent-Disposition: form-data; name="words"\r\n\r\nnodule\r\n'
        b'--b\r\nContent-Disposition: form-data; name="image"; filename=""\r\n\r\n\r\n--b--\r\n'
    )
    kind = {"content-type": "multipart/form-data; boundary=b"}
    answer = client.post("/search", content=form, headers=kind)
    assert answer.status_code == 200, answer.text
    assert "nodule" in answer.json()["hits"][0]["caption"]


@pytest.mark.parametrize("spooling", [False, True])
def test_an_upload_never_touches_the_disk(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spooling: bool
) -> None:
    """The case with spooling is Starlette's own way: it shows that the watch would see it."""
    if spooling:
        monkeypatch.setattr(MultiPartParser, "spool_max_size", 2**20)
    buffer = io.BytesIO()
    Image.effect_noise((2600, 2400), 90).save(buffer, "PNG")
    assert buffer.tell() > 5 * 2**20
    written: list[object] = []
    real = tempfile.TemporaryFile

    def watched(*args: Any, **kwargs: Any) -> Any:
        written.append(args)
        return real(*args, **kwargs)

    # Where SpooledTemporaryFile goes when it is full, and the folder that it would write to.
    monkeypatch.setattr(tempfile, "TemporaryFile", watched)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "does not exist"))
    answer = client.post("/search", files={"image": ("big.png", buffer.getvalue())})
    assert answer.status_code == (500 if spooling else 200)
    assert bool(written) is spooling


def test_the_documentation_needs_no_network(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(addresses) >= 2
    for address in addresses:
        assert address.startswith("/"), f"{address} is fetched from elsewhere"
        assert client.get(address).status_code == 200
    schema = client.get("/openapi.json").json()
    assert {"/search", "/cases/{case_id}", "/images/{case_id}", "/health"} <= set(schema["paths"])
    body = schema["paths"]["/search"]["post"]["requestBody"]["content"]
    assert {"application/json", "multipart/form-data"} == set(body)


def test_a_case_may_be_kept_from_answering(client: TestClient, ids: dict[str, str]) -> None:
    asked = {"words": "chest", "not_id": ids["chest ct 1"]}
    answer = client.post("/search", json=asked)
    assert answer.status_code == 200
    found = [hit["id"] for hit in answer.json()["hits"]]
    assert ids["chest ct 2"] in found
    assert ids["chest ct 1"] not in found


def test_a_case_is_cited_as_text_or_for_a_reference_manager(client: TestClient, ids: Ids) -> None:
    address = f"/citations/{quote(ids['chest ct 1'])}"
    answer = client.get(address)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "Licence: not known." in answer.text
    for style, start in (("bibtex", "% "), ("ris", "TY  - FIGURE\r\n")):
        answer = client.get(address, params={"format": style})
        assert answer.text.startswith(start)
        assert answer.headers["content-disposition"].startswith("attachment")
    assert client.get(address, params={"format": "word"}).status_code == 422
    assert client.get("/citations/nobody").status_code == 404


def test_a_figure_of_the_library_is_searched_with_by_its_id(
    client: TestClient, library: Library, ids: Ids
) -> None:
    one, gone = ids["chest ct 1"], ids["head mr 2"]
    by_id = client.post("/search", json={"case": one, "words": "CT"}).json()["hits"]
    query = Query(text="CT", image=library.image(one))
    assert [hit["id"] for hit in by_id] == [hit.id for hit in library.search(query)]
    assert by_id[0]["id"] == one
    # What is left of one whose source is gone is its thumbnail.
    assert client.post("/search", json={"case": [gone]}).json()["hits"][0]["id"] == gone
    # In a form, after the images sent; each with its region, in this order.
    form = {"case": one, "region": ["whole", "0,0,0.5,0.5"], "not_case": gone}
    file = {"image": ("query.png", png(library, one))}
    hits = client.post("/search", data=form, files=file).json()["hits"]
    asked = Query(
        image=[library.image(one), Region(CaseFigure(one), (0, 0, 0.5, 0.5))],
        not_image=CaseFigure(gone),
    )
    assert [hit["id"] for hit in hits] == [hit.id for hit in library.search(asked)]
    placed = client.post("/map/place", json={"case": "nobody"})
    for answer in (client.post("/search", json={"not_case": "nobody", "words": "x"}), placed):
        assert answer.status_code == 404
        assert "nobody" in answer.json()["error"]
    assert client.post("/search", json={"case": " "}).status_code == 400


def test_what_likes_changed_is_told_on_request(client: TestClient, ids: Ids) -> None:
    asked = {"words": "showing", "like": ids["head mr 2"], "k": 3}
    assert client.post("/search", json=asked).json()["changes"] is None
    found = client.post("/search", json=asked | {"explain": True}).json()
    plain = client.post("/search", json={"words": "showing", "k": 3}).json()["hits"]
    before, after = ({hit["id"]: hit["rank"] for hit in hits} for hits in (plain, found["hits"]))
    told = found["changes"]
    assert told["up"] == sum(after[one] < before.get(one, 0) for one in after)
    assert told["came"] == told["left"] == len(after.keys() - before.keys())
    assert told["up"] + told["came"] > 0
    assert str(told["up"] or told["came"]) in told["says"]
    alone = {"like": ids["head mr 2"], "explain": True}  # nothing to compare with
    assert client.post("/search", data=alone).json()["changes"] is None


def test_pages_counts_and_places_of_the_words(client: TestClient) -> None:
    asked = {"words": "showing the chest", "k": 2, "facets": ["modality"], "sort": "relevance"}
    first, second = (client.post("/search", json=asked | {"start": at}).json() for at in (0, 2))
    assert (first["start"], second["start"]) == (0, 2)
    assert [hit["rank"] for hit in second["hits"]] == [3, 4][: len(second["hits"])]
    assert not {hit["id"] for hit in first["hits"]} & {hit["id"] for hit in second["hits"]}
    assert first["ranked"] == second["ranked"] >= 4
    assert first["facets"] == second["facets"]
    counts = {one["value"]: one["count"] for one in first["facets"]["fields"]["modality"]}
    assert counts["CT"] == 2
    hit = first["hits"][0]
    marked = [hit["caption"][one["start"] : one["end"]] for one in hit["highlights"]]
    assert "chest" in marked
    form = client.post("/search", data={"words": "chest", "facets": "modality", "start": "0"})
    assert form.json()["facets"]["counted"] == "matches"
    for wrong in ({"sort": "random"}, {"start": -1}):
        assert client.post("/search", json=asked | wrong).status_code == 422
    assert client.post("/search", json=asked | {"start": 999}).status_code == 400
