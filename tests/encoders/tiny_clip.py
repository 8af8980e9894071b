"""Tiny CLIP models with random weights, saved as the folders that open_clip loads.

``make_tiny_biomedclip`` has the architecture of BiomedCLIP (a timm ViT with a linear head, a BERT
with an MLP head, WordPiece), ``make_tiny_clip`` that of OpenAI's CLIP. No hub is asked. The weights
are drawn wide, so that other pictures and other words give other vectors.
"""

from __future__ import annotations

import json
import logging
import string
import tempfile
from pathlib import Path
from typing import Any

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
WEIGHTS = "open_clip_pytorch_model.bin"

WORDS = """
a abdomen abscess acute an and angiography aneurysm aorta arrow arteries artery at axial biopsy
bladder bleeding blood bone brain breast calcification carcinoma cardiac case cell cells chest
chronic colon computed contrast coronal ct cyst demonstrates disease dissection echocardiography
effusion endoscopy enhanced enhancement fat femur fibrosis figure fluid fracture head heart
hematoma hemorrhage hepatic hip histology image in infarction intestine kidney knee left lesion
liver lobe lung lymph magnetic mammography man mass metastasis mri muscle nodule normal obstruction
of on opacity patient pelvis perforation pet plain pleural pneumonia pneumothorax portable posterior
radiograph ray renal resonance right sagittal scan section showing shows skull spine spleen staining
stenosis surgical swelling the thoracic thrombosis thyroid tissue to tomography tumor tumour
ultrasound upper uterus vein vertebral vessel view wall weighted with woman x year
""".split()  # noqa: SIM905  (a list of words is read more easily as lines)


def make_tiny_biomedclip(folder: Path, seed: int = 0, trunk: str = "vit_tiny_patch16_224") -> Path:
    """A BiomedCLIP of 6 million weights in ``folder``: 192-D trunk, 64-D joint space, 224 px."""
    folder.mkdir(parents=True, exist_ok=True)
    save_word_pieces(folder)
    _write_json(
        folder / "text" / "config.json",
        {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "vocab_size": len(vocabulary()),
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 128,
            "max_position_embeddings": 256,
            "pad_token_id": 0,
        },
    )
    model = {
        "embed_dim": 64,
        "vision_cfg": {
            "timm_model_name": trunk,
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": 224,
        },
        "text_cfg": {
            "hf_model_name": str((folder / "text").resolve()),
            "hf_tokenizer_name": str(folder.resolve()),
            "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 256,
        },
    }
    return _save(folder, model, seed)


def make_tiny_clip(folder: Path, seed: int = 0) -> Path:
    """A CLIP of open_clip's own towers in ``folder``: 48-D joint space, 64 px, 77 tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    model = {
        "embed_dim": 48,
        "vision_cfg": {
            "image_size": 64,
            "layers": 2,
            "width": 64,
            "head_width": 32,
            "patch_size": 16,
        },
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 32,
            "heads": 2,
            "layers": 2,
        },
    }
    return _save(folder, model, seed)


def _save(folder: Path, model: dict[str, Any], seed: int) -> Path:
    from medclip_search.encoders.open_clip.torchvision_ops import declare_missing_ops

    declare_missing_ops()
    import open_clip
    import torch

    config = {"model_cfg": model, "preprocess_cfg": {"mean": MEAN, "std": STD}}
    _write_json(folder / "open_clip_config.json", config)
    with torch.random.fork_rng(), tempfile.TemporaryDirectory() as bare:
        torch.manual_seed(seed)
        _write_json(Path(bare) / "open_clip_config.json", config)
        logging.getLogger().addHandler(silent := logging.NullHandler())
        network = open_clip.create_model(f"local-dir:{bare}", pretrained_text=False)
        logging.getLogger().removeHandler(silent)
        for name, weights in network.named_parameters():
            if weights.ndim >= 2 and "norm" not in name:
                fan_in = weights[0].numel()
                scale = 1.0 if "embed" in name or "pos" in name else 1.5 / fan_in**0.5
                torch.nn.init.normal_(weights, std=scale)
    torch.save(network.state_dict(), folder / WEIGHTS)
    return folder


def vocabulary() -> list[str]:
    letters = string.ascii_lowercase + string.digits
    pieces = [f"##{letter}" for letter in letters]
    endings = ["##s", "##ed", "##ing", "##al", "##ic", "##itis", "##oma", "##graphy"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return list(dict.fromkeys([*special, *string.punctuation, *letters, *pieces, *endings, *WORDS]))


def save_word_pieces(folder: Path) -> None:
    """The files of a BERT tokenizer, as they lie in the root of BiomedCLIP's repository."""
    from tokenizers import BertWordPieceTokenizer

    pieces = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    tokens = {token: number for number, token in enumerate(pieces)}
    BertWordPieceTokenizer(tokens, lowercase=True).save(str(folder / "tokenizer.json"))
    special = {
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }
    _write_json(folder / "special_tokens_map.json", special)
    _write_json(
        folder / "tokenizer_config.json",
        {
            **special,
            "do_lower_case": True,
            "model_max_length": 1_000_000_000_000_000_019_884_624_838_656,
            "strip_accents": None,
            "tokenize_chinese_chars": True,
            "tokenizer_class": "BertTokenizer",
        },
    )


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
