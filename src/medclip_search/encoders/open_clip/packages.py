"""The packages that run models of open_clip, which the core of the program does without."""

from __future__ import annotations

import importlib.util

from medclip_search.errors import EncoderUnavailableError

INSTALL = "pip install 'medclip-search[biomedclip]'"
_FOR_TORCH = ("torch", "open_clip", "transformers", "huggingface_hub")


def missing_package() -> str | None:
    """The first package for PyTorch that is not installed; none of them is imported."""
    return next((name for name in _FOR_TORCH if importlib.util.find_spec(name) is None), None)


def require_packages(label: str) -> None:
    """Raises ``EncoderUnavailableError`` where PyTorch or open_clip is absent."""
    if (package := missing_package()) is not None:
        raise EncoderUnavailableError(
            f"{label}: {package} is not installed; {INSTALL}, or give --model with a folder that "
            "'medclip-search encoder export' wrote"
        )
