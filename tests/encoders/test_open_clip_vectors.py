"""Vectors are those that open_clip gives by itself, from any of its models."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medclip_search import encoders
from medclip_search.encoders.base import Encoder, EncoderSpec, Floats
from medclip_search.errors import UsageError
from tests.figures import draw

TEXTS = [
    "axial CT of the liver",
    "chest x-ray",
    "Coronal MRI of the brain showing a mass &amp; oedema",
    "",
    "pneumonia in the left lung " * 200,
]


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    noise = np.random.default_rng(3).integers(0, 256, (300, 180, 3), dtype=np.uint8)
    return [
        draw(1, 300),
        draw(2).resize((500, 120)),
        Image.fromarray(noise),
        draw(4).convert("RGB"),
    ]


@pytest.fixture(scope="module")
def biomedclip(tiny_biomedclip: Path) -> Encoder:
    return encoders.load(EncoderSpec("biomedclip", str(tiny_biomedclip), runtime="torch"))


@pytest.fixture(scope="module")
def theirs(tiny_biomedclip: Path) -> Any:
    return plain_open_clip(tiny_biomedclip)


def plain_open_clip(folder: Path) -> Any:
    """The model, its preprocessing and its tokenizer, as open_clip's documentation loads them."""
    import open_clip

    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    return model.eval(), preprocess, open_clip.get_tokenizer(f"local-dir:{folder}")


def cosines(ours: Floats, expected: Floats) -> Floats:
    product = (ours * expected).sum(axis=1)
    found: Floats = product / np.linalg.norm(ours, axis=1) / np.linalg.norm(expected, axis=1)
    return found


def stacked(encoder: Encoder, pictures: list[Image.Image]) -> Floats:
    return np.stack([encoder.preprocess(one) for one in pictures])


def test_images_and_words_are_open_clips(
    biomedclip: Encoder, theirs: Any, pictures: list[Image.Image]
) -> None:
    import torch

    model, preprocess, tokenizer = theirs
    with torch.inference_mode():
        pixels = torch.stack([preprocess(one) for one in pictures])
        joint, trunk = model.encode_image(pixels).numpy(), model.visual.trunk(pixels).numpy()
        words = model.encode_text(tokenizer(TEXTS)).numpy()
    batch = stacked(biomedclip, pictures)
    np.testing.assert_array_equal(batch, pixels.numpy())
    found = biomedclip.encode_images(batch)
    assert cosines(found["biomedclip"], joint).min() > 0.999999
    assert cosines(found["biomedclip-trunk"], trunk).min() > 0.999999
    np.testing.assert_allclose(found["biomedclip"], joint, rtol=1e-3, atol=1e-4)  # not normalised
    said = biomedclip.encode_words(TEXTS)
    assert list(said) == ["biomedclip"]
    assert cosines(said["biomedclip"], words).min() > 0.999999


def test_other_pictures_and_other_words_have_other_vectors(
    biomedclip: Encoder, pictures: list[Image.Image]
) -> None:
    images = biomedclip.encode_images(stacked(biomedclip, pictures))
    for vectors in (*images.values(), *biomedclip.encode_words(TEXTS).values()):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        assert (unit @ unit.T - np.eye(len(unit))).max() < 0.99


def test_words_do_not_depend_on_the_words_beside_them(biomedclip: Encoder) -> None:
    together = biomedclip.encode_words(TEXTS)["biomedclip"]
    for text, vector in zip(TEXTS, together, strict=True):
        alone = biomedclip.encode_words([text])["biomedclip"]
        assert cosines(alone, vector[None]).min() > 0.999999


def test_more_than_a_batch_at_once(biomedclip: Encoder, pictures: list[Image.Image]) -> None:
    batch = stacked(biomedclip, pictures)
    many = np.concatenate([batch] * 10)
    found = biomedclip.encode_images(many)["biomedclip"]
    np.testing.assert_allclose(found[36:], found[:4], rtol=1e-3, atol=1e-4)


def test_nothing_gives_nothing(biomedclip: Encoder) -> None:
    found = biomedclip.encode_images(np.empty((0, 3, 224, 224), dtype=np.float32))
    assert {name: vectors.shape for name, vectors in found.items()} == {
        "biomedclip": (0, 64),
        "biomedclip-trunk": (0, 192),
    }
    assert biomedclip.encode_words([])["biomedclip"].shape == (0, 64)


