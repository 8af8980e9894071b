"""The map from Python, the command line and REST alike: figures, queries, areas."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from medclip_search import Library, Query, QueryError
from medclip_search.corpora.base import CorpusSpec
from medclip_search.library.build import build
from medclip_search.search.areas import read_area, written
from medclip_search.server.rest import create_api
from tests.cli.conftest import Cli
from tests.figures import draw, write_folder

AREA = (0.2, 0.1, 0.6, 0.7)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("map")
    figures = write_folder(folder / "figures", range(40))
    words = folder / "words.csv"  # cases without a picture stand nowhere
    words.write_text("id,caption\n1,CT of the chest\n2,MRI of the head\n", encoding="utf-8")
    sources = [CorpusSpec("folder", figures, "figures"), CorpusSpec("table", words, "words")]
    build(folder / "library", sources)
    return folder / "library"


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capsys)


def standing(library: Library) -> dict[str, tuple[float, float]]:
    points = library.map()
    return {i: (x, y) for i, (x, y) in zip(points.ids, points.positions.tolist(), strict=True)}


def inside(library: Library) -> set[str]:
    x, y, width, height = AREA
    return {
        i
        for i, (px, py) in standing(library).items()
        if x <= px <= x + width and y <= py <= y + height
    }


@pytest.mark.parametrize(
    "query",
    [
        {"text": "CT nodule"},
        {"image": draw(3)},
        {"text": "CT", "image": draw(3)},
        {"like": "fig-001"},
        {},
    ],
    ids=["words", "image", "both", "like", "browsing"],
)
def test_only_what_stands_in_the_area_answers(path: Path, query: dict[str, object]) -> None:
    with Library.open(path) as library:
        within = inside(library)
        assert 5 < len(within) < 35
        found = library.search(Query(**query, area=AREA, fold=False), 60)  # type: ignore[arg-type]
        assert {hit.id for hit in found} <= within
        if "text" not in query and "like" not in query:
            assert {hit.id for hit in found} == within
        if set(query) == {"image"}:  # words and likes depend on who else may answer
            everyone = library.search(Query(**query, fold=False), 60)  # type: ignore[arg-type]
            assert [h.id for h in found] == [h.id for h in everyone if h.id in within]


def test_an_area_joins_with_filters_and_is_counted(path: Path) -> None:
    with Library.open(path) as library:
        within = inside(library)
        ct = {case.id for case in library.cases(where=["modality=CT"])}
        query = Query(area=AREA, where="modality=CT", not_id=sorted(within & ct)[:1])
        assert {hit.id for hit in library.search(query, 60)} == set(sorted(within & ct)[1:])
        counted = library.search(Query(area=AREA, facets="modality"), 1).facets
        assert counted is not None
        assert counted.cases == len(within)
        assert counted.fields["modality"]["CT"] == len(within & ct)
        nowhere = library.search(Query(text="CT", area="2,2,1,1"))
        assert not nowhere
        assert "No case stands in that area of the map and passes the filters." in nowhere.notes


def test_a_query_image_stands_among_what_it_is_like(path: Path) -> None:
    with Library.open(path) as library:
        stand = standing(library)
        pictures = [draw(7), draw(500)]
        query = Query(text="CT", image=pictures)
        placed, notes = library.place(query)
        assert [(one.part, one.at) for one in placed] == [("image", 0), ("image", 1)]
        assert notes == ("Words have no place on the map: compact reads pictures only.",)
        for at, one in enumerate(placed):
            nearest = library.search(Query(image=pictures[at], fold=False), 5)
            middle = np.median([stand[hit.id] for hit in nearest], axis=0)
            np.testing.assert_allclose((one.x, one.y), middle, atol=1e-6)


def test_the_command_line_and_rest_tell_the_same(path: Path, cli: Cli, tmp_path: Path) -> None:
    draw(7).save(tmp_path / "query.png")
    with Library.open(path) as library:
        stand = standing(library)
        status, out, err = cli("map", path, "--field", "modality")
        rows = list(csv.DictReader(io.StringIO(out)))
        assert status == 0, err
        for axis, name in enumerate("xy"):
            told = {r["id"]: float(r[name]) for r in rows}
            assert told == pytest.approx({i: place[axis] for i, place in stand.items()}, abs=1e-5)
        assert {r["id"]: r["modality"] for r in rows} == {
            case.id: case.modality or "" for case in library.cases(list(stand))
        }
        client = TestClient(create_api(lambda: library))
        answer = client.get("/map", params={"field": "modality", "most": 10_000})
        points = answer.json()
        assert points["cases"] == 40
        assert points["ids"] == [r["id"] for r in rows]
        assert [f"{x:.5f}" for x in points["x"]] == [r["x"] for r in rows]
        field = points["fields"]["modality"]
        assert [field["values"][of] if of >= 0 else "" for of in field["of"]] == [
            r["modality"] for r in rows
        ]
        kept = client.get(
            "/map",
            params={"field": "modality", "most": 10_000},
            headers={"If-None-Match": answer.headers["etag"]},
        )
        assert (kept.status_code, kept.content) == (304, b"")
        few = client.get("/map", params={"most": 7, "where": "modality=CT"}).json()
        ct = {r["id"] for r in rows if r["modality"] == "CT"}
        assert not any(one.startswith("words") for one in stand)
        assert few["cases"] == len(ct)
        assert set(few["ids"]) <= ct
        assert len(few["ids"]) == min(7, len(ct))

        placed, _ = library.place(Query(image=tmp_path / "query.png"))
        status, out, _ = cli("map", path, "--image", tmp_path / "query.png")
        assert out.splitlines() == [
            "part,x,y",
            f"{tmp_path / 'query.png'},{placed[0].x:.5f},{placed[0].y:.5f}",
        ]
        with (tmp_path / "query.png").open("rb") as file:
            there = client.post("/map/place", files={"image": file}).json()
        assert there["placed"] == [{"part": "image", "at": 0, "x": placed[0].x, "y": placed[0].y}]

        within = inside(library)
        text = written(AREA)
        status, out, _ = cli("search", path, "--area", text, "-k", "60", "--json")
        assert status == 0
        by_cli = [line.split('"id": "')[1].split('"')[0] for line in out.splitlines()]
        assert set(by_cli) == within
        for given in (text, list(AREA)):
            got = client.post("/search", json={"area": given, "k": 60}).json()["hits"]
            assert [hit["id"] for hit in got] == by_cli
            assert {hit["id"]: tuple(hit["place"]) for hit in got} == {i: stand[i] for i in within}
        got = client.post("/search", data={"area": text, "k": "60"}).json()["hits"]
        assert [hit["id"] for hit in got] == by_cli


@pytest.mark.parametrize(
    ("area", "said"),
    [
        ("0.1,0.2,0.3", "not four numbers"),
        ("0.1,0.2,0.3,x", "not four numbers"),
        ("0.1,0.2,0.3,nan", "not four numbers"),
        ((1, 2, 3, 4, 5), "not four numbers"),
        ("0.1,0.2,-0.3,0.1", "below 0"),
    ],
)
def test_an_area_that_is_none_is_told(path: Path, cli: Cli, area: object, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        Query(text="x", area=area)  # type: ignore[arg-type]
    if isinstance(area, str):
        status, _, err = cli("search", path, "x", "--area", area)
        assert status == 2
        assert said in err
        assert len(err.strip().splitlines()) == 1


def test_what_the_map_cannot_tell(path: Path, cli: Cli) -> None:
    for words, said in (
        (["--most", "0"], "at least 1"),
        (["--field", "keyword"], "a case may have several"),
        (["--field", "nobody"], "no field is called"),
        (["chest", "--most", "3"], "leave words and images out"),
    ):
        status, out, err = cli("map", path, *words)
        assert (status, out) == (2, ""), err
        assert said in err
    with Library.open(path) as library:
        client = TestClient(create_api(lambda: library))
        assert client.get("/map", params={"field": "nobody"}).status_code == 400
        assert client.get("/map", params={"most": 10_001}).status_code == 422


finite = st.floats(allow_nan=False, allow_infinity=False, width=16)


@given(st.tuples(finite, finite, finite.map(abs), finite.map(abs)))
def test_an_area_is_read_as_it_is_written(area: tuple[float, float, float, float]) -> None:
    assert read_area(written(area)) == pytest.approx(area, rel=1e-5)
    assert read_area(list(area)) == area
    assert read_area("") == read_area(()) == ()
