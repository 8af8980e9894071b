"""A fingerprint follows the vectors: what changes them changes it, what does not, does not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from medclip_search import encoders
from medclip_search.encoders.base import EncoderSpec
from medclip_search.encoders.open_clip import remembered


@pytest.fixture
def copy(tiny_biomedclip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_biomedclip, tmp_path / "copied"))


def fingerprint(folder: Path) -> str:
    spec = EncoderSpec("biomedclip", str(folder), spaces=("biomedclip",))
    return encoders.load(spec).fingerprint


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_moved_folder_keeps_it(tiny_biomedclip: Path, copy: Path) -> None:
    """The configuration of the copy names a folder that may be gone; its own copy serves too."""
    config = copy / "open_clip_config.json"
    edit(config, lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name="/gone/away/text"))
    assert fingerprint(copy) == fingerprint(tiny_biomedclip)
    assert fingerprint(copy.rename(copy.with_name("renamed"))) == fingerprint(tiny_biomedclip)


def test_the_encoders_name_does_not_matter(tiny_biomedclip: Path) -> None:
    spec = EncoderSpec("open_clip", str(tiny_biomedclip), spaces=("tiny-biomedclip",))
    assert encoders.load(spec).fingerprint == fingerprint(tiny_biomedclip)


def test_the_same_vocabulary_in_another_file_keeps_it(tiny_biomedclip: Path, copy: Path) -> None:
    (copy / "tokenizer.json").unlink()  # vocab.txt says the same
    assert fingerprint(copy) == fingerprint(tiny_biomedclip)


def test_one_weight_changes_it(tiny_biomedclip: Path, copy: Path) -> None:
    import torch

    path = copy / "open_clip_pytorch_model.bin"
    weights = torch.load(path, weights_only=True)
    weights["visual.head.proj.weight"][3, 5] += 1e-3
    torch.save(weights, path)
    assert fingerprint(copy) != fingerprint(tiny_biomedclip)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["preprocess_cfg"].update(mean=[0.5, 0.5, 0.5]),
        lambda c: c["preprocess_cfg"].update(interpolation="bilinear"),
        lambda c: c["preprocess_cfg"].update(resize_mode="squash"),
        lambda c: c["model_cfg"]["text_cfg"].update(context_length=128),
        lambda c: c["model_cfg"]["text_cfg"].update(hf_pooler_type="mean_pooler"),
    ],
    ids=["mean", "interpolation", "resize", "context", "pooler"],
)
def test_configuration_changes_it(tiny_biomedclip: Path, copy: Path, change: Any) -> None:
    edit(copy / "open_clip_config.json", change)
    assert fingerprint(copy) != fingerprint(tiny_biomedclip)


def test_the_order_of_keys_does_not_change_it(tiny_biomedclip: Path, copy: Path) -> None:
    def turn(config: dict[str, Any]) -> None:
        for key in reversed(list(config)):
            config[key] = config.pop(key)

    edit(copy / "open_clip_config.json", turn)
    assert fingerprint(copy) == fingerprint(tiny_biomedclip)


def test_the_text_towers_configuration_changes_it(tiny_biomedclip: Path, copy: Path) -> None:
    config = copy / "open_clip_config.json"
    edit(config, lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name=str(copy / "text")))
    assert fingerprint(copy) == fingerprint(tiny_biomedclip)
    edit(copy / "text" / "config.json", lambda c: c.update(hidden_act="relu"))
    assert fingerprint(copy) != fingerprint(tiny_biomedclip)


def test_two_words_that_change_places_change_it(tiny_biomedclip: Path, copy: Path) -> None:
    def swap(tokenizer: dict[str, Any]) -> None:
        words = tokenizer["model"]["vocab"]
        words["lung"], words["liver"] = words["liver"], words["lung"]

    edit(copy / "tokenizer.json", swap)
    assert fingerprint(copy) != fingerprint(tiny_biomedclip)


def test_the_digest_of_a_large_file_is_remembered_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    large = tmp_path / "weights.bin"
    with large.open("wb") as file:
        file.truncate(65 << 20)
    first = remembered.sha256_of(large)
    facts = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert [path.read_text(encoding="ascii") for path in facts] == [first]
    facts[0].write_text("remembered", encoding="ascii")
    assert remembered.sha256_of(large) == "remembered"
    times = large.stat().st_atime_ns, large.stat().st_mtime_ns
    with large.open("r+b") as file:
        file.write(b"changed")
    os.utime(large, ns=times)
    assert remembered.sha256_of(large) not in (first, "remembered")


def test_a_cache_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert remembered.remembered("how many?", lambda: "12") == "12"
