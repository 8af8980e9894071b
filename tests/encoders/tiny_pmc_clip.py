"""A tiny PMC-CLIP of random weights in its published form, and what its published code computes.

The reference is written from ``torch.nn.functional`` on the checkpoint's own names, after
``src/pmc_clip/model`` of WeixiongLin/PMC-CLIP: bottlenecks that pool after their second convolution
and before the projection beside them, a pool by attention whose query is the mean, and a BERT that
is given token ids and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.encoders.tiny_clip import save_word_pieces, vocabulary

CONFIG = "RN50_fusion4.json"
PUBLISHED = """
{
    "embed_dim": 768,
    "clip_model": "PMC_CLIP",
    "vision_cfg": {"image_size": 224, "layers": [3, 4, 6, 3], "width": 64, "patch_size": null},
    "text_cfg": {
        "context_length": 77, "vocab_size": 30522, "width": 768, "heads": 8, "layers": 12,
        "fusion_layers": 4,
        "bert_model_name": "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract-fulltext"
    }
}
"""
"""What it holds where it was published."""

LAYERS, WIDTH, EMBEDDED, CONTEXT = (1, 2, 1, 1), 8, 48, 77
HIDDEN, BERT_LAYERS, BERT_HEADS = 32, 2, 2
FEATURES = WIDTH * 32
POOL_HEADS = FEATURES // 64
STAGES = [(WIDTH << stage, blocks, 2 if stage else 1) for stage, blocks in enumerate(LAYERS)]


def make_tiny_pmc_clip(folder: Path, seed: int = 0) -> Path:
    """A folder with the configuration, ``checkpoint.pt`` and the tokenizer, as one downloads them.

    But for the text tower, which is small, and therefore has a configuration of its own.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    save_word_pieces(folder)
    config = {
        "embed_dim": EMBEDDED,
        "clip_model": "PMC_CLIP",
        "vision_cfg": {
            "image_size": 224,
            "layers": LAYERS,
            "width": WIDTH,
            "patch_size": None,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": len(vocabulary()),
            "width": HIDDEN,
            "heads": 8,
            "layers": BERT_LAYERS,
            "fusion_layers": 4,
            "bert_model_name": "bert",
        },
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=4), encoding="utf-8")
    bert = {
        "model_type": "bert",
        "vocab_size": len(vocabulary()),
        "hidden_size": HIDDEN,
        "num_hidden_layers": BERT_LAYERS,
        "num_attention_heads": BERT_HEADS,
        "intermediate_size": 4 * HIDDEN,
    }
    (folder / "bert").mkdir(exist_ok=True)
    (folder / "bert" / "config.json").write_text(json.dumps(bert), encoding="utf-8")
    weights = {f"module.{name}": tensor for name, tensor in state(seed).items()}
    rate = 0.5 * (1 + np.cos(1.0)) * 1e-4  # a number of NumPy, as the trainer's schedule gives it
    torch.save(
        {
            "epoch": 23,
            "name": "pmc",
            "state_dict": weights,
            "optimizer": {"state": {0: {"step": 7}}, "param_groups": [{"lr": rate}]},
            "scaler": {"scale": 65536.0},
        },
        folder / "checkpoint.pt",
    )
    return folder


