"""A model that is not as it should be: one line with the file, the reason and the remedy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medclip_search import encoders
from medclip_search.encoders.base import EncoderSpec
from medclip_search.errors import EncoderError, EncoderUnavailableError, MedClipError, UsageError

WEIGHTS = "open_clip_pytorch_model.bin"
CONFIG = "open_clip_config.json"


@pytest.fixture
def copy(tiny_biomedclip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_biomedclip, tmp_path / "copied"))


def refusal(model: object, error: type[MedClipError] = EncoderUnavailableError) -> str:
    """What is said where the encoder is made, or where its network is first needed."""
    spec = EncoderSpec("biomedclip", str(model), ("biomedclip",), "torch")
    with pytest.raises(error) as raised:
        encoders.load(spec).encode_images(np.zeros((1, 3, 224, 224), dtype=np.float32))
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def test_no_such_folder(tmp_path: Path) -> None:
    message = refusal(tmp_path / "absent")
    assert f"--model {tmp_path / 'absent'}: there is no such folder; give a folder" in message


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "picture.png").touch()
    assert refusal(tmp_path).startswith(f"{tmp_path}: has no {CONFIG} (nor, for PMC-CLIP")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model_cfg": {"embed_dim": 64}}', "\xff{"])
def test_a_configuration_that_is_none(copy: Path, content: str) -> None:
    (copy / CONFIG).write_text(content, encoding="latin-1")
    assert refusal(copy).startswith(f"{copy / CONFIG}: is not a configuration of open_clip (")


def test_preprocessing_that_open_clip_would_refuse(copy: Path) -> None:
    edit(copy, lambda config: config["preprocess_cfg"].update(resize_mode="stretch"))
    assert "resize_mode 'stretch' is unknown" in refusal(copy)


def test_an_architecture_that_timm_does_not_know(copy: Path) -> None:
    edit(copy, lambda config: config["model_cfg"]["vision_cfg"].update(timm_model_name="vit_odd"))
    assert "open_clip cannot make this model (" in refusal(copy)


def test_no_weights(copy: Path) -> None:
    (copy / WEIGHTS).unlink()
    assert refusal(copy).startswith(f"{copy}: has no weights such as open_clip_model.safetensors")


@pytest.mark.parametrize("size", [0, 1000, 10_000_000])
def test_truncated_weights(copy: Path, size: int) -> None:
    os.truncate(copy / WEIGHTS, size)
    message = refusal(copy)
    assert message.startswith(f"{copy / WEIGHTS}: cannot be loaded: cut short or damaged")
    assert message.endswith("; copy or download it again")


def test_truncated_safetensors(copy: Path) -> None:
    import torch
    from safetensors.torch import save_file

    path = copy / "open_clip_model.safetensors"
    weights = torch.load(copy / WEIGHTS, weights_only=True)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
    sound = encoders.load(EncoderSpec("biomedclip", str(copy), runtime="torch"))
    sound.encode_images(np.zeros((1, 3, 224, 224), dtype=np.float32))
    os.truncate(path, 1_000_000)
    assert refusal(copy).startswith(f"{path}: cannot be loaded: cut short or damaged (")


def test_weights_of_another_model(copy: Path, tiny_clip: Path) -> None:
    shutil.copy(tiny_clip / WEIGHTS, copy / WEIGHTS)
    assert "made for another model than open_clip_config.json describes" in refusal(copy)


def test_weights_with_a_layer_missing(copy: Path) -> None:
    import torch

    weights = torch.load(copy / WEIGHTS, weights_only=True)
    del weights["visual.head.proj.weight"]
    torch.save(weights, copy / WEIGHTS)
    assert 'Missing key(s) in state_dict: "visual.head.proj.weight"' in refusal(copy)


@pytest.mark.parametrize("name", [WEIGHTS, "epoch_3.pt"])
def test_a_checkpoint_of_training_is_read(copy: Path, name: str) -> None:
    """As open_clip's trainer saves it: wrapped, and named by what distributes it.

    With the optimizer's state, in which the learning rate is a number of NumPy.
    """
    import torch

    weights = torch.load(copy / WEIGHTS, weights_only=True)
    named = {f"module.{name}": tensor for name, tensor in weights.items()}
    (copy / WEIGHTS).unlink()
    rates = {"param_groups": [{"lr": np.float64(1e-4)}]}
    torch.save({"epoch": 3, "state_dict": named, "optimizer": rates}, copy / name)
    made = encoders.load(EncoderSpec("biomedclip", str(copy), runtime="torch"))
    pixels = np.zeros((1, 3, 224, 224), dtype=np.float32)
    assert made.encode_images(pixels)["biomedclip"].shape == (1, 64)


def test_of_several_checkpoints_none_is_guessed(copy: Path) -> None:
    (copy / WEIGHTS).rename(copy / "epoch_1.pt")
    (copy / "epoch_2.pt").write_bytes((copy / "epoch_1.pt").read_bytes())
    assert "several checkpoints (epoch_1.pt, epoch_2.pt); keep the one" in refusal(copy)


def test_a_pointer_in_place_of_weights(copy: Path) -> None:
    (copy / WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "a Git LFS pointer, not the weights; run 'git lfs pull'" in refusal(copy)


def test_a_web_page_in_place_of_weights(copy: Path) -> None:
    """What a download gives where one has to log in, or to consent."""
    (copy / WEIGHTS).write_bytes(b"\n<!DOCTYPE html>\n<html>Sign in</html>\n")
    assert "cannot be loaded: a web page, not the weights; download it again" in refusal(copy)


def test_weights_that_would_run_a_program(copy: Path) -> None:
    """A pickle with anything but numbers in it is not opened."""
    import torch

    torch.save({"visual.trunk.cls_token": Path("/")}, copy / WEIGHTS)
    assert "it holds more than numbers, and opening that could run a program" in refusal(copy)


@pytest.mark.parametrize("trusted", [False, True])
def test_a_tokenizers_program_is_neither_run_nor_asked_about(copy: Path, trusted: bool) -> None:
    (copy / "mine.py").write_text(f"open({str(copy / 'ran')!r}, 'w')\nclass Mine: pass\n")
    settings = json.loads((copy / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "Mine"
    settings["auto_map"] = {"AutoTokenizer": [None, f"{copy}--mine.Mine"]}
    (copy / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    kwargs = {"trust_remote_code": True} if trusted else {}
    edit(copy, lambda c: c["model_cfg"]["text_cfg"].update(tokenizer_kwargs=kwargs))
    made = encoders.load(EncoderSpec("biomedclip", str(copy), runtime="torch"))
    assert made.encode_words(["CT of the liver"])["biomedclip"].shape == (1, 64)
    assert not (copy / "ran").exists()


@pytest.mark.parametrize("kind", ["bert", "mine"])
def test_a_text_towers_program_is_neither_run_nor_asked_about(copy: Path, kind: str) -> None:
    (copy / "mine.py").write_text(f"open({str(copy / 'ran')!r}, 'w')\nclass Mine: pass\n")
    settings = json.loads((copy / "text" / "config.json").read_text(encoding="utf-8"))
    program = f"{copy}--mine.Mine"
    settings |= {
        "model_type": kind,
        "auto_map": dict.fromkeys(("AutoConfig", "AutoModel"), program),
    }
    (copy / "text" / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    edit(copy, lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name=str(copy / "text")))
    if kind == "bert":  # transformers has it
        made = encoders.load(EncoderSpec("biomedclip", str(copy), runtime="torch"))
        assert made.encode_words(["CT of the liver"])["biomedclip"].shape == (1, 64)
    else:
        assert "Transformers does not recognize this architecture" in refusal(copy)
    assert not (copy / "ran").exists()


def test_a_missing_tokenizer(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (copy / name).unlink()
    edit(copy, lambda c: c["model_cfg"]["text_cfg"].update(hf_tokenizer_name="/gone/away"))
    message = refusal(copy)
    assert message.startswith(f"{copy}: its tokenizer (/gone/away) is missing; put tokenizer.json")


def test_a_damaged_tokenizer(copy: Path) -> None:
    os.truncate(copy / "tokenizer.json", 500)
    assert "a file of it cannot be read (" in refusal(copy)


def test_a_missing_configuration_of_the_text_tower(copy: Path) -> None:
    shutil.rmtree(copy / "text")
    edit(copy, lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name="/gone/away/text"))
    assert "(/gone/away/text) is missing; put its config.json into the folder" in refusal(copy)


def test_a_name_on_open_clips_list_with_another_tag() -> None:
    pytest.importorskip("open_clip")
    with pytest.raises(EncoderError, match=r"ViT-B-32/TAG with one of: .*laion2b_s34b_b79k"):
        encoders.load(EncoderSpec("open_clip", "ViT-B-32/nobody"))


def test_open_clip_needs_a_model() -> None:
    with pytest.raises(UsageError, match="add --model with a folder, hf-hub:"):
        encoders.load("open_clip")


def test_the_encoder_that_needs_no_model_takes_none() -> None:
    for spec in (
        EncoderSpec("compact", model="somewhere"),
        EncoderSpec("compact", spaces=("biomedclip",)),
        EncoderSpec("compact", runtime="torch"),
    ):
        with pytest.raises(UsageError, match="the encoder compact"):
            encoders.load(spec)


@pytest.mark.usefixtures("biomedclip_extra")
@pytest.mark.parametrize("package", ["torch", "open_clip", "transformers"])
def test_a_missing_package_is_named(tmp_path: Path, package: str) -> None:
    """In a program of its own that cannot import it, as where it is not installed."""
    (tmp_path / CONFIG).write_text(
        json.dumps({"model_cfg": {"embed_dim": 8, "vision_cfg": {"a": 1}, "text_cfg": {"b": 1}}}),
        encoding="utf-8",
    )
    (tmp_path / "model.safetensors").touch()
    code = (
        "import sys, importlib.abc\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.split('.')[0] == sys.argv[1]: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == sys.argv[1] else real(name, *a)\n"
        "from medclip_search import encoders\n"
        "print([e.note for e in encoders.available() if e.name != 'compact'])\n"
        "try: encoders.load(encoders.EncoderSpec('open_clip', sys.argv[2]))\n"
        "except encoders.registry.EncoderError as error: print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", code, package, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    notes, refused = done.stdout.splitlines()
    remedy = f"{package} is not installed; pip install 'medclip-search[biomedclip]'"
    assert refused.startswith(f"EncoderUnavailableError {tmp_path}: {remedy}")
    assert notes.count(f"{package} is not installed: pip install") == 2


def edit(folder: Path, change: Any) -> None:
    content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    change(content)
    (folder / CONFIG).write_text(json.dumps(content), encoding="utf-8")
