"""An exported model is the model: whole, checked, and free of what it was exported with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medclip_search.encoders import onnx_writing
from medclip_search.encoders.base import EncoderSpec, Floats
from medclip_search.encoders.onnx_session import import_onnxruntime
from medclip_search.encoders.open_clip import agreement as measure
from medclip_search.encoders.open_clip.agreement import agreement, pictures
from medclip_search.encoders.open_clip.exported import PAGE, ExportedFile, read_exported
from medclip_search.encoders.open_clip.onnx_runtime import OnnxNetwork
from medclip_search.errors import EncoderError, EncoderUnavailableError, UsageError
from medclip_search.progress import Advance
from tests.figures import draw

pytest.importorskip("onnx")
pytest.importorskip("torch")

from medclip_search.encoders.open_clip.export import ExportReport, export

TEXTS = ["CT of the liver", "", "coronal MRI of the knee " * 60, "Ménière’s &amp; µm"]


@pytest.fixture(scope="module")
def report(tiny_biomedclip: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    folder = tmp_path_factory.mktemp("exports") / "biomedclip"
    return export(EncoderSpec("biomedclip", str(tiny_biomedclip)), folder, int8=True)


@pytest.fixture(scope="module")
def plain(tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    folder = tmp_path_factory.mktemp("exports") / "clip"
    return export(EncoderSpec("open_clip", str(tiny_clip)), folder)


@pytest.fixture
def copied(report: ExportReport, tmp_path: Path) -> Path:
    return shutil.copytree(report.folder, tmp_path / "copied")


def files(folder: Path) -> dict[str, ExportedFile]:
    return {path.name: ExportedFile.of(path) for path in folder.iterdir()}


def beside(folder: Path) -> set[str]:
    """What lies where it is, besides the lock, which stays."""
    return {path.name for path in folder.parent.iterdir()} - {f".{folder.name}.lock"}


def cosines(found: Floats, expected: Floats) -> Floats:
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    made: Floats = (found * expected).sum(axis=1) / lengths
    return made


@pytest.mark.parametrize("which", ["report", "plain"])
def test_vectors_are_open_clips(which: str, request: pytest.FixtureRequest) -> None:
    """Both kinds of towers; pictures and texts that the export did not try itself."""
    made: ExportReport = request.getfixturevalue(which)
    source = request.getfixturevalue({"report": "tiny_biomedclip", "plain": "tiny_clip"}[which])
    import open_clip
    import torch

    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{source}")
    images = [draw(seed, 200 + 30 * seed) for seed in range(5)]
    with torch.inference_mode():
        pixels = torch.stack([preprocess(one) for one in images])
        expected = {"joint": model.eval().encode_image(pixels).numpy()}
        if which == "report":
            expected["trunk"] = model.visual.trunk(pixels).numpy()
        words = model.encode_text(open_clip.get_tokenizer(f"local-dir:{source}")(TEXTS)).numpy()

    network = OnnxNetwork(made.folder)
    batch = np.stack([made.description.preprocessing(one) for one in images])
    np.testing.assert_array_equal(batch, pixels.numpy())
    found = network.images(batch, tuple(network.dimensions))
    assert found.keys() == expected.keys()
    for layer, vectors in found.items():
        assert vectors.dtype == np.float32
        assert cosines(vectors, expected[layer]).min() > 0.99999
    assert cosines(network.words(network.tokens(TEXTS)), words).min() > 0.99999


def test_layers_are_those_asked_for_and_batches_do_not_matter(report: ExportReport) -> None:
    network = OnnxNetwork(report.folder)
    assert (network.dimensions, network.device) == ({"joint": 64, "trunk": 192}, "cpu")
    batch = np.random.default_rng(1).normal(size=(20, 3, 224, 224)).astype(np.float32)
    both = network.images(batch, ("trunk", "joint"))
    alone = network.images(batch[7:8], ("joint",))
    assert list(alone) == ["joint"]
    np.testing.assert_array_equal(alone["joint"][0], both["joint"][7])
    assert network.images(batch[:0], ("trunk",))["trunk"].shape == (0, 192)
    tokens = network.tokens(TEXTS)
    np.testing.assert_array_equal(network.words(tokens[1:2])[0], network.words(tokens)[1])
    assert network.words(tokens[:0]).shape == (0, 64)


def test_int8_agrees_as_reported(report: ExportReport) -> None:
    small, full = OnnxNetwork(report.folder, int8=True), OnnxNetwork(report.folder)
    batch = np.stack([report.description.preprocessing(one) for one in pictures()])
    found, expected = (one.images(batch, ("joint",))["joint"] for one in (small, full))
    assert 0.98 < cosines(found, expected).min() < 0.999999
    assert report.description.int8 is not None
    assert report.lines()[1:] == [
        f"float32: cosine to PyTorch at least {report.description.float32.minimum:.6f}",
        f"int8: cosine to PyTorch at least {report.description.int8.minimum:.4f}, "
        f"{report.description.int8.mean:.4f} on average",
    ]
    small_file, full_file = (report.folder / name for name in ("image.int8.onnx", "image.onnx"))
    assert small_file.stat().st_size < full_file.stat().st_size / 3


def test_poor_agreement_is_told(report: ExportReport) -> None:
    vectors = {"joint": np.eye(3, 5, dtype=np.float32)}
    turned = {"joint": vectors["joint"] + np.array([[0.5], [0], [0]], dtype=np.float32)}
    found = agreement(turned, vectors)
    assert found.minimum == pytest.approx(1.5 / np.sqrt(1.5**2 + 4 * 0.25))
    assert found.mean == pytest.approx((found.minimum + 2) / 3)
    assert agreement({"joint": vectors["joint"] * np.nan}, vectors).minimum == -1
    poor = replace(report.description, int8=found)
    assert replace(report, description=poor).lines()[-1].startswith("warning: the 8-bit networks")


def test_the_folder_says_what_it_is(report: ExportReport) -> None:
    page = json.loads((report.folder / PAGE).read_text(encoding="utf-8"))
    assert page["name"] == "biomedclip"
    assert page["programs"].keys() >= {"torch", "open_clip_torch", "onnxruntime"}
    assert set(page["files"]) == {path.name for path in report.folder.iterdir()} - {PAGE}
    assert "/" not in json.dumps([page["model"], page["name"]])  # of this machine
    assert read_exported(report.folder).description == report.description
    assert [one.name for one in report.description.spaces] == ["biomedclip", "biomedclip-trunk"]


def test_again_changes_nothing(report: ExportReport, tiny_biomedclip: Path, copied: Path) -> None:
    spec = EncoderSpec("biomedclip", str(tiny_biomedclip))
    before = {path: path.stat().st_mtime_ns for path in copied.iterdir()}
    again = export(spec, copied)
    assert (again.made, again.description) == (False, report.description)
    assert before == {path: path.stat().st_mtime_ns for path in copied.iterdir()}


def test_a_damaged_export_is_made_anew(
    report: ExportReport, tiny_biomedclip: Path, copied: Path
) -> None:
    _flip(copied / "words.onnx")
    stages = []

    @contextmanager
    def progress(stage: str, total: int | None, unit: str) -> Iterator[Advance]:
        done: list[int] = []
        yield done.append
        stages.append((stage, total, sum(done)))

    again = export(
        EncoderSpec("biomedclip", str(tiny_biomedclip)), copied, int8=True, progress=progress
    )
    assert again.made
    assert stages == [("exporting", 6, 6)]
    assert files(copied)["words.onnx"] == files(report.folder)["words.onnx"]
    assert beside(copied) == {copied.name}


def test_nothing_else_is_overwritten(tiny_clip: Path, copied: Path, tmp_path: Path) -> None:
    before = files(copied)
    with pytest.raises(UsageError, match="holds another exported model; choose another folder"):
        export(EncoderSpec("open_clip", str(tiny_clip)), copied)
    assert files(copied) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="is there and is not an exported model"):
        export(EncoderSpec("open_clip", str(tiny_clip)), tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_what_does_not_agree_is_not_kept(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medclip_search.encoders.open_clip.export.LEAST_FLOAT32", 1.1)
    with pytest.raises(EncoderError, match=r"cosine to PyTorch is only 1\.0.*nothing was kept"):
        export(EncoderSpec("open_clip", str(tiny_clip)), tmp_path / "out" / "model")
    assert beside(tmp_path / "out" / "model") == set()


@pytest.mark.parametrize("name", ["image.onnx", "words.onnx", "tokenizer.json"])
def test_a_flipped_byte_is_found(copied: Path, name: str) -> None:
    _flip(copied / name)
    network = OnnxNetwork(copied)
    with pytest.raises(
        EncoderError, match=rf"{name}: is damaged \(its SHA-256 differs\)"
    ) as raised:
        _use(network)
    assert "\n" not in str(raised.value)


def test_short_and_missing_files_are_found_at_once(copied: Path) -> None:
    with (copied / "image.onnx").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(EncoderError, match=r"image\.onnx: is damaged \(it has 1000 bytes"):
        OnnxNetwork(copied)
    (copied / "image.onnx").unlink()
    with pytest.raises(EncoderError, match=r"image\.onnx: is damaged \(it is missing\)"):
        OnnxNetwork(copied)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"format": 2}', "exported by a newer medclip-search; upgrade"),
        ('{"format": 1}', "cannot be read"),
    ],
)
def test_a_page_that_cannot_be_read_is_one_line(copied: Path, text: str, said: str) -> None:
    (copied / PAGE).write_text(text, encoding="utf-8")
    with pytest.raises(EncoderError, match=said) as raised:
        OnnxNetwork(copied)
    assert "\n" not in str(raised.value)


def test_what_is_not_there_is_unavailable(plain: ExportReport, tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailableError, match=f"has no {PAGE}; medclip-search encoder"):
        OnnxNetwork(tmp_path)
    with pytest.raises(EncoderUnavailableError, match=r"has no image\.int8\.onnx; .* --int8$"):
        OnnxNetwork(plain.folder, int8=True)


def test_weights_beside_their_network(plain: ExportReport, tmp_path: Path) -> None:
    """As the exporter leaves those of more than 2 GB: many files, gathered into one."""
    import onnx

    (tmp_path / "raw").mkdir()
    scattered, gathered = tmp_path / "raw" / "image.onnx", tmp_path / "image.onnx"
    onnx.save_model(
        onnx.load(str(plain.folder / "image.onnx")),
        str(scattered),
        save_as_external_data=True,
        all_tensors_to_one_file=False,
        size_threshold=0,
    )
    assert len(list(scattered.parent.iterdir())) > 10
    onnx_writing.gather(scattered, gathered)
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "image.onnx", "image.onnx.data"}
    shutil.rmtree(scattered.parent)
    batch = np.random.default_rng(2).normal(size=(2, 3, 64, 64)).astype(np.float32)
    session = import_onnxruntime().InferenceSession(str(gathered))
    expected = OnnxNetwork(plain.folder).images(batch, ("joint",))["joint"]
    np.testing.assert_allclose(session.run(["joint"], {"pixels": batch})[0], expected, atol=1e-5)


def test_probes_reach_every_length(report: ExportReport) -> None:
    lengths = (OnnxNetwork(report.folder).tokens(measure.TEXTS) != 0).sum(axis=1)
    assert lengths.min() == 2
    assert lengths.max() == 256
    assert len(set(lengths)) >= 6


ALONE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "transformers", "open_clip", "timm",
                                      "onnx", "huggingface_hub", "safetensors", "regex"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from pathlib import Path
import numpy as np
from PIL import Image
from medclip_search.encoders.open_clip.exported import read_exported
from medclip_search.encoders.open_clip.onnx_runtime import OnnxNetwork

folder = Path(sys.argv[1])
network = OnnxNetwork(folder, int8=sys.argv[2] == "int8")
picture = Image.effect_mandelbrot((300, 200), (-2, -1.5, 1, 1.5), 50)
pixels = read_exported(folder).description.preprocessing(picture)[None]
images = network.images(pixels, tuple(network.dimensions))
words = network.words(network.tokens(["CT of the liver"]))
np.savez(sys.argv[3], pixels=pixels, words=words, **images)
"""


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_it_runs_alone(report: ExportReport, tmp_path: Path, kind: str) -> None:
    """Where neither PyTorch nor torchvision, transformers or open_clip can be imported."""
    made = tmp_path / "made.npz"
    command = [sys.executable, "-c", ALONE, str(report.folder), kind, str(made)]
    subprocess.run(command, check=True)
    found = np.load(made)
    network = OnnxNetwork(report.folder, int8=kind == "int8")
    expected = network.images(found["pixels"], ("joint", "trunk"))
    np.testing.assert_allclose(found["joint"], expected["joint"], atol=1e-5)
    np.testing.assert_allclose(found["trunk"], expected["trunk"], atol=1e-5)
    assert found["words"].shape == (1, 64)
    assert np.isfinite(found["words"]).all()


@pytest.mark.parametrize("package", ["ftfy", "tokenizers", "onnxruntime"])
def test_what_is_not_installed_is_one_line(report: ExportReport, package: str) -> None:
    code = (
        "import sys; sys.modules[sys.argv[2]] = None\n"
        "from pathlib import Path\n"
        "from medclip_search.encoders.open_clip.onnx_runtime import OnnxNetwork\n"
        "from medclip_search.errors import EncoderUnavailableError\n"
        "try:\n"
        "    OnnxNetwork(Path(sys.argv[1])).tokens(['CT'])\n"
        "except EncoderUnavailableError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(report.folder), package]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{package} is not installed; pip install" in done.stdout.replace(
        "ONNX Runtime", package
    )
    assert len(done.stdout.splitlines()) == 1


def _use(network: OnnxNetwork) -> None:
    network.images(np.zeros((1, 3, 224, 224), dtype=np.float32), ("joint",))
    network.words(network.tokens(["CT"]))


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
