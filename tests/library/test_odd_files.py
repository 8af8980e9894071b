"""A build ends whatever lies in a corpus, and takes nothing unread for vanished."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from medclip_search import Library, Query, encoders
from medclip_search.cases import Case, ImageSource
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.describe import describe
from medclip_search.library.build import build
from medclip_search.library.embed import begin_spaces, embed
from medclip_search.library.writer import writing
from medclip_search.progress import SILENT
from tests.corpora.apart import unprivileged
from tests.figures import caption, draw, write_folder


def run_build(library: Path, *words: str) -> str:
    """``medclip-search build`` in a process for which permissions count; what it told."""
    command = [*unprivileged(), sys.executable, "-m", "medclip_search", "build", str(library)]
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "unexpected" not in done.stderr
    return done.stderr + done.stdout


def count(library: Path) -> int:
    with Library.open(library) as opened:
        return len(opened)


def put(library: Path, cases: Sequence[Case], stat: str | None = None) -> tuple[int, list[Skipped]]:
    """Put cases into a library as a build does; how many were embedded, and what was skipped."""
    encoder = encoders.load("compact")
    skipped: list[Skipped] = []
    with writing(library, create=True) as writer:
        catalogue = writer.catalogue
        catalogue.set_fact("encoder", encoder.name)
        begin_spaces(writer, encoder)
        root = str(library.parent)
        source = catalogue.put_source("clips", json.dumps({"kind": "folder", "path": root}), root)
        seen = catalogue.begin_build()
        for case in cases:
            assert case.image is not None
            found = case.image.path.stat()
            mark = stat or f"{found.st_size}:{found.st_mtime_ns}"
            catalogue.put_case(source, root, describe(case), mark, seen)
        embedded = embed(writer, encoder, skipped.append, SILENT)
        writer.publish()
    return embedded, skipped


# ------------------------------------------------------------------------ odd files


@pytest.mark.skipif(os.name != "posix", reason="POSIX files")
def test_a_build_ends_whatever_lies_in_the_folder(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(3))
    (figures / "zz-link.png").symlink_to("gone.png")
    os.mkfifo(figures / "zz-pipe.png")
    (figures / "zz-huge.png").touch()
    os.truncate(figures / "zz-huge.png", 400 * 2**30)  # a hole: it takes no space
    told = run_build(tmp_path / "library", "--corpus", f"folder={figures}")
    assert count(tmp_path / "library") == 3
    for name in ("zz-link.png", "zz-pipe.png", "zz-huge.png"):
        assert f"{name}: " in told
    assert "larger than 2 GiB" in told


@pytest.mark.skipif(os.name != "posix", reason="POSIX files")
def test_a_pipe_in_the_place_of_an_image_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "a.png"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)  # whoever reads the pipe waits until this is closed
    closing = threading.Timer(5, os.close, [writer])
    closing.start()
    try:
        embedded, skipped = put(
            tmp_path / "library", [Case("a", "clips", "A mass.", ImageSource(pipe))]
        )
        assert closing.is_alive(), "it was waited for"
    finally:
        closing.cancel()
        closing.join()
    assert embedded == 0
    assert [one.reason for one in skipped] == ["is not a regular file"]
    assert skipped[0].remedy


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts address space")
def test_an_image_that_does_not_fit_into_memory_costs_only_itself(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(3))
    (figures / "zz.png").touch()
    os.truncate(figures / "zz.png", 2 * 2**30 - 1)
    script = """
