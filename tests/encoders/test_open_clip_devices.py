"""Under PyTorch on whatever device there is: memory that runs out, numbers that overflow, CUDA."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medclip_search.encoders.base import Floats
from medclip_search.encoders.open_clip.source import Source, find
from medclip_search.encoders.open_clip.torch_runtime import TorchNetwork
from medclip_search.errors import EncoderError
from tests.figures import draw


@pytest.fixture(scope="module")
def source(tiny_biomedclip: Path) -> Source:
    return find(str(tiny_biomedclip))


@pytest.fixture(scope="module")
def on_cpu(source: Source) -> TorchNetwork:
    return TorchNetwork(source, "cpu")


@pytest.fixture(scope="module")
def batch(source: Source) -> Floats:
    return np.stack([source.preprocessing(draw(seed, 240)) for seed in range(8)])


@pytest.fixture(scope="module")
def on_cuda(source: Source) -> Iterator[TorchNetwork]:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed (pip install '.[biomedclip]')")
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device: PyTorch on a GPU is not tested here")
    yield TorchNetwork(source, "cuda")
    torch.cuda.empty_cache()


def least_cosine(ours: Floats, expected: Floats) -> float:
    product = (ours * expected).sum(axis=1)
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(expected, axis=1)
    return float((product / norms).min())


def without_memory_for_more_than(most: int, network: Any) -> Any:
    """The network's trunk fails as PyTorch does, from a number of pictures on."""
    import torch

    def allocate(_: Any, given: tuple[Any, ...]) -> None:
        if len(given[0]) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    return network.visual.trunk.register_forward_pre_hook(allocate)


def test_a_batch_that_is_too_large_is_halved_and_goes_on(source: Source, batch: Floats) -> None:
    network = TorchNetwork(source, "cpu")
    expected = network.images(batch, ("joint", "trunk"))
    hook = without_memory_for_more_than(3, network.network)
    found = network.images(batch, ("joint", "trunk"))
    assert network.most_at_once == 2
    for layer, vectors in expected.items():
        np.testing.assert_allclose(found[layer], vectors, rtol=1e-3, atol=1e-4)
    hook.remove()


def test_no_memory_for_one_picture_is_said(source: Source, batch: Floats) -> None:
    network = TorchNetwork(source, "cpu")
    without_memory_for_more_than(0, network.network)
    with pytest.raises(EncoderError, match="memory of the cpu does not suffice for one picture"):
        network.images(batch, ("joint",))


def test_what_overflows_in_float16_is_done_again_in_float32(source: Source, batch: Floats) -> None:
    import torch

    network = TorchNetwork(source, "cpu")
    with torch.no_grad():
        network.network.visual.head.proj.weight.mul_(1e6)
    expected = network.images(batch, ("joint",))["joint"]
    network.mixed = True
    found = network.images(batch, ("joint",))["joint"]
    assert not network.mixed
    np.testing.assert_array_equal(found, expected)


def test_a_failure_of_pytorch_is_one_line(on_cpu: TorchNetwork) -> None:
    with pytest.raises(EncoderError, match="PyTorch failed on cpu") as raised:
        on_cpu.images(np.zeros((1, 3, 100, 90), dtype=np.float32), ("joint",))
    assert "\n" not in str(raised.value)


def test_cuda_agrees_with_the_cpu(
    on_cpu: TorchNetwork, on_cuda: TorchNetwork, batch: Floats, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = on_cpu.images(batch, ("joint", "trunk"))
    found = on_cuda.images(batch, ("joint", "trunk"))
    texts = ["axial CT of the liver", "chest x-ray " * 40, "brain"]
    tokens = on_cpu.tokens(texts)
    agreement = {layer: least_cosine(found[layer], expected[layer]) for layer in expected}
    words = least_cosine(on_cuda.words(tokens), on_cpu.words(tokens))
    with capsys.disabled():
        print(f"\ncosine, CUDA in float16 to CPU in float32: {agreement}, words {words:.6f}")
    assert on_cuda.mixed
    assert min(*agreement.values(), words) > 0.9999


def test_cuda_halves_what_does_not_fit(
    source: Source, batch: Floats, on_cuda: TorchNetwork
) -> None:
    """With the memory that PyTorch may take cut down to a little more than it has now."""
    import torch

    many = np.concatenate([batch] * 64)
    expected = on_cuda.images(batch, ("joint",))["joint"]
    network = TorchNetwork(source, "cuda")
    network.most_at_once = len(many)
    network.images(batch[:1], ("joint",))
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (150 << 20)) / whole)
    try:
        found = network.images(many, ("joint",))["joint"]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert network.most_at_once < len(many)
    assert least_cosine(found, np.concatenate([expected] * 64)) > 0.9999


def test_images_a_second_from_jpeg_files_on_cuda(
    source: Source, on_cuda: TorchNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"{seed}.jpg" for seed in range(64)]
    for seed, path in enumerate(paths):
        draw(seed, 600).convert("RGB").save(path, quality=90)

    def prepare(path: Path) -> Floats:
        with Image.open(path) as image:
            return source.preprocessing(image)

    on_cuda.images(np.stack([prepare(path) for path in paths]), ("joint",))
    rounds = 16
    start = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        for _ in range(rounds):
            on_cuda.images(np.stack(list(pool.map(prepare, paths))), ("joint", "trunk"))
    speed = rounds * len(paths) / (time.perf_counter() - start)
    with capsys.disabled():
        print(f"\n{speed:.0f} images/s from 600 px JPEG files, tiny model on CUDA")
    assert speed > 1
