"""On what figures were measured: hardware, threads, versions, and how busy it was."""

from __future__ import annotations

import datetime
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import faiss

_PACKAGES = ("medclip-search", "faiss-cpu", "tantivy", "numpy")


def machine(*packages: str) -> str:
    """Two lines; ``packages`` are named with their versions beside those always named."""
    processor = re.search(r"model name\s*: (.+)", _read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s+(\d+)", _read("/proc/meminfo"))
    size = f"{int(memory[1]) / 1024**2:.0f} GB" if memory else "memory unknown"
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    versions = ", ".join(f"{name} {_version(name)}" for name in (*_PACKAGES, *packages))
    known = Path("/proc/driver/nvidia/gpus").glob("*/information")
    models = [re.search(r"Model:\s*(.+)", _read(str(one))) for one in known]
    gpus = "".join(f"{model[1]}, " for model in models if model)
    return (
        f"{processor[1] if processor else platform.machine()}, {os.cpu_count()} cores, {size}, "
        f"{gpus}{platform.system()} {platform.release()}, load {busy}, {datetime.date.today()}\n"
        f"Python {platform.python_version()}, {versions}; FAISS on "
        f"{faiss.omp_get_max_threads()} threads where it builds, 1 where it searches"
    )


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
