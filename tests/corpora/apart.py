"""Readers in a process of their own, without root's right to read everything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medclip_search.corpora import CorpusSpec, Skipped, spec_to_json

_READ = """
import json, sys
from dataclasses import asdict
from medclip_search.corpora import Skipped, open_corpus, spec_from_json
from medclip_search.errors import CorpusError
try:
    corpus = open_corpus(spec_from_json(json.loads(sys.argv[1])))
    corpus.count()
    for item in corpus:
        print(json.dumps(asdict(item) if isinstance(item, Skipped) else item.id))
except CorpusError as error:
    sys.exit(str(error))
"""


def unprivileged() -> list[str]:
    """What a command must begin with, so that permissions count for root too."""
    if os.name != "posix":
        pytest.skip("POSIX permissions")
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("run as root without setpriv (util-linux)")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def _run(kind: str, path: Path, images: Path | None) -> subprocess.CompletedProcess[str]:
    spec = CorpusSpec(kind, path, kind, images=images)
    words = [*unprivileged(), sys.executable, "-c", _READ, json.dumps(spec_to_json(spec))]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def read_apart(
    kind: str, path: Path, images: Path | None = None
) -> tuple[list[str], list[Skipped]]:
    """The ids of a corpus's cases and its reports; fails after a minute."""
    done = _run(kind, path, images)
    assert done.returncode == 0, done.stderr
    items = [json.loads(line) for line in done.stdout.splitlines()]
    return (
        [item for item in items if isinstance(item, str)],
        [Skipped(**item) for item in items if not isinstance(item, str)],
    )


def refused(kind: str, path: Path, images: Path | None = None) -> str:
    """The one line with which a corpus is refused."""
    done = _run(kind, path, images)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr
