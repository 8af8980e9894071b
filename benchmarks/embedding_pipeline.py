"""Images a second from JPEG files to rows in a library, beside the encoder alone.

    python -m benchmarks.embedding_pipeline [--images 200] [--rounds 2] [--folder DIR]

MedPix's files go through the build's own pipeline (decoding, thumbnail, encoder, rows and catalogue
flushed to disk), by ``compact`` and by BiomedCLIP's architecture at full size with random weights
(``clip_runtimes``) under PyTorch in float32, ONNX Runtime in float32 and with 8-bit weights. The
encoder alone is given the same pictures, decoded before. Everything is loaded and warm before it
is timed, each is done in turn, and the best of the rounds counts. Decoding and encoding share the
cores of a CPU: what the processor spends on either bounds the pace. The GPU is taken where PyTorch
or ONNX Runtime finds one, here as in a build.

What 8 bits change is told by the cosine to float32, by how many of the ten nearest stay, and by
P@10 of like images (``medpix``). Random weights tell speed truly, and of retrieval only whether 8
bits distort a network of this shape: real ones may bear them better or worse. With ``--folder`` the
models are kept there.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_runtimes import cosines, make_model
from benchmarks.machine import machine
from benchmarks.medpix import MEASURE, Figure, data_folder, depth, precision, read_figures
from benchmarks.targets import beside
from medclip_search import encoders
from medclip_search.corpora import CorpusSpec
from medclip_search.encoders.base import Encoder, EncoderSpec
from medclip_search.encoders.open_clip.export import export
from medclip_search.evaluation import difference
from medclip_search.images import read_image
from medclip_search.indexes.vectors import VectorIndex, build_vector_index
from medclip_search.library.embed import begin_spaces, embed
from medclip_search.library.emptied import open_source
from medclip_search.library.ingest import BuildSummary, ingest
from medclip_search.library.writer import writing
from medclip_search.progress import SILENT

TORCH, WHOLE, INT8, COMPACT = "PyTorch float32", "ONNX Runtime float32", "int8", "compact"
LEAST = {WHOLE: 1.0, INT8: 2.5}
"""End to end, against PyTorch."""
KEPT = 0.8
"""Of the pace of the encoder alone."""

Floats = NDArray[np.float32]


@dataclass
class Paces:
    """Images a second, the best of each round."""

    alone: float = 0.0
    end_to_end: float = 0.0
    encoding: float = np.inf
    """Milliseconds of the processor an image, by the encoder alone."""
    everything: float = np.inf
    """The same, from files."""
    vectors: Floats = field(default_factory=lambda: np.empty((0, 0), np.float32))


def the_encoders(folder: Path) -> dict[str, Encoder]:
    """Loaded from a folder, or made there."""
    spec = EncoderSpec("biomedclip", str(folder / "model"), ("biomedclip",), "torch")
    exported = str(folder / "exported")
    if not (folder / "exported").exists():
        make_model(folder / "model")
        export(spec, folder / "exported", int8=True)
    specs = {
        TORCH: spec,
        WHOLE: EncoderSpec("biomedclip", exported, ("biomedclip",), "onnx"),
        INT8: EncoderSpec("biomedclip", exported, ("biomedclip",), "int8"),
        COMPACT: EncoderSpec("compact"),
    }
    return {name: encoders.load(one) for name, one in specs.items()}


def alone(encoder: Encoder, pixels: Floats) -> tuple[float, Floats]:
    """Images a second of batches that are ready, and their vectors, (n, d)."""
    size = encoder.batch_size
    began = time.perf_counter()
    made = [
        encoder.encode_images(pixels[start : start + size])[encoder.spaces[0].name]
        for start in range(0, len(pixels), size)
    ]
    return len(pixels) / (time.perf_counter() - began), np.concatenate(made)


def end_to_end(encoder: Encoder, images: Path) -> float:
    """Images a second through the pipeline of a build, into a library that is thrown away."""
    with tempfile.TemporaryDirectory(dir=images.parent) as folder:
        library = Path(folder) / "library"
        with writing(library, create=True) as writer:
            with writer.catalogue.transaction():
                begin_spaces(writer, encoder)
            corpus = open_source(library, CorpusSpec("folder", images, "images"))
            seen = writer.catalogue.begin_build()
            ingest(writer, corpus, seen, False, BuildSummary(), _fail, SILENT)
            began = time.perf_counter()
            count = embed(writer, encoder, _fail, SILENT)
            spent = time.perf_counter() - began
            writer.abandon()
    return count / spent


def _fail(skipped: object) -> None:
    raise SystemExit(f"skipped: {skipped}")


def measure(known: dict[str, Encoder], images: Path, rounds: int) -> dict[str, Paces]:
    """Each in turn, so that what else the machine does disturbs all alike."""
    paces = {name: Paces() for name in known}
    files = sorted(images.iterdir())
    for _ in range(rounds):
        for name, encoder in known.items():
            pixels = np.stack([encoder.preprocess(read_image(file)) for file in files])
            one = paces[name]
            encoder.encode_images(pixels[:1])
            began = time.process_time()
            pace, one.vectors = alone(encoder, pixels)
            middle = time.process_time()
            one.alone = max(one.alone, pace)
            one.end_to_end = max(one.end_to_end, end_to_end(encoder, images))
            spent = np.array([middle - began, time.process_time() - middle]) * 1000 / len(files)
            one.encoding, one.everything = np.fmin([one.encoding, one.everything], spent).tolist()
    return paces


def answers(figures: list[Figure], encoder: Encoder, vectors: Floats) -> dict[str, list[str]]:
    """Ids by falling likeness for each figure as a query, itself left out."""
    rows, keys = vectors.astype(np.float16), np.arange(len(vectors))
    with tempfile.TemporaryDirectory() as folder:
        build_vector_index(rows, keys, Path(folder), space=encoder.spaces[0])
        index = VectorIndex.open(Path(folder), rows)
        found = {}
        for at, figure in enumerate(figures):
            near, _ = index.search(vectors[at], depth(figures) + 1)
            found[figure.id] = [figures[key].id for key in near.tolist() if key != at]
    return found


def report(paces: dict[str, Paces], known: dict[str, Encoder], figures: list[Figure]) -> None:
    """The table."""
    print(f"\n{len(figures)} images a round; images a second")
    for name, one in paces.items():
        processor = f"{one.everything:.0f} ms of the processor, the encoder {one.encoding:.0f}"
        against = one.end_to_end / paces[TORCH].end_to_end
        print(
            f"{name:22} alone {one.alone:6.1f}, from files {one.end_to_end:6.1f}, of that alone "
            f"{beside(one.end_to_end / one.alone, least=KEPT)}, against {TORCH} "
            f"{beside(against, least=LEAST.get(name))}; batches of {known[name].batch_size}; "
            f"{processor}"
        )
    whole, small = paces[TORCH].vectors, paces[INT8].vectors
    least, mean = cosines({"": small}, {"": whole})
    print(f"int8 against float32, random weights: cosine at least {least:.5f}, mean {mean:.5f}")
    found = {name: answers(figures, known[name], paces[name].vectors) for name in (TORCH, INT8)}
    kept = [len({*found[TORCH][one.id][:10]} & {*found[INT8][one.id][:10]}) / 10 for one in figures]
    print(f"of the ten nearest {np.mean(kept):.3f} are the same")
    before, now = (precision(figures, each) for each in found.values())
    for label, scores in now.items():
        print(
            f"  P@10 {label:18} {before[label].means()[MEASURE]:.4f} in float32, int8 "
            f"{difference(scores, before[label], MEASURE)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the models are kept")
    given = parser.parse_args()
    print(machine("onnxruntime", "torch", "open_clip_torch"))
    figures = sorted(read_figures(data_folder()), key=lambda one: one.id)[: given.images]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = folder / "images"
        images.mkdir()
        for one in figures:
            shutil.copyfile(one.image, images / one.image.name)
        known = the_encoders(given.folder or folder)
        paces = measure(known, images, given.rounds)
        report(paces, known, sorted(figures, key=lambda one: one.image.name))


if __name__ == "__main__":
    main()
