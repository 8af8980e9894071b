"""Which runtime is taken, and that an exported model is the same model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medclip_search import encoders
from medclip_search.encoders.base import EncoderSpec, Runtime
from medclip_search.encoders.open_clip import torch_runtime
from medclip_search.encoders.open_clip.choose import exports, plan
from medclip_search.encoders.open_clip.exported import PAGE
from medclip_search.errors import EncoderError, EncoderUnavailableError, UsageError


@pytest.fixture(scope="module")
def data(tiny_biomedclip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's data folder, with the tiny BiomedCLIP exported to where it is looked for."""
    pytest.importorskip("onnx")
    from medclip_search.encoders.open_clip.export import export

    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder))
        export(EncoderSpec("biomedclip", str(tiny_biomedclip)), int8=True)
    return folder


@pytest.fixture
def exported(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(data))
    (folder,) = exports().glob("[!.]*")
    return folder


def spec(model: Path, runtime: Runtime = "auto", name: str = "biomedclip") -> EncoderSpec:
    return EncoderSpec(name, str(model), runtime=runtime)


def runs(one: EncoderSpec) -> str:
    model = plan(one).load()
    return type(getattr(model, "model", model)).__name__  # that of an ``OrElse``


def test_the_exported_model_is_taken_where_there_is_no_gpu(
    tiny_biomedclip: Path, exported: Path
) -> None:
    if torch_runtime.device() != "cpu":
        pytest.skip("there is a GPU here, which PyTorch gets")
    assert runs(spec(tiny_biomedclip)) == "OnnxNetwork"
    assert runs(spec(tiny_biomedclip, "torch")) == "TorchNetwork"
    assert runs(spec(tiny_biomedclip, "onnx")) == "OnnxNetwork"