import resource, sys
from pathlib import Path
from medclip_search import encoders
from medclip_search.corpora import parse_corpora
from medclip_search.library.build import build
encoders.load("compact")
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 1800 * 2**20, resource.RLIM_INFINITY))
build(Path(sys.argv[1]), parse_corpora([f"folder={sys.argv[2]}"]), report=print)
"""
    words = [sys.executable, "-c", script, str(tmp_path / "library"), str(figures)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "zz.png: the image does not fit into memory" in done.stdout
    assert count(tmp_path / "library") == 3


# ---------------------------------------------------------------------------- prune


def test_prune_spares_what_lies_in_a_closed_folder(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(2))
    closed = write_folder(figures / "closed", range(2, 5))
    library = tmp_path / "library"
    run_build(library, "--corpus", f"folder={figures}")
    closed.chmod(0)
    try:
        told = run_build(library, "--prune")
    finally:
        closed.chmod(0o700)
    assert count(library) == 5
    assert "closed: no permission" in told
    (figures / "fig-000.png").unlink()
    run_build(library, "--prune")
    assert count(library) == 4


def test_prune_spares_what_a_table_cut_short_has_lost(tmp_path: Path) -> None:
    write_folder(tmp_path, range(2))
    rows = "id,image,caption\n" + "".join(
        f'{n},{"fig-000.png" if n == 0 else ""},"{caption(n)}"\n' for n in range(400)
    )
    table, library = tmp_path / "t.csv.gz", tmp_path / "library"
    whole = gzip.compress(rows.encode())
    table.write_bytes(whole)
    build(library, [CorpusSpec("table", table, "table")])
    table.write_bytes(whole[: len(whole) // 2])
    summary = build(library, prune=True)
    assert (summary.pruned, summary.cases) == (0, 400)
    table.write_bytes(gzip.compress(rows[: rows.index("\n300,") + 1].encode()))
    summary = build(library, prune=True)
    assert (summary.pruned, summary.cases) == (100, 300)


# --------------------------------------------------------------------------- frames


def write_clip(path: Path, frames: Sequence[Image.Image]) -> Path:
    """The pictures as one file: DICOM, or what Pillow writes of several."""
    if path.suffix != ".dcm":
        frames[0].save(path, save_all=True, append_images=frames[1:])
        return path
    pixels = np.stack([np.asarray(frame) for frame in frames])
    clip = Dataset()
    clip.file_meta = FileMetaDataset()
    clip.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    clip.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    clip.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    clip.NumberOfFrames, clip.Rows, clip.Columns = pixels.shape
    clip.SamplesPerPixel, clip.PixelRepresentation = 1, 0
    clip.PhotometricInterpretation = "MONOCHROME2"
    clip.BitsAllocated, clip.BitsStored, clip.HighBit = 8, 8, 7
    clip.add_new("PixelData", "OB", pixels.tobytes())
    clip.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".dcm"])
def test_frames_of_one_file_are_cases_of_their_own(tmp_path: Path, suffix: str) -> None:
    clip = write_clip(tmp_path / f"clip{suffix}", [draw(seed) for seed in range(3)])
    library = tmp_path / "library"
    cases = [Case(f"frame-{n}", "clips", "A clip.", ImageSource(clip, n)) for n in range(3)]
    assert put(library, cases) == (3, [])
    with Library.open(library) as opened:
        for n in range(3):
            best = opened.search(Query(image=draw(n)), k=1)[0]
            assert best.id == f"frame-{n}"
            assert best.lists[0].score == pytest.approx(1.0, abs=2e-3)
    assert put(library, cases, stat="touched") == (0, [])


def is_shown(library: Path, picture: Image.Image) -> bool:
    """Whether the case ``a`` is found by its very picture."""
    with Library.open(library) as opened:
        best = opened.search(Query(image=picture), k=1)[0]
        return best.id == "a" and best.lists[0].score > 0.998


def others(folder: Path) -> list[Case]:
    """Cases beside the one that is looked at."""
    write_folder(folder, range(10, 14))
    paths = sorted(folder.glob("*.png"))
    return [Case(path.stem, "clips", "Another.", ImageSource(path)) for path in paths]


@pytest.mark.parametrize("stat", [None, "touched"])
def test_a_case_that_shows_another_frame_is_embedded_again(
    tmp_path: Path, stat: str | None
) -> None:
    """Also where the file is the same, and was not touched."""
    clip = write_clip(tmp_path / "clip.tif", [draw(0), draw(1)])
    library, rest = tmp_path / "library", others(tmp_path / "others")
    put(library, [*rest, Case("a", "clips", "A clip.", ImageSource(clip, 0))])
    assert is_shown(library, draw(0))
    assert put(library, [Case("a", "clips", "A clip.", ImageSource(clip, 1))], stat) == (1, [])
    assert is_shown(library, draw(1))
    assert not is_shown(library, draw(0))


def test_a_case_that_shows_another_file_of_the_same_size_and_time_is_embedded_again(
    tmp_path: Path,
) -> None:
    """Slices of a series are of one size, and a copy gives all of them one time."""
    library, rest = tmp_path / "library", others(tmp_path / "others")
    files = [write_clip(tmp_path / f"{n}.dcm", [draw(n)]) for n in range(2)]
    for file in files:
        os.utime(file, (1, 1))
    assert files[0].stat().st_size == files[1].stat().st_size
    put(library, [*rest, Case("a", "clips", "A slice.", ImageSource(files[0]))])
    assert put(library, [Case("a", "clips", "A slice.", ImageSource(files[1]))]) == (1, [])
    assert is_shown(library, draw(1))
