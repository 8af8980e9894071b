"""ONNX Runtime as this program uses it: quiet, without telemetry, on the GPU where there is one."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from medclip_search.errors import EncoderError, EncoderUnavailableError

_MOST_THREADS = 8
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


def require_onnxruntime(encoder: str) -> None:
    """Raises ``EncoderUnavailableError`` where ONNX Runtime is absent; does not import it."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise EncoderUnavailableError(
            f"encoder {encoder}: ONNX Runtime is not installed; pip install onnxruntime"
        )


def import_onnxruntime() -> Any:
    """The package, without telemetry. Nothing of it may be imported before this was called."""
    # ONNX Runtime would report its use, with an id of this machine, to its makers. Only the
    # variable, set before the import, keeps it from writing that id to the user's folder.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # not at the top: it takes time to import, and few commands need it

    return onnxruntime


def open_session(weights: Path, encoder: str) -> Any:
    """An ``InferenceSession`` of a file, on CUDA where ONNX Runtime offers it, else on the CPU.

    Raises ``EncoderError``, naming the encoder, where ONNX Runtime cannot load the file.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(_MOST_THREADS, _cores())
    # Threads that wait by spinning take the cores from those that decode: half the speed.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    offered = onnxruntime.get_available_providers()
    try:
        return onnxruntime.InferenceSession(
            str(weights),
            sess_options=options,
            providers=[name for name in _PROVIDERS if name in offered],
        )
    except Exception as error:  # ONNX Runtime's own exceptions have no common root
        reason = str(error).splitlines()[0]
        raise EncoderError(
            f"encoder {encoder}: ONNX Runtime cannot load {weights.name} ({reason}); "
            "pip install --upgrade onnxruntime"
        ) from error


def is_on_gpu(session: Any) -> bool:
    """Whether a session runs on CUDA."""
    return bool(session.get_providers()[0] == _PROVIDERS[0])


def offers_gpu() -> bool:
    """Whether the ONNX Runtime that is installed can run on CUDA."""
    return _PROVIDERS[0] in import_onnxruntime().get_available_providers()


def _cores() -> int:
    """The cores this process may use (fewer than the machine's on a shared one)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
