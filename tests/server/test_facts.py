"""What the library holds, over REST: as the library page shows it, and no path of the machine."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

from medclip_search.api import Library


def test_the_library_tells_what_it_holds_and_how_it_was_made(
    client: TestClient, library: Library, corpus: Path
) -> None:
    answer = client.get("/library")
    facts = answer.json()
    assert (facts["library"], facts["cases"], facts["encoder"]) == (library.id, 6, "compact")
    assert facts["sources"] == [{"name": "folder", "kind": "folder", "cases": 6}]
    assert [one["name"] for one in facts["spaces"]] == ["compact"]
    assert facts["fields"]["modality"] == {"cases": 6, "values": 4}
    assert facts["fields"]["licence"] == {"cases": 0, "values": 0}
    assert facts["bytes"]["total"] > 0
    for path in (corpus, library.path):
        assert str(path.parent) not in answer.text


def test_the_values_of_a_field_are_counted(client: TestClient, library: Library) -> None:
    told = client.get("/library/fields/modality", params={"most": 2}).json()
    assert (told["field"], told["cases"], told["distinct"]) == ("modality", 6, 4)
    assert told["values"] == [{"value": "CT", "count": 2}, {"value": "MR", "count": 2}]
    unknown = client.get("/library/fields/colour")
    assert unknown.status_code == 400
    assert "colour" in unknown.json()["error"]
    assert client.get("/library/fields/modality", params={"most": 0}).status_code == 422