def test_pytorch_is_taken_where_nothing_was_exported(
    tiny_biomedclip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert runs(spec(tiny_biomedclip)) == "TorchNetwork"


def test_what_was_not_exported_is_said_with_the_command_that_exports_it(
    tiny_biomedclip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said to who asks a library, and cannot choose a runtime there."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    model = Path(shutil.copytree(tiny_biomedclip, tmp_path / "tiny biomedclip"))
    command = f"medclip-search encoder export --encoder biomedclip --model '{model}'"
    assert refusal(spec(model, "onnx")).endswith(f"run: {command}")
    assert refusal(spec(model, "int8")).endswith(f"run: {command} --int8")


def test_what_was_exported_without_8_bits_is_said_with_the_command(
    tiny_biomedclip: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(shutil.copytree(data, tmp_path / "data")))
    (place,) = exports().glob("[!.]*")
    page = json.loads((place / PAGE).read_text(encoding="utf-8"))
    page["files"] = {name: file for name, file in page["files"].items() if "int8" not in name}
    (place / PAGE).write_text(json.dumps(page), encoding="utf-8")
    command = "medclip-search encoder export --encoder biomedclip"
    said = refusal(spec(tiny_biomedclip, "int8"))
    assert said.endswith(f"run: {command} --model {tiny_biomedclip} --int8")
    said = refusal(spec(place, "int8"))
    assert said.endswith(f"run: {command} --model DIR --int8 --output {place}")


def refusal(one: EncoderSpec) -> str:
    with pytest.raises(EncoderUnavailableError) as raised:
        encoders.load(one)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("damage", ["page", "missing", "short", "byte"])
def test_pytorch_is_taken_where_the_export_is_damaged(
    tiny_biomedclip: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Unless that export is what was asked for: by its folder, or by its runtime."""
    monkeypatch.setenv("XDG_DATA_HOME", str(shutil.copytree(data, tmp_path / "data")))
    (place,) = exports().glob("[!.]*")
    spoil(place, damage)
    texts, pixels = ["axial CT of the liver"], np.ones((1, 3, 224, 224), np.float32)
    torch, auto = (encoders.load(spec(tiny_biomedclip, one)) for one in ("torch", "auto"))
    assert (auto.spaces, auto.fingerprint) == (torch.spaces, torch.fingerprint)
    for found, expected in (
        (auto.encode_words(texts), torch.encode_words(texts)),
        (auto.encode_images(pixels), torch.encode_images(pixels)),
    ):
        assert found.keys() == expected.keys()
        for name in found:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-4)
    for one in (spec(place), spec(tiny_biomedclip, "onnx")):
        with pytest.raises(EncoderError, match="is damaged"):
            encoders.load(one).encode_words(texts)


def spoil(place: Path, damage: str) -> None:
    if damage == "page":
        (place / PAGE).write_text("{", encoding="utf-8")
    elif damage == "missing":
        (place / "words.onnx").unlink()
    elif damage == "short":
        os.truncate(place / "words.onnx", 1000)
    else:
        content = bytearray((place / "words.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (place / "words.onnx").write_bytes(content)


def test_both_runtimes_are_one_model(tiny_biomedclip: Path, exported: Path) -> None:
    """Same spaces, same fingerprint, same vectors: a library takes the one for the other."""
    torch = encoders.load(spec(tiny_biomedclip, "torch"))
    texts = ["axial CT of the liver", "chest x-ray", ""]
    pixels = np.random.default_rng(0).normal(size=(3, 3, 224, 224)).astype(np.float32)
    for other in (spec(tiny_biomedclip, "onnx"), spec(exported), spec(exported, "onnx")):
        onnx = encoders.load(other)
        assert (onnx.spaces, onnx.fingerprint) == (torch.spaces, torch.fingerprint)
        expected = {**torch.encode_images(pixels), "words": torch.encode_words(texts)["biomedclip"]}
        found = {**onnx.encode_images(pixels), "words": onnx.encode_words(texts)["biomedclip"]}
        for name, vectors in expected.items():
            product = (found[name] * vectors).sum(axis=1)
            norms = np.linalg.norm(found[name], axis=1) * np.linalg.norm(vectors, axis=1)
            assert (product / norms).min() > 0.9999


def test_eight_bits_are_another_model(tiny_biomedclip: Path, exported: Path) -> None:
    small = encoders.load(spec(tiny_biomedclip, "int8"))
    assert small.fingerprint != encoders.load(spec(tiny_biomedclip, "onnx")).fingerprint
    assert small.fingerprint == encoders.load(spec(exported, "int8")).fingerprint
    assert small.encode_words(["liver"])["biomedclip"].shape == (1, 64)


def test_an_exported_folder_has_no_pytorch(exported: Path) -> None:
    with pytest.raises(UsageError, match="is an exported model, which runs by ONNX Runtime"):
        encoders.load(spec(exported, "torch"))


def test_an_exported_folder_goes_by_either_name(exported: Path) -> None:
    for name in ("biomedclip", "open_clip"):
        made = encoders.load(spec(exported, name=name))
        assert [one.name for one in made.spaces] == ["biomedclip", "biomedclip-trunk"]


@pytest.mark.parametrize("name", ["biomedclip", "open_clip"])
def test_spaces_are_called_after_what_is_remembered(
    tiny_biomedclip: Path, exported: Path, tmp_path: Path, name: str
) -> None:
    """Moved, renamed, exported under another name: the same spaces, if they are asked for."""
    moved = Path(shutil.copytree(tiny_biomedclip, tmp_path / "elsewhere"))
    own = "biomedclip" if name == "biomedclip" else "elsewhere"
    runtimes: tuple[Runtime, ...] = ("torch", "onnx", "int8")
    for runtime in runtimes:
        made = encoders.load(EncoderSpec(name, str(moved), runtime=runtime))
        assert (made.called, made.spaces[0].name) == (own, own)
    first = EncoderSpec(name, str(moved), ("first-trunk",), called="first")
    for one in (
        *(replace(first, runtime=runtime) for runtime in runtimes),
        replace(first, model=str(exported)),
        replace(first, model=str(exported), runtime="int8"),
    ):
        made = encoders.load(one)
        assert made.called == "first"
        assert [space.name for space in made.spaces] == ["first-trunk"]


def test_an_exported_folder_needs_neither_torch_nor_open_clip(exported: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'open_clip', 'transformers', 'timm', 'torchvision'):\n"
        "    sys.modules[name] = None\n"
        "import numpy as np\n"
        "from medclip_search import encoders\n"
        "made = encoders.load(encoders.EncoderSpec('biomedclip', sys.argv[1]))\n"
        "images = made.encode_images(np.zeros((1, 3, 224, 224), np.float32))\n"
        "print(images['biomedclip'].shape, made.encode_words(['liver'])['biomedclip'].shape)\n"
    )
    command = [sys.executable, "-c", code, str(exported)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 64) (1, 64)"