def state(seed: int = 0) -> dict[str, Any]:
    """All weights by their published names, those too that only training needs."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in _shapes():
        weight = torch.randn(shape, generator=generator)
        if name.endswith("running_var"):
            weight = weight.abs() + 0.5
        elif name.endswith("weight") and len(shape) == 1:  # of a norm
            weight = 1 + 0.2 * weight
        elif len(shape) > 1 and "embedding" not in name:
            weight = weight * 1.5 / weight[0].numel() ** 0.5
        elif "embedding" not in name:
            weight = 0.2 * weight
        made[name] = weight
    for name in [one for one in made if one.endswith("running_var")]:
        made[name.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
    made["text_encoder.embeddings.position_ids"] = torch.arange(512)[None]
    return made


def _shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "positional_embedding", (CONTEXT, HIDDEN)
    yield "text_projection", (HIDDEN, EMBEDDED)
    yield "mlm_projection", (HIDDEN, len(vocabulary()))
    yield "logit_scale", ()
    yield "img_special_token", (1, 1, EMBEDDED)
    yield from _norm("ln_final", HIDDEN)
    yield from _linear("fusion_module.resblocks.0.mlp.c_fc", HIDDEN, 4 * HIDDEN)

    def convolution(number: str, into: int, out: int, size: int) -> Iterator[Any]:
        prefix, _, index = number.rpartition(".")
        yield f"{prefix}.conv{index}.weight", (out, into, size, size)
        yield from _norm(f"{prefix}.bn{index}", out, batch=True)

    yield from convolution("visual.1", 3, WIDTH // 2, 3)
    yield from convolution("visual.2", WIDTH // 2, WIDTH // 2, 3)
    yield from convolution("visual.3", WIDTH // 2, WIDTH, 3)
    into = WIDTH
    for stage, (planes, blocks, stride) in enumerate(STAGES, 1):
        for block in range(blocks):
            prefix = f"visual.layer{stage}.{block}"
            yield from convolution(f"{prefix}.1", into, planes, 1)
            yield from convolution(f"{prefix}.2", planes, planes, 3)
            yield from convolution(f"{prefix}.3", planes, 4 * planes, 1)
            if block == 0 and (stride > 1 or into != 4 * planes):
                yield f"{prefix}.downsample.0.weight", (4 * planes, into, 1, 1)
                yield from _norm(f"{prefix}.downsample.1", 4 * planes, batch=True)
            into = 4 * planes
    yield "visual.attnpool.positional_embedding", (7 * 7 + 1, FEATURES)
    for part in "kqvc":
        out = EMBEDDED if part == "c" else FEATURES
        yield from _linear(f"visual.attnpool.{part}_proj", FEATURES, out)

    bert = "text_encoder.embeddings"
    yield f"{bert}.word_embeddings.weight", (len(vocabulary()), HIDDEN)
    yield f"{bert}.position_embeddings.weight", (512, HIDDEN)
    yield f"{bert}.token_type_embeddings.weight", (2, HIDDEN)
    yield from _norm(f"{bert}.LayerNorm", HIDDEN)
    for layer in range(BERT_LAYERS):
        prefix = f"text_encoder.encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            yield from _linear(f"{prefix}.attention.self.{part}", HIDDEN, HIDDEN)
        yield from _linear(f"{prefix}.attention.output.dense", HIDDEN, HIDDEN)
        yield from _norm(f"{prefix}.attention.output.LayerNorm", HIDDEN)
        yield from _linear(f"{prefix}.intermediate.dense", HIDDEN, 4 * HIDDEN)
        yield from _linear(f"{prefix}.output.dense", 4 * HIDDEN, HIDDEN)
        yield from _norm(f"{prefix}.output.LayerNorm", HIDDEN)
    yield from _linear("text_encoder.pooler.dense", HIDDEN, HIDDEN)


def _linear(prefix: str, into: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{prefix}.weight", (out, into)
    yield f"{prefix}.bias", (out,)


def _norm(prefix: str, width: int, batch: bool = False) -> Iterator[tuple[str, tuple[int, ...]]]:
    names = ("weight", "bias", "running_mean", "running_var") if batch else ("weight", "bias")
    for name in names:
        yield f"{prefix}.{name}", (width,)


def images_by_the_book(weights: Mapping[str, Any], pixels: Any) -> Any:
    """(n, 3, 224, 224) to (n, EMBEDDED), as ``blocks.ModifiedResNet`` computes it."""
    import torch
    from torch.nn import functional

    def normed(x: Any, prefix: str) -> Any:
        mean, variance = weights[f"{prefix}.running_mean"], weights[f"{prefix}.running_var"]
        return functional.batch_norm(
            x, mean, variance, weights[f"{prefix}.weight"], weights[f"{prefix}.bias"]
        )

    def convolved(x: Any, prefix: str, number: int, **how: int) -> Any:
        x = functional.conv2d(x, weights[f"{prefix}.conv{number}.weight"], **how)
        return normed(x, f"{prefix}.bn{number}")

    x = functional.relu(convolved(pixels, "visual", 1, stride=2, padding=1))
    x = functional.relu(convolved(x, "visual", 2, padding=1))
    x = functional.avg_pool2d(functional.relu(convolved(x, "visual", 3, padding=1)), 2)
    for stage, (_, blocks, first_stride) in enumerate(STAGES, 1):
        for block in range(blocks):
            prefix, stride = f"visual.layer{stage}.{block}", 1 if block else first_stride
            beside = x
            x = functional.relu(convolved(x, prefix, 1))
            x = functional.relu(convolved(x, prefix, 2, padding=1))
            x = convolved(functional.avg_pool2d(x, stride), prefix, 3)
            if f"{prefix}.downsample.0.weight" in weights:
                beside = functional.avg_pool2d(beside, stride)
                beside = functional.conv2d(beside, weights[f"{prefix}.downsample.0.weight"])
                beside = normed(beside, f"{prefix}.downsample.1")
            x = functional.relu(x + beside)
    x = x.flatten(2).transpose(1, 2)  # (n, 49, FEATURES)
    x = torch.cat([x.mean(1, keepdim=True), x], dim=1)
    x = x + weights["visual.attnpool.positional_embedding"]
    q, k, v = (_projected(weights, x, f"visual.attnpool.{part}_proj") for part in "qkv")
    pooled = _attended(q[:, :1], k, v, POOL_HEADS)[:, 0]
    return _projected(weights, pooled, "visual.attnpool.c_proj")


def words_by_the_book(weights: Mapping[str, Any], tokens: Any) -> Any:
    """(n, CONTEXT) token ids to (n, EMBEDDED), as ``PMC_CLIP.encode_text`` computes it."""
    from torch.nn import functional

    def normed(x: Any, prefix: str) -> Any:
        weight, bias = weights[f"{prefix}.LayerNorm.weight"], weights[f"{prefix}.LayerNorm.bias"]
        return functional.layer_norm(x, (HIDDEN,), weight, bias, 1e-12)

    embeddings = "text_encoder.embeddings"
    x = weights[f"{embeddings}.word_embeddings.weight"][tokens]
    x = x + weights[f"{embeddings}.position_embeddings.weight"][: tokens.shape[1]]
    x = normed(x + weights[f"{embeddings}.token_type_embeddings.weight"][0], embeddings)
    for layer in range(BERT_LAYERS):
        prefix = f"text_encoder.encoder.layer.{layer}"
        parts = ("query", "key", "value")
        q, k, v = (_projected(weights, x, f"{prefix}.attention.self.{part}") for part in parts)
        seen = _projected(
            weights, _attended(q, k, v, BERT_HEADS), f"{prefix}.attention.output.dense"
        )
        x = normed(x + seen, f"{prefix}.attention.output")
        inner = functional.gelu(_projected(weights, x, f"{prefix}.intermediate.dense"))
        x = normed(x + _projected(weights, inner, f"{prefix}.output.dense"), f"{prefix}.output")
    return x[:, 0] @ weights["text_projection"]


def _projected(weights: Mapping[str, Any], x: Any, prefix: str) -> Any:
    return x @ weights[f"{prefix}.weight"].T + weights[f"{prefix}.bias"]


def _attended(q: Any, k: Any, v: Any, heads: int) -> Any:
    """Attention of (n, length, width), each head on its own; everything may be attended to."""
    q, k, v = (one.unflatten(2, (heads, -1)).transpose(1, 2) for one in (q, k, v))
    scores = (q @ k.transpose(2, 3)) / q.shape[-1] ** 0.5
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
