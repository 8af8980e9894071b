"""PMC-CLIP from the files its authors publish: its own configuration and checkpoint.

The oracle is the published computation, written out on the checkpoint (``tiny_pmc_clip.py``).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medclip_search import Library, Query, build, encoders
from medclip_search.encoders.base import Encoder, EncoderSpec, Floats
from medclip_search.encoders.open_clip.fingerprint import fingerprint
from medclip_search.encoders.open_clip.source import find
from medclip_search.errors import EncoderUnavailableError
from medclip_search.images import read_image
from tests.encoders import tiny_pmc_clip as book
from tests.figures import draw, write_folder

TEXTS = ["axial CT of the liver", "", "Chest X-ray showing a pleural effusion", "pneumonia " * 99]
PIXELS = np.random.default_rng(1).normal(size=(3, 3, 224, 224)).astype(np.float32)


@pytest.fixture(scope="module")
def tiny(biomedclip_extra: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return book.make_tiny_pmc_clip(tmp_path_factory.mktemp("models") / "pmc-clip")


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copied"))


@pytest.fixture(scope="module")
def ours(tiny: Path) -> Encoder:
    return encoders.load(EncoderSpec("open_clip", str(tiny), runtime="torch"))


def images(pixels: Floats) -> Floats:
    import torch

    made: Floats = book.images_by_the_book(book.state(), torch.from_numpy(pixels)).numpy()
    return made


def words(folder: Path, texts: list[str]) -> Floats:
    """Tokens as PMC-CLIP's code has them made, by the tokenizer of transformers."""
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(
        texts, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    )
    made: Floats = book.words_by_the_book(book.state(), tokens["input_ids"]).numpy()
    return made


def test_vectors_are_those_of_the_published_code(tiny: Path, ours: Encoder) -> None:
    (space,) = ours.spaces
    assert (space.name, space.dimension, space.embeds_words) == ("pmc-clip", book.EMBEDDED, True)
    pictures = np.stack([ours.preprocess(draw(seed, 300)) for seed in range(3)])
    for pixels in (PIXELS, pictures):
        found = ours.encode_images(pixels)["pmc-clip"]
        np.testing.assert_allclose(found, images(pixels), rtol=1e-5, atol=1e-5)
    found = ours.encode_words(TEXTS)["pmc-clip"]
    np.testing.assert_allclose(found, words(tiny, TEXTS), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        ours.encode_words(TEXTS[:1])["pmc-clip"][0], found[0], rtol=1e-5, atol=1e-5
    )


def test_an_export_gives_the_same(tiny: Path, tmp_path: Path) -> None:
    from medclip_search.encoders.open_clip.export import export

    report = export(EncoderSpec("open_clip", str(tiny)), tmp_path / "exported")
    assert report.description.float32.minimum >= 0.9999
    onnx = encoders.load(EncoderSpec("open_clip", str(report.folder)))
    found = {**onnx.encode_images(PIXELS), "words": onnx.encode_words(TEXTS)["pmc-clip"]}
    for name, expected in {"pmc-clip": images(PIXELS), "words": words(tiny, TEXTS)}.items():
        product = (found[name] * expected).sum(axis=1)
        norms = np.linalg.norm(found[name], axis=1) * np.linalg.norm(expected, axis=1)
        assert (product / norms).min() >= 0.9999
    assert onnx.fingerprint == fingerprint(find(str(tiny)))


def test_words_find_pictures_in_a_library(tiny: Path, ours: Encoder, tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(8))
    for caption in figures.glob("*.txt"):
        caption.unlink()  # so that only their pixels can be found
    build(tmp_path / "library", [f"folder={figures}"], encoder="open_clip", model=tiny)
    with Library.open(tmp_path / "library") as library:
        found = library.search(Query(text="mass of the brain"), k=8)
    names = sorted(path.name for path in figures.iterdir())
    rows = images(np.stack([ours.preprocess(read_image(figures / name)) for name in names]))
    asked = words(tiny, ["mass of the brain"])[0]
    cosines = rows @ asked / np.linalg.norm(rows, axis=1)
    expected = [Path(names[row]).stem for row in np.argsort(-cosines)]
    assert [Path(hit.id).stem for hit in found] == expected


