"""PMC-CLIP as its authors publish it: a configuration and a checkpoint that are not open_clip's.

Its parts are open_clip's all the same: CLIP's ResNet, and a BERT whose [CLS] is projected without
a bias. So the configuration is said in open_clip's words, and the weights get open_clip's names.
What differs: words are encoded without a mask, so that the padding up to ``context_length`` counts.
What serves training alone (the fusion of both towers, masked words) is left out.

W. Lin et al., "PMC-CLIP: Contrastive Language-Image Pre-training using Biomedical Documents",
MICCAI 2023, arXiv:2303.07240. Its training code is followed, which made ``checkpoint.pt``: the
attention pool has ``width * 32 / 64`` heads, and the last hidden state of [CLS] is projected, not
BERT's pooler, which was not trained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medclip_search.encoders.open_clip.text_source import TOKENIZER
from medclip_search.errors import EncoderUnavailableError

CONFIG = "RN50_fusion4.json"
"""What the published configuration is called; one of another name will do."""

_CLASS = "PMC_CLIP"
_BACKBONE = "ModifiedRN50"
_HEAD_WIDTH = 64
_NOT_A_TOKEN = -1


def config_in(folder: Path) -> Path | None:
    """The configuration that names a class of PMC-CLIP's code, known by its content."""
    for path in sorted(folder.glob("*.json")):
        if path.name not in TOKENIZER and "clip_model" in _read(path):
            return path
    return None


def model_of(path: Path) -> dict[str, Any]:
    """What ``config_in`` found, as open_clip's ``model_cfg``.

    Raises ``EncoderUnavailableError`` where it describes another class or backbone.
    """
    config = _read(path)
    try:
        vision, text = config["vision_cfg"], config["text_cfg"]
        kind = config["clip_model"]
        backbone = vision.get("timm_model_name") or vision.get("backbone", _BACKBONE)
        if (kind, backbone) != (_CLASS, _BACKBONE):
            raise EncoderUnavailableError(
                f"{path}: describes {kind} with the backbone {backbone}; of PMC-CLIP's models only "
                f"{_CLASS} with {_BACKBONE} can be loaded, as it was published"
            )
        return {
            "embed_dim": int(config["embed_dim"]),
            "vision_cfg": {
                "image_size": int(vision.get("image_size", 224)),
                "layers": [int(blocks) for blocks in vision["layers"]],
                "width": int(vision["width"]),
                "head_width": int(vision.get("head_width", _HEAD_WIDTH)),
            },
            "text_cfg": {
                "context_length": int(text.get("context_length", 77)),
                "hf_model_name": str(text["bert_model_name"]),
                "hf_tokenizer_name": str(text["bert_model_name"]),
                "hf_pooler_type": "cls_last_hidden_state_pooler",
                "hf_proj_type": "linear",
            },
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise EncoderUnavailableError(
            f"{path}: is not a configuration of PMC-CLIP ({missing}); copy or download it again"
        ) from error


def load_weights(network: Any, path: Path) -> None:
    """Fill open_clip's network from a checkpoint, and have it attend to padding.

    Raises what PyTorch raises, ``RuntimeError`` where a weight is missing or of another shape.
    """
    from open_clip.factory import load_state_dict

    network.load_state_dict(_renamed(load_state_dict(str(path))))
    # open_clip masks tokens with this id.
    network.text.config.pad_token_id = _NOT_A_TOKEN


def _renamed(published: Mapping[str, Any]) -> dict[str, Any]:
    """Weights by open_clip's names; others are of training, of the pooler, or of old BERTs."""
    made = {
        "text.proj.weight" if name == "text_projection" else name: weight
        for name, weight in published.items()
        if name in ("logit_scale", "text_projection") or name.startswith("visual.")
    }
    if "text.proj.weight" in made:
        made["text.proj.weight"] = made["text.proj.weight"].T
    bert, spare = "text_encoder.", ("pooler.", "embeddings.position_ids")
    for name, weight in published.items():
        own = name.removeprefix(bert)
        if own != name and not own.startswith(spare):
            made[f"text.transformer.{own}"] = weight
    return made


def _read(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise EncoderUnavailableError(
            f"{path}: cannot be read ({str(error).splitlines()[0]}); copy or download it again"
        ) from error
    return config if isinstance(config, Mapping) else {}