def test_spaces_are_chosen(tiny_biomedclip: Path, pictures: list[Image.Image]) -> None:
    spec = EncoderSpec("biomedclip", str(tiny_biomedclip), spaces=("biomedclip-trunk",))
    trunk = encoders.load(spec)
    assert [(one.name, one.dimension, one.embeds_words) for one in trunk.spaces] == [
        ("biomedclip-trunk", 192, False)
    ]
    found = trunk.encode_images(stacked(trunk, pictures[:1]))
    assert {name: vectors.shape for name, vectors in found.items()} == {
        "biomedclip-trunk": (1, 192)
    }
    assert trunk.encode_words(["liver"]) == {}


def test_an_unknown_space_is_answered_with_those_there_are(tiny_biomedclip: Path) -> None:
    spec = EncoderSpec("biomedclip", str(tiny_biomedclip), spaces=("biomedclip-text",))
    with pytest.raises(
        UsageError, match=r"--spaces biomedclip-text.*: biomedclip, biomedclip-trun"
    ):
        encoders.load(spec)


def test_any_model_of_open_clip(tiny_clip: Path, pictures: list[Image.Image]) -> None:
    """open_clip's own towers and tokenizer; the folder's name is the space's."""
    import torch

    ours = encoders.load(EncoderSpec("open_clip", f"local-dir:{tiny_clip}"))
    assert [(one.name, one.dimension, one.embeds_words) for one in ours.spaces] == [
        ("tiny-clip", 48, True)
    ]
    model, preprocess, tokenizer = plain_open_clip(tiny_clip)
    with torch.inference_mode():
        pixels = torch.stack([preprocess(one) for one in pictures])
        images = model.encode_image(pixels).numpy()
        words = model.encode_text(tokenizer(TEXTS)).numpy()
    found = ours.encode_images(stacked(ours, pictures))["tiny-clip"]
    assert cosines(found, images).min() > 0.999999
    assert cosines(ours.encode_words(TEXTS)["tiny-clip"], words).min() > 0.999999


def test_open_clip_names_the_spaces_of_a_timm_model(tiny_biomedclip: Path) -> None:
    ours = encoders.load(EncoderSpec("open_clip", str(tiny_biomedclip)))
    assert [one.name for one in ours.spaces] == ["tiny-biomedclip", "tiny-biomedclip-trunk"]


def test_pictures_are_prepared_in_threads(
    tiny_biomedclip: Path, pictures: list[Image.Image]
) -> None:
    fresh = encoders.load(EncoderSpec("biomedclip", str(tiny_biomedclip)))
    expected = [fresh.preprocess(one) for one in pictures]
    with ThreadPoolExecutor(8) as pool:
        for found, alone in zip(
            pool.map(fresh.preprocess, pictures * 8), expected * 8, strict=True
        ):
            np.testing.assert_array_equal(found, alone)


def test_loading_asks_no_network_and_says_nothing(tiny_biomedclip: Path, tmp_path: Path) -> None:
    """From making the encoder to the vectors, from a folder, in a program of its own."""
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit(f'asked the network: {a}')\n"
        "socket.getaddrinfo = socket.socket.connect = refuse\n"
        "import numpy as np\n"
        "from medclip_search import encoders\n"
        "spec = encoders.EncoderSpec('biomedclip', sys.argv[1], ('biomedclip',), 'torch')\n"
        "made = encoders.load(spec)\n"
        "print('torch' in sys.modules)\n"
        "made.encode_images(np.zeros((1, 3, 224, 224), np.float32))\n"
        "print(made.encode_words(['liver'])['biomedclip'].shape)\n"
        "import logging; print(logging.getLogger().handlers)\n"
    )
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    left = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code, str(tiny_biomedclip)],
        env=left | home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["False", "(1, 64)", "[]"]


@pytest.mark.parametrize(
    "code",
    ["import medclip_search", "from medclip_search import encoders; encoders.available()"],
)
def test_torch_is_not_imported_before_it_is_needed(code: str) -> None:
    heavy = "{'torch', 'open_clip', 'transformers', 'timm'} & set(sys.modules)"
    command = [sys.executable, "-c", f"import sys; {code}; print({heavy} or 'none')"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"
