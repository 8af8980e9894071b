"""Citations at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import rispy

from medclip_search.api import build
from tests.cli.conftest import Cli


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cited")
    (folder / "cases.csv").write_text(
        "id,caption,pmcid,license,title\n"
        "a,CT of the chest,PMC123456,CC BY 4.0,Nodules of the lung\n"
        "b,MRI of the head,,,\n"
    )
    build(folder / "lib", [f"table={folder / 'cases.csv'}"])
    return folder / "lib"


def test_a_case_is_cited_by_what_its_table_tells(cli: Cli, library: Path) -> None:
    status, out, _ = cli("cite", library, "a", "b")
    assert status == 0
    assert out == (
        "Nodules of the lung. PMCID: PMC123456. "
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC123456/ Figure a (table). Licence: CC BY 4.0.\n"
        "Figure b (table). Licence: not known.\n"
    )
    status, out, _ = cli("cite", library, "a", "--format", "ris")
    assert (status, rispy.loads(out)[0]["title"]) == (0, "Nodules of the lung")


@pytest.mark.parametrize(
    ("words", "status"), [(["nobody"], 1), ([], 2), (["a", "--format", "word"], 2)]
)
def test_a_wrong_call_is_one_line(cli: Cli, library: Path, words: list[str], status: int) -> None:
    ended, out, err = cli("cite", library, *words)
    assert (ended, out, err.count("\n")) == (status, "", 1)