def test_the_published_configuration_is_read_as_it_is(copy: Path) -> None:
    (copy / book.CONFIG).write_text(book.PUBLISHED, encoding="utf-8")
    source = find(str(copy))
    assert (source.dimension, source.preprocessing.size) == (768, (224, 224))
    assert source.weights == copy / "checkpoint.pt"
    assert (source.tokenizer, source.text) == (copy, {"model_type": "bert"})  # PubMedBERT is one
    assert source.preprocessing.mean == (0.48145466, 0.4578275, 0.40821073)


def test_the_fingerprint_is_the_models(copy: Path, tiny: Path) -> None:
    assert fingerprint(find(str(copy))) == fingerprint(find(str(tiny)))
    edit(copy, lambda config: config["text_cfg"].update(context_length=64))
    assert fingerprint(find(str(copy))) != fingerprint(find(str(tiny)))


def refusal(folder: Path) -> str:
    """What is said where the encoder is made, or where its network is first needed."""
    with pytest.raises(EncoderUnavailableError) as raised:
        encoders.load(EncoderSpec("open_clip", str(folder), runtime="torch")).encode_images(PIXELS)
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def edit(folder: Path, change: Callable[[Any], object]) -> None:
    path = folder / book.CONFIG
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda config: config.update(clip_model="CLIP"), "describes CLIP with the backbone"),
        (lambda config: config["vision_cfg"].update(backbone="RN50"), "with the backbone RN50"),
        (lambda config: config["vision_cfg"].update(timm_model_name="vit"), "the backbone vit"),
        (lambda config: config["vision_cfg"].update(layers=12), "not a configuration of PMC-CLIP"),
        (lambda config: config.pop("text_cfg"), "PMC-CLIP ('text_cfg' is missing); copy"),
    ],
)
def test_another_class_or_backbone_is_named(
    copy: Path, change: Callable[[Any], object], said: str
) -> None:
    edit(copy, change)
    assert refusal(copy).startswith(f"{copy / book.CONFIG}: ")
    assert said in refusal(copy)


def test_a_damaged_configuration(copy: Path) -> None:
    os.truncate(copy / book.CONFIG, 40)
    assert refusal(copy).startswith(f"{copy / book.CONFIG}: cannot be read (")


def test_a_checkpoint_without_its_configuration(copy: Path) -> None:
    (copy / book.CONFIG).unlink()
    said = "has no open_clip_config.json (nor, for PMC-CLIP's checkpoint, RN50_fusion4.json); give"
    assert said in refusal(copy)


def test_the_extracted_parts_alone(copy: Path) -> None:
    """The encoders are published on their own too; how they are meant is not."""
    (copy / "checkpoint.pt").unlink()
    for name in ("image_encoder(resnet50).pth", "text_encoder.pth", "text_projection_layer.pth"):
        (copy / name).touch()
    assert refusal(copy) == f"{copy}: has no weights such as checkpoint.pt; copy them there too"


def test_a_damaged_checkpoint(copy: Path) -> None:
    os.truncate(copy / "checkpoint.pt", 5000)
    assert "checkpoint.pt: cannot be loaded: cut short or damaged" in refusal(copy)


def test_a_checkpoint_of_another_model(copy: Path, tiny_clip: Path) -> None:
    shutil.copy(tiny_clip / "open_clip_pytorch_model.bin", copy / "checkpoint.pt")
    said = "made for another model than RN50_fusion4.json describes"
    assert said in refusal(copy)


@pytest.mark.parametrize(
    "name", ["text_projection", "visual.attnpool.c_proj.bias", "text_encoder.pooler.dense.weight"]
)
def test_a_checkpoint_with_a_weight_missing(copy: Path, name: str) -> None:
    """Of those that vectors need."""
    import torch

    weights = book.state()
    del weights[name]
    torch.save({"state_dict": weights}, copy / "checkpoint.pt")
    if "pooler" not in name:
        assert "made for another model than RN50_fusion4.json" in refusal(copy)
    else:
        made = encoders.load(EncoderSpec("open_clip", str(copy), runtime="torch"))
        found = made.encode_images(PIXELS)["copied"]
        np.testing.assert_allclose(found, images(PIXELS), rtol=1e-5, atol=1e-5)


def test_a_missing_tokenizer(copy: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (copy / name).unlink()
    edit(copy, lambda config: config["text_cfg"].update(bert_model_name="/gone/away/bert"))
    assert "its tokenizer (/gone/away/bert) is missing; put tokenizer.json" in refusal(copy)
