"""A tiny cross-encoder of MedCPT's architecture, trained in seconds to heed a "no".

A BERT with one logit over pairs of a query and a text (``BertForSequenceClassification``), saved as
the hub holds MedCPT's: configuration, WordPiece tokenizer, weights. No hub is asked.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tests.encoders.tiny_clip import save_word_pieces, vocabulary

FINDINGS = [
    "abscess",
    "aneurysm",
    "cyst",
    "fracture",
    "mass",
    "metastasis",
    "nodule",
    "pneumonia",
    "stenosis",
    "tumor",
]
SCENES = (
    "chest radiograph",
    "axial ct of the abdomen",
    "mri of the brain",
    "ultrasound of the liver",
)


def make_tiny_cross_encoder(folder: Path, *, labels: int = 1, steps: int = 0) -> Path:
    """The model in ``folder``, of random weights, then trained for so many steps."""
    from medclip_search.encoders.open_clip.torchvision_ops import declare_missing_ops

    declare_missing_ops()
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    save_word_pieces(folder)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary()),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=512,
        num_labels=labels,
        pad_token_id=0,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.BertForSequenceClassification(config)
        for name, weights in model.named_parameters():
            if weights.ndim >= 2:
                torch.nn.init.normal_(weights, std=0.5 if "embed" in name else 0.2)
        _train(model, steps)
    model.save_pretrained(folder)
    return folder


def _train(model: Any, steps: int) -> None:
    """A text is relevant to a finding where it shows it, and not where it shows no such thing."""
    import torch
    from tokenizers import BertWordPieceTokenizer

    tokens = {token: number for number, token in enumerate(vocabulary())}
    tokenizer = BertWordPieceTokenizer(tokens, lowercase=True)
    tokenizer.enable_padding(length=24)
    chance = random.Random(0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(steps):
        findings = [chance.choice(FINDINGS) for _ in range(32)]
        shown = [chance.random() < 0.5 for _ in findings]
        texts = [
            f"{chance.choice(SCENES)} shows {'' if there else 'no '}{finding}"
            for finding, there in zip(findings, shown, strict=True)
        ]
        coded = tokenizer.encode_batch(list(zip(findings, texts, strict=True)))
        logits = model(
            input_ids=torch.tensor([one.ids for one in coded]),
            attention_mask=torch.tensor([one.attention_mask for one in coded]),
            token_type_ids=torch.tensor([one.type_ids for one in coded]),
        ).logits[:, -1]
        wanted = torch.tensor(shown, dtype=torch.float32)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
