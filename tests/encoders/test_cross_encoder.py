"""A cross-encoder of MedCPT's architecture, by folder: under both runtimes, and what goes wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medclip_search.encoders.cross_encoder import load
from medclip_search.encoders.cross_encoder.export import PAGE, export
from medclip_search.encoders.cross_encoder.onnx_runtime import OnnxCrossEncoder
from medclip_search.encoders.cross_encoder.pairs import TEXTS
from medclip_search.encoders.cross_encoder.torch_runtime import TorchCrossEncoder
from medclip_search.errors import EncoderError, EncoderUnavailableError, UsageError

pytestmark = pytest.mark.usefixtures("rerank_extra")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder of the user's, where exports are looked for."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="module")
def exported(tiny_cross_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, _ = export(tiny_cross_encoder, tmp_path_factory.mktemp("exported") / "model")
    return folder


@pytest.fixture
def copy(tiny_cross_encoder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_cross_encoder, tmp_path / "copy"))


def change(folder: Path, **settings: object) -> None:
    config = json.loads((folder / "config.json").read_text()) | settings
    (folder / "config.json").write_text(json.dumps(config))


def test_logits_are_those_of_transformers(tiny_cross_encoder: Path) -> None:
    """As MedCPT's model card asks for them: pairs, cut at 512 tokens, one logit."""
    model = load(tiny_cross_encoder)
    assert isinstance(model, TorchCrossEncoder)
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_cross_encoder)
    network = transformers.AutoModelForSequenceClassification.from_pretrained(tiny_cross_encoder)
    for query, texts in TEXTS:
        pairs = [[query, text] for text in texts]
        coded = tokenizer(pairs, truncation=True, padding=True, return_tensors="pt", max_length=512)
        with torch.no_grad():
            expected = network.eval()(**coded).logits.squeeze(dim=1).numpy()
        np.testing.assert_allclose(model.score(query, texts), expected, atol=1e-5)


def test_both_runtimes_give_the_same_logits(tiny_cross_encoder: Path, exported: Path) -> None:
    ours, theirs = load(exported), load(tiny_cross_encoder)
    assert isinstance(ours, OnnxCrossEncoder)
    assert isinstance(theirs, TorchCrossEncoder)
    for query, texts in TEXTS:
        np.testing.assert_allclose(ours.score(query, texts), theirs.score(query, texts), atol=1e-4)
    one = ours.score("mass", ["ct shows mass"])
    beside_longer = ours.score("mass", ["ct shows mass", "lung " * 300])
    np.testing.assert_allclose(one, beside_longer[:1], atol=1e-4)  # padding changes nothing


def test_the_export_runs_without_pytorch(exported: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from medclip_search.encoders.cross_encoder import load\n"
        "print(load(sys.argv[1]).score('mass', ['ct shows mass']).shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported)], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("(1,)", "")


def test_an_export_is_found_by_itself_and_a_damaged_one_passed_over(
    tiny_cross_encoder: Path, data: Path
) -> None:
    folder, report = export(tiny_cross_encoder, int8=True)
    assert folder.is_relative_to(data)
    assert report.largest < 0.5
    model = load(tiny_cross_encoder)
    assert isinstance(model, OnnxCrossEncoder)
    assert model.name == str(tiny_cross_encoder)
    (folder / "model.onnx").write_bytes(b"damaged")
    assert isinstance(load(tiny_cross_encoder), TorchCrossEncoder)
    assert export(tiny_cross_encoder)[0] == folder  # made anew, in float32
    assert json.loads((folder / PAGE).read_text())["int8"] is False
    assert isinstance(load(tiny_cross_encoder), OnnxCrossEncoder)


def test_an_export_replaces_nothing_else(tiny_cross_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not an export"):
        export(tiny_cross_encoder, tmp_path / "notes")
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["mine.txt"]


def test_an_exported_folder_is_not_exported_again(exported: Path) -> None:
    with pytest.raises(UsageError, match="is exported already"):
        export(exported)


def test_two_labels_are_no_and_yes(rerank_extra: None, tmp_path: Path) -> None:
    from tests.encoders.tiny_cross_encoder import make_tiny_cross_encoder

    model = load(make_tiny_cross_encoder(tmp_path / "two", labels=2))
    assert isinstance(model, TorchCrossEncoder)
    import torch

    tokens = model.pairs("mass", ["ct shows mass"])
    given = {name: torch.from_numpy(tokens[name]) for name in tokens}
    no, yes = model.network(**given).logits[0].tolist()
    np.testing.assert_allclose(model.score("mass", ["ct shows mass"]), [yes - no], atol=1e-5)


def test_weights_as_a_pickle_of_tensors(copy: Path) -> None:
    """MedCPT's are published so."""
    import torch
    from safetensors.torch import load_file

    before = load(copy).score("mass", ["ct shows mass"])
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    np.testing.assert_array_equal(load(copy).score("mass", ["ct shows mass"]), before)


def test_a_pickle_of_a_program_is_not_opened(copy: Path, tmp_path: Path) -> None:
    import torch

    class Program:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "it-ran",))  # type: ignore[return-value]

    (copy / "model.safetensors").unlink()
    torch.save({"bert": Program()}, copy / "pytorch_model.bin")
    with pytest.raises(EncoderUnavailableError, match=r"pytorch_model\.bin: cannot be loaded"):
        load(copy)
    assert not (tmp_path / "it-ran").exists()


def test_a_program_beside_the_weights_is_not_run(copy: Path, tmp_path: Path) -> None:
    (copy / "own.py").write_text(f"open({str(tmp_path / 'it-ran')!r}, 'w')\n")
    change(
        copy,
        model_type="own",
        auto_map={"AutoConfig": "own.C", "AutoModelForSequenceClassification": "own.M"},
    )
    with pytest.raises(EncoderUnavailableError):
        load(copy)
    assert not (tmp_path / "it-ran").exists()


def test_what_is_no_cross_encoder_is_told_in_one_line(copy: Path, tmp_path: Path) -> None:
    def said(model: Path | str) -> str:
        with pytest.raises(EncoderError) as told:
            load(model)
        assert "\n" not in str(told.value)
        return str(told.value)

    assert "there is no such folder" in said(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "has no config.json" in said(tmp_path / "empty")
    change(copy, architectures=["BertModel"])
    assert "describes no cross-encoder (BertModel)" in said(copy)
    change(copy, architectures=["BertForSequenceClassification"], id2label=dict.fromkeys("012", ""))
    assert "(3 labels)" in said(copy)
    change(copy, id2label={"0": ""})
    (copy / "config.json").rename(copy / "kept")
    (copy / "config.json").write_text("not JSON")
    assert "is not a model's configuration" in said(copy)
    (copy / "kept").replace(copy / "config.json")
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[:1000])
    assert "model.safetensors: cannot be loaded" in said(copy)
    (copy / "model.safetensors").unlink()
    assert "has neither model.safetensors nor pytorch_model.bin nor model.onnx" in said(copy)


def test_a_bert_without_its_last_layer_is_refused(copy: Path) -> None:
    """transformers would draw it at random, and rank so."""
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    kept = {name: one for name, one in weights.items() if not name.startswith("classifier")}
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderUnavailableError, match=r"has no classifier\.bias"):
        load(copy)
