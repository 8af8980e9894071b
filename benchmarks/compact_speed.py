"""How `compact` runs fastest on a CPU: how many pictures at a time, and 8 bits.

    python -m benchmarks.compact_speed [--images 400] [--rounds 3]

The network alone, on MedPix's pictures, decoded before: float32 with 1, 8 and 32 pictures at a
time, and with 8 bits (weights by channel and activations, static, calibrated on other pictures of
MedPix), each in turn, the best of the rounds. Of 8 bits the cosine to float32 and the change of
P@10 (``medpix``) are told: faster vectors that find less are no gain. It wants the ``biomedclip``
extra, which brings ``onnx``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_runtimes import cosines
from benchmarks.embedding_pipeline import answers
from benchmarks.machine import machine
from benchmarks.medpix import MEASURE, data_folder, precision, read_figures
from medclip_search.encoders.compact import NOW, WEIGHTS, CompactEncoder
from medclip_search.encoders.onnx_session import import_onnxruntime, open_session
from medclip_search.encoders.onnx_writing import quiet
from medclip_search.evaluation import difference
from medclip_search.images import read_image

AT_A_TIME = (1, 8, 32)
FLOAT32, INT8 = "float32", "int8"
_CALIBRATED = 100

Floats = NDArray[np.float32]


def to_int8(pixels: Floats, path: Path) -> None:
    """The network in 8 bits, its activations' ranges taken from ``pixels``, (n, 3, h, w)."""
    with quiet():
        import_onnxruntime()
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

        class Pictures(CalibrationDataReader):  # type: ignore[misc]
            def __init__(self) -> None:
                self._left: Iterator[Any] = iter(pixels)

            def get_next(self) -> dict[str, Floats] | None:
                one = next(self._left, None)
                return None if one is None else {"pixels": one[None]}

        quantize_static(
            str(WEIGHTS),
            str(path),
            Pictures(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,  # as ``encoders.onnx_writing``: without VNNI 8 by 8 bits overflow
        )


def run(session: Any, pixels: Floats, size: int) -> tuple[float, Floats]:
    """Pictures a second, ``size`` at a time, and the vectors."""
    began = time.perf_counter()
    made = [
        session.run([NOW.output], {"pixels": pixels[start : start + size]})[0]
        for start in range(0, len(pixels), size)
    ]
    return len(pixels) / (time.perf_counter() - began), np.concatenate(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(machine("onnxruntime"))
    encoder = CompactEncoder()
    chance = np.random.default_rng(0)
    known = sorted(read_figures(data_folder()), key=lambda one: one.id)
    order = chance.permutation(len(known))[: given.images + _CALIBRATED]
    pixels = np.stack([encoder.preprocess(read_image(known[at].image)) for at in order])
    figures = [known[at] for at in order[: given.images]]
    asked, others = pixels[: given.images], pixels[given.images :]
    if not len(others):
        parser.error(f"--images {given.images}: leave some for the ranges of 8 bits")
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "int8.onnx"
        to_int8(others, small)
        sessions = {FLOAT32: open_session(WEIGHTS, "compact"), INT8: open_session(small, "compact")}
        paces = {(kind, size): 0.0 for kind in sessions for size in AT_A_TIME}
        vectors: dict[str, Floats] = {}
        for _ in range(given.rounds):
            for kind, size in paces:
                run(sessions[kind], asked[:size], size)
                pace, found = run(sessions[kind], asked, size)
                paces[kind, size] = max(paces[kind, size], pace)
                if size == 1:
                    vectors[kind] = found
    print(f"{len(figures)} pictures; the network alone, pictures a second")
    for (kind, size), pace in paces.items():
        print(f"{kind:8} {size:2} at a time {pace:6.1f}")
    least, mean = cosines({"": vectors[INT8]}, {"": vectors[FLOAT32]})
    print(f"int8 against float32: cosine at least {least:.4f}, mean {mean:.4f}")
    judged = {
        kind: precision(figures, answers(figures, encoder, made)) for kind, made in vectors.items()
    }
    for label, scores in judged[INT8].items():
        before = judged[FLOAT32][label]
        change = difference(scores, before, MEASURE)
        print(f"  P@10 {label:18} {before.means()[MEASURE]:.4f} in float32, int8 {change}")


if __name__ == "__main__":
    main()
