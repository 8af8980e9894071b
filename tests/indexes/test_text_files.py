"""The text index as files: updates, read-only folders, damage."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medclip_search.errors import LibraryDamagedError
from medclip_search.indexes.text import (
    TextDocument,
    TextIndex,
    deleted_share,
    update_text_index,
)
from tests.indexes.text_cases import CAPTIONS, documents, found, opened


def digests(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        file.name: (file.stat().st_ino, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in sorted(folder.iterdir())
    }


def test_an_update_shares_files_and_writes_to_none_of_the_old(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    opened(old, documents(CAPTIONS * 50)).close()
    before = digests(old)
    new.mkdir()
    update_text_index(old, new, [1, 5], [TextDocument(5, "CASE_0005", "Aortic dissection")])
    assert digests(old) == before
    assert {name for name, stamp in digests(new).items() if before.get(name) == stamp}
    assert not list(new.glob("*.lock"))
    index = TextIndex.open(new)
    assert index.size == 399
    assert found(index, "dissection") == [5]
    assert 1 not in index.matching("opacities")
    assert found(index, "CASE_0001") == []
    assert TextIndex.open(old).size == 400
    assert deleted_share(new) == pytest.approx(2 / 401)


def test_many_updates_keep_few_segments(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    opened(folder, documents(CAPTIONS)).close()
    for number in range(1, 25):
        previous, folder = folder, tmp_path / str(number)
        folder.mkdir()
        update_text_index(previous, folder, [], documents(["One more chest"], 100 + number))
    index = TextIndex.open(folder)
    assert index.size == len(CAPTIONS) + 24
    assert index.describe()["segments"] <= 10
    assert len(index.matching("chest")) == 26


def test_an_empty_index_answers(tmp_path: Path) -> None:
    index = opened(tmp_path / "i", [])
    assert index.search("chest", 5)[0].tolist() == []
    assert index.matching("chest").tolist() == []
    assert index.size == 0


def test_a_read_only_folder_serves_several_processes(tmp_path: Path) -> None:
    folder = tmp_path / "i"
    opened(folder, documents(CAPTIONS)).close()
    names = sorted(file.name for file in folder.iterdir())
    folder.chmod(0o555)
    program = (
        "import sys; from pathlib import Path; from medclip_search.indexes.text import TextIndex; "
        "index = TextIndex.open(Path(sys.argv[1])); input(); "
        "print(index.search('pneumothorax', 5)[0].tolist())"
    )
    try:
        readers = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        answers = [reader.communicate("\n")[0].strip() for reader in readers]
    finally:
        folder.chmod(0o755)
    assert answers == ["[0, 3]"] * 3
    assert sorted(file.name for file in folder.iterdir()) == names


def every_answer(index: TextIndex) -> str:
    """What an index says to one query of every kind."""
    order = np.arange(3000, dtype=np.int32)[::-1]
    asked = [
        *("pneumothorax", '"ground glass"', "pneumo*", "ground-gla*", "lob~2", "pnuemonia"),
        *("CASE_0005", "case_00*", "NOT chest", "+chest -ct", CAPTIONS[1], "liver steatosis"),
    ]
    answers: list[object] = [index.size, index.describe(), index.unknown("chest xyzzyx")]
    for words in asked:
        found = index.search(words, 50, order % 3 > 0, order), index.search(words, 400)
        answers += [[array.tolist() for array in pair] for pair in found]
        answers.append(index.matching(words).tolist())
    keys, scores = index.search_terms({"lung": 1.0, "liver": 0.5}, 30)
    answers += [keys.tolist(), scores.tolist(), index.document_frequency("lung")]
    answers.append(index.holding(["lung", "liver"], np.unique(keys)).tolist())
    return json.dumps(answers)


def test_an_opened_index_outlives_its_files(tmp_path: Path) -> None:
    """A writer that purges old generations takes nothing from a reader: nor does a late answer
    read a file, so that the first one of each kind comes after the files are gone."""
    old, new = tmp_path / "old", tmp_path / "new"
    opened(old, documents(CAPTIONS * 50)).close()
    new.mkdir()
    more = [TextDocument(1000 + key, f"N{key}", "", ("hepatic steatosis",)) for key in range(20)]
    update_text_index(old, new, [1, 5], [*more, *documents(CAPTIONS, 2000)])
    reader, expected = TextIndex.open(new), every_answer(TextIndex.open(new))
    assert reader.describe()["segments"] > 1
    assert reader.describe()["deleted"] == 2
    shutil.rmtree(old)
    shutil.rmtree(new)
    assert every_answer(reader) == expected


def test_what_is_no_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TextIndex.open(tmp_path)
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(LibraryDamagedError, match="the text index cannot be opened") as error:
        TextIndex.open(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["meta.json", "*.idx", "*.term", "*.pos", "*.fast", "*.store"])
def test_damage_is_told_of_the_library_s_own_folder(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "i"
    opened(folder, documents(CAPTIONS)).close()
    (damaged,) = folder.glob(file)
    damaged.unlink()
    if file == "meta.json":
        damaged.write_bytes(b"\xff")
    with pytest.raises(LibraryDamagedError) as error:
        TextIndex.open(folder)
    assert str(error.value).startswith(f"{folder}: ")
    assert "medclip-text" not in str(error.value)
    assert "\n" not in str(error.value)
