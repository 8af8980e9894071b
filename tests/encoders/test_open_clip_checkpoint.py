"""A checkpoint of open_clip's training by itself: ``--model ARCHITECTURE=FILE``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medclip_search import Library, Query, build, encoders
from medclip_search.encoders.base import EncoderSpec
from medclip_search.errors import EncoderUnavailableError
from tests.figures import draw, write_folder

ARCHITECTURE = "ViT-S-32-alt"
TEXTS = ["axial CT of the liver", "chest x-ray"]


@pytest.fixture(scope="module")
def trained(biomedclip_extra: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """What open_clip's trainer would write, and the network that it is of."""
    from medclip_search.encoders.open_clip.torchvision_ops import declare_missing_ops

    declare_missing_ops()
    import open_clip
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = open_clip.create_model(ARCHITECTURE, pretrained=None).eval()
    weights = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    rates = {"state": {}, "param_groups": [{"lr": np.float64(1e-4)}]}
    path = tmp_path_factory.mktemp("training") / "epoch_5.pt"
    torch.save({"epoch": 5, "name": "mine", "state_dict": weights, "optimizer": rates}, path)
    return path, network


def test_vectors_are_those_of_the_network_that_was_trained(trained: tuple[Path, Any]) -> None:
    import open_clip
    import torch

    path, network = trained
    ours = encoders.load(EncoderSpec("open_clip", f"{ARCHITECTURE}={path}", runtime="torch"))
    (space,) = ours.spaces
    assert space.name == "epoch_5"
    pixels = np.stack([ours.preprocess(draw(seed)) for seed in range(2)])
    with torch.inference_mode():
        images = network.encode_image(torch.from_numpy(pixels)).numpy()
        words = network.encode_text(open_clip.get_tokenizer(ARCHITECTURE)(TEXTS)).numpy()
    assert space.dimension == images.shape[1]
    np.testing.assert_allclose(ours.encode_images(pixels)["epoch_5"], images, atol=1e-5)
    np.testing.assert_allclose(ours.encode_words(TEXTS)["epoch_5"], words, atol=1e-5)


def test_a_library_remembers_where_it_lay(
    trained: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = write_folder(tmp_path / "figures", range(3))
    monkeypatch.chdir(trained[0].parent)
    model = f"{ARCHITECTURE}=epoch_5.pt"
    build(tmp_path / "library", [f"folder={figures}"], encoder="open_clip", model=model)
    monkeypatch.chdir(tmp_path)
    with Library.open(tmp_path / "library") as library:
        hits = library.search(Query(image=draw(1)), k=3)
    assert hits[0].id == "fig-001"


def refusal(model: str) -> str:
    with pytest.raises(EncoderUnavailableError) as raised:
        encoders.load(EncoderSpec("open_clip", model, runtime="torch")).encode_words(TEXTS)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_cannot_be_loaded_is_said(trained: tuple[Path, Any], tmp_path: Path) -> None:
    path, _ = trained
    assert refusal(f"{ARCHITECTURE}={tmp_path / 'gone.pt'}").endswith(
        "no such file; check its path"
    )
    assert "this open_clip does not know ViT-Z; upgrade" in refusal(f"ViT-Z={path}")
    assert "made for another model than ViT-B-32 is" in refusal(f"ViT-B-32={path}")
    assert "or ARCHITECTURE=FILE with a checkpoint of yours" in refusal(str(path))
