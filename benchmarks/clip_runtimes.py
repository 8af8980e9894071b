"""BiomedCLIP's architecture at full size, random weights: PyTorch beside ONNX Runtime.

    python -m benchmarks.clip_runtimes [--images 16] [--texts 24]

ViT-B/16 with a linear head and BERT base with an MLP head, made by open_clip with a fixed seed
and exported by ``medclip_search``. Speeds do not depend on the weights; the agreement of 8 bits
with float32 does, and must be looked at again on the real ones.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from medclip_search.encoders.base import EncoderSpec, Floats
from medclip_search.encoders.open_clip import choose
from medclip_search.encoders.open_clip.export import export
from medclip_search.encoders.open_clip.network import Layer, Network, Tokens
from medclip_search.encoders.open_clip.onnx_runtime import OnnxNetwork
from medclip_search.encoders.open_clip.torch_runtime import TorchNetwork
from medclip_search.encoders.open_clip.torchvision_ops import declare_missing_ops
from tests.encoders.tiny_clip import make_tiny_biomedclip

LAYERS: tuple[Layer, ...] = ("joint", "trunk")
CAPTIONS = (
    "Chest X-ray showing a right-sided pleural effusion.",
    "Axial contrast-enhanced CT of the abdomen shows a hypodense mass (arrow) in the head of the "
    "pancreas with dilatation of the common bile duct.",
    "Coronal T2-weighted MRI.",
)


def make_model(folder: Path) -> Path:
    """The tests' tiny BiomedCLIP, grown to ViT-B/16 and BERT base."""
    make_tiny_biomedclip(folder)
    declare_missing_ops()
    import open_clip
    import torch

    config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
    config["model_cfg"]["embed_dim"] = 512
    config["model_cfg"]["vision_cfg"]["timm_model_name"] = "vit_base_patch16_224"
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    text = {"model_type": "bert", "architectures": ["BertModel"]}  # BERT base by default
    (folder / "text" / "config.json").write_text(json.dumps(text), encoding="utf-8")
    torch.manual_seed(0)
    network = open_clip.create_model(
        f"local-dir:{folder}", load_weights=False, pretrained_text=False
    )
    torch.save(network.state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder


def pictures(count: int) -> list[Image.Image]:
    """Of the size that figures have, smooth as they are."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 12, 16), dtype=np.uint8)
    return [Image.fromarray(one).resize((640, 480), Image.Resampling.BICUBIC) for one in small]


def rates(*works: Callable[[], object], things: int, rounds: int = 4) -> list[float]:
    """Things done a second by each: the best of rounds in turn, for other work may disturb one."""
    best = [0.0] * len(works)
    for turn in range(rounds + 1):
        for number, work in enumerate(works):
            start = time.perf_counter()
            work()
            if turn:  # the first warms up
                best[number] = max(best[number], things / (time.perf_counter() - start))
    return best


def cosines(found: Mapping[str, Floats], expected: Mapping[str, Floats]) -> tuple[float, float]:
    each = []
    for name, vectors in expected.items():
        lengths = np.linalg.norm(found[name], axis=1) * np.linalg.norm(vectors, axis=1)
        each.append((found[name] * vectors).sum(axis=1) / lengths)
    every = np.concatenate(each)
    return float(every.min()), float(every.mean())


def vectors(network: Network, pixels: Floats, tokens: Tokens) -> dict[str, Floats]:
    made: dict[str, Floats] = {"words": network.words(tokens)}
    return made | {str(layer): one for layer, one in network.images(pixels, LAYERS).items()}


def measure(folder: Path, images: int, texts: int) -> None:
    spec = EncoderSpec("biomedclip", str(folder))
    source = choose.source_of(spec)
    start = time.perf_counter()
    report = export(spec, folder / "exported", int8=True)
    print(f"export: {time.perf_counter() - start:.0f} s, {report.size / 1e6:,.0f} MB")
    torch = TorchNetwork(source, on="cpu")
    networks: dict[str, TorchNetwork | OnnxNetwork] = {
        "PyTorch float32": torch,
        "ONNX Runtime float32": OnnxNetwork(report.folder),
        "ONNX Runtime int8": OnnxNetwork(report.folder, int8=True),
    }
    shown = pictures(images)
    pixels = np.stack([source.preprocessing(one) for one in shown])
    told = [CAPTIONS[number % len(CAPTIONS)] for number in range(texts)]
    tokens = torch.tokens(told)
    expected = vectors(torch, pixels, tokens[: len(CAPTIONS)])

    by_image = rates(*(partial(n.images, pixels, LAYERS) for n in networks.values()), things=images)
    by_text = rates(*(partial(n.words, tokens) for n in networks.values()), things=texts)
    print(f"\n{'':22}images/s  texts/s  cosine to PyTorch: least     mean")
    for number, (name, network) in enumerate(networks.items()):
        least, mean = cosines(vectors(network, pixels, tokens[: len(CAPTIONS)]), expected)
        speeds = f"{by_image[number]:8.2f} {by_text[number]:8.1f}"
        print(f"{name:22}{speeds} {'':19}{least:.6f} {mean:.6f}")
    theirs = torch.tokenizer
    print_before_networks(
        source.preprocessing, networks["ONNX Runtime float32"], theirs, shown, told
    )


def print_before_networks(
    preprocessing: Callable[[Image.Image], Floats],
    network: TorchNetwork | OnnxNetwork,
    theirs: Callable[[list[str]], object],
    shown: list[Image.Image],
    told: list[str],
) -> None:
    """Preprocessing and tokens a second, beside open_clip's own."""
    from open_clip.transform import PreprocessCfg, image_transform_v2

    transform = image_transform_v2(PreprocessCfg(), is_train=False)
    print(f"\n{'640 × 480, 1 thread':22}    here  open_clip")
    for mode in ("L", "RGB"):
        each = [one.convert(mode) for one in shown]
        both = rates(
            partial(_all, preprocessing, each), partial(_all, transform, each), things=len(each)
        )
        print(f"{f'images ({mode})/s':22}{both[0]:8.0f} {both[1]:10.0f}")
    both = rates(partial(network.tokens, told), partial(theirs, told), things=len(told))
    print(f"{'tokens of texts/s':22}{both[0]:8.0f} {both[1]:10.0f}")


def _all(work: Callable[[Image.Image], object], each: list[Image.Image]) -> None:
    for one in each:
        work(one)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--texts", type=int, default=24)
    given = parser.parse_args()
    print(f"ViT-B/16 and BERT base, random weights, CPU, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        measure(make_model(Path(folder) / "model"), given.images, given.texts)


if __name__ == "__main__":
    main()
