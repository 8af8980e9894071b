"""A cross-encoder of MedCPT's size on this machine: captions a second, and in a query's time.

    python -m benchmarks.cross_encoder [ROCO]

The architecture is that of ncbi/MedCPT-Cross-Encoder (BERT base, one logit) with weights drawn at
random, on which speed does not depend, and a vocabulary learnt from the captions. ROCO's captions,
50 at a time, are read beside three queries under PyTorch, under ONNX Runtime, and there with 8-bit
weights: captions a second of one core's time (which other programs change little), and how many of
the 50 are read within 300 ms (the default), one second and three on this machine as it is.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from medclip_search.encoders.cross_encoder import CrossEncoder
from medclip_search.encoders.cross_encoder.choose import load
from medclip_search.encoders.cross_encoder.export import export
from medclip_search.encoders.cross_encoder.source import find
from medclip_search.encoders.cross_encoder.torch_runtime import TorchCrossEncoder
from medclip_search.search.rerank import DEPTH, read_best

QUERIES = ("right pleural effusion", "axial ct of the liver", "femur fracture fixation")
BUDGETS = (300, 1000, 3000)


def make_model(folder: Path, captions: list[str]) -> None:
    """BERT base with one logit, as transformers saves it."""
    from tokenizers import BertWordPieceTokenizer

    from medclip_search.encoders.open_clip.torchvision_ops import declare_missing_ops

    declare_missing_ops()
    import transformers

    transformers.utils.logging.disable_progress_bar()
    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train_from_iterator(captions, vocab_size=30522, show_progress=False)
    fast = transformers.BertTokenizerFast(tokenizer_object=tokenizer._tokenizer)
    fast.save_pretrained(folder)
    config = transformers.BertConfig(vocab_size=30522, num_labels=1)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)


def measure(name: str, model: CrossEncoder, shelves: list[list[str]]) -> None:
    """One line of the table; the median over queries."""
    rates = []
    read: dict[int, list[int]] = {budget: [] for budget in BUDGETS}
    for query, captions in zip(QUERIES, shelves, strict=True):
        began = time.process_time()
        found = read_best(model, query, captions, float("inf"), time.perf_counter)
        rates.append(len(found) / (time.process_time() - began))
        for budget in BUDGETS:
            until = time.perf_counter() + budget / 1000
            found = read_best(model, query, captions, until, time.perf_counter)
            read[budget].append(len(found))
    counts = "  ".join(f"{statistics.median(read[budget]):6.0f}" for budget in BUDGETS)
    print(f"{name:14} {statistics.median(rates):15.1f}   {counts}")


def main() -> None:
    """Make, export, read."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "roco"
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("roco", type=Path, nargs="?", default=default)
    path = parser.parse_args().roco / "data" / "validation" / "radiology" / "captions.txt"
    if not path.is_file():
        raise SystemExit(f"no captions of ROCO at {path}")
    lines = path.read_text(encoding="utf-8").splitlines()
    captions = [line.partition("\t")[2].strip() for line in lines]
    drawn = np.random.default_rng(0).choice(captions, (len(QUERIES), DEPTH), replace=False)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        make_model(folder, captions)
        print(
            "runtime        captions/core-s   read of 50 in "
            + ", ".join(f"{b} ms" for b in BUDGETS)
        )
        measure("PyTorch", TorchCrossEncoder(find(str(folder))), drawn.tolist())
        for int8 in (False, True):
            exported, report = export(folder, Path(scratch) / f"int8-{int8}", int8=int8)
            name = "ONNX int8" if int8 else "ONNX float32"
            measure(name, load(exported), drawn.tolist())
            print(f"  (logits differ from PyTorch's by {report.largest:.6f} at most)")


if __name__ == "__main__":
    main()
