"""The benchmarks of encoders work: a few pictures, and a network that is tiny."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import compact_speed, embedding_pipeline
from tests.encoders.tiny_clip import make_tiny_biomedclip

pytest.importorskip("onnx")


def printed_by(
    main: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *arguments: object,
) -> str:
    monkeypatch.setattr("sys.argv", ["benchmark", *map(str, arguments)])
    main()
    return capsys.readouterr().out


def test_the_pipeline_is_compared_with_each_encoder_alone(
    test_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(embedding_pipeline, "make_model", make_tiny_biomedclip)
    asked = ("--images", 8, "--rounds", 1, "--folder", tmp_path)
    printed = printed_by(embedding_pipeline.main, monkeypatch, capsys, *asked)
    for name in ("PyTorch float32", "ONNX Runtime float32", "int8", "compact"):
        pace = r" +alone +\d+\.\d, from files +\d+\.\d, of that alone \d"
        assert re.search(f"^{name}{pace}", printed, re.MULTILINE), name
    assert "int8 against float32" in printed
    assert {"exported", "model"} <= {one.name for one in tmp_path.iterdir()}


def test_compact_is_compared_with_eight_bits_and_other_batches(
    test_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compact_speed, "_CALIBRATED", 4)
    printed = printed_by(compact_speed.main, monkeypatch, capsys, "--images", 8, "--rounds", 1)
    paces = re.findall(r"^(float32|int8) +(\d+) at a time +\d+\.\d$", printed, re.MULTILINE)
    assert paces == [(kind, size) for kind in ("float32", "int8") for size in ("1", "8", "32")]
    (cosine,) = re.findall(r"cosine at least (\d\.\d+)", printed)
    assert 0.5 < float(cosine) < 1
