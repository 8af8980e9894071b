"""A library in the joint space of a BiomedCLIP: tiny, with random weights, loaded as the real one.

The oracle is open_clip itself: its own model, its own preprocessing, its own tokens.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medclip_search import Library, Query, build
from medclip_search.api import export_encoder
from medclip_search.encoders import EncoderSpec, load
from medclip_search.encoders.base import Floats
from medclip_search.encoders.open_clip.encoder import OpenClipEncoder
from medclip_search.errors import EncoderError, EncoderUnavailableError, UsageError
from medclip_search.images import read_image
from medclip_search.library.catalogue import Catalogue, SpaceRecord
from medclip_search.library.layout import read_current
from medclip_search.library.verify import verify
from tests.encoders.tiny_clip import make_tiny_biomedclip
from tests.figures import caption, draw, write_folder

WORDS = "mammography breast mass calcification"
"""Words that are in no caption: captions alone cannot answer them."""

FIGURES = 24
CAPTIONS = 18

Scores = dict[str, float]


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dozen figures; every fourth has no caption."""
    folder = write_folder(tmp_path_factory.mktemp("corpus") / "figures", range(FIGURES))
    for seed in range(0, FIGURES, 4):
        (folder / f"fig-{seed:03d}.txt").unlink()
    return folder


@pytest.fixture(scope="module")
def built(figures: Path, tiny_biomedclip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("joint") / "library"
    summary = build(
        path,
        [f"folder={figures}"],
        encoder="biomedclip",
        model=tiny_biomedclip,
        embed_captions=True,
    )
    assert (summary.embedded, summary.captions) == (FIGURES, CAPTIONS)
    return path


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    """A library to be changed."""
    return Path(shutil.copytree(built, tmp_path / "library"))


class OpenClip:
    """The same folder under open_clip alone."""

    def __init__(self, folder: Path) -> None:
        from medclip_search.encoders.open_clip.torchvision_ops import declare_missing_ops

        declare_missing_ops()
        import open_clip
        import torch

        place = f"local-dir:{folder}"
        self.torch = torch
        self.model, self.transform = open_clip.create_model_from_pretrained(place)
        self.model.eval()
        self.tokens = open_clip.get_tokenizer(place)

    def image(self, seed: int) -> Floats:
        with self.torch.inference_mode():
            found = self.model.encode_image(self.transform(read_image(draw(seed)))[None])
        return np.asarray(found[0], np.float32)

    def words(self, text: str) -> Floats:
        with self.torch.inference_mode():
            return np.asarray(self.model.encode_text(self.tokens([text]))[0], np.float32)


@pytest.fixture(scope="module")
def oracle(tiny_biomedclip: Path) -> OpenClip:
    return OpenClip(tiny_biomedclip)


def cosines(asked: Floats, found: Mapping[str, Floats]) -> Scores:
    return {
        name: float(asked @ row / np.linalg.norm(asked) / np.linalg.norm(row))
        for name, row in found.items()
    }


def scores_of(hits: Any, name: str) -> Scores:
    return {hit.id: e.score for hit in hits for e in hit.lists if e.name == name}


def best(scores: Scores) -> list[str]:
    return sorted(scores, key=lambda one: -scores[one])


def agree(found: Scores, expected: Scores) -> None:
    assert set(found) == set(expected)
    # Rows are kept as float16.
    np.testing.assert_allclose([found[one] for one in expected], list(expected.values()), atol=2e-3)
    assert best(found)[:3] == best(expected)[:3]


def answers(library: Path) -> list[list[tuple[str, float]]]:
    asked = [Query(text=WORDS), Query(image=draw(7)), Query(text="chest cyst", image=draw(9))]
    with Library.open(library) as opened:
        return [[(hit.id, hit.score) for hit in opened.search(one, FIGURES)] for one in asked]


def test_words_that_no_caption_holds_find_pictures(built: Path, oracle: OpenClip) -> None:
    with Library.open(built) as opened:
        hits = opened.search(Query(text=WORDS), k=FIGURES)
        nothing_else = opened.search(Query(text=WORDS, where="has_caption=no"), k=FIGURES)
    assert scores_of(hits, "words") == {}
    expected = cosines(
        oracle.words(WORDS), {f"fig-{seed:03d}": oracle.image(seed) for seed in range(FIGURES)}
    )
    agree(scores_of(hits, "words:biomedclip"), expected)
    # Without a caption there is nothing but the picture to answer by.
    silent = {f"fig-{seed:03d}" for seed in range(0, FIGURES, 4)}
    assert [hit.id for hit in nothing_else] == [one for one in best(expected) if one in silent]
    assert nothing_else[0].why == "1st by what the words mean"


def test_words_find_captions_by_what_they_mean(built: Path, oracle: OpenClip) -> None:
    with Library.open(built) as opened:
        hits = opened.search(Query(text=WORDS), k=FIGURES)
    captions = {f"fig-{s:03d}": oracle.words(caption(s)) for s in range(FIGURES) if s % 4}
    found = scores_of(hits, "words-to-captions:biomedclip-captions")
    agree(found, cosines(oracle.words(WORDS), captions))


def test_an_image_finds_itself_in_both_spaces(built: Path, oracle: OpenClip) -> None:
    with Library.open(built) as opened:
        hits = opened.search(Query(image=draw(12)), k=FIGURES)
    assert hits[0].id == "fig-012"
    named = {e.name: e.rank for e in hits[0].lists}
    assert named["image:biomedclip"] == named["image:biomedclip-trunk"] == 1
    expected = cosines(oracle.image(12), {f"fig-{s:03d}": oracle.image(s) for s in range(FIGURES)})
    agree(scores_of(hits, "image:biomedclip"), expected)


def test_an_image_finds_captions_by_what_they_mean(built: Path, oracle: OpenClip) -> None:
    with Library.open(built) as opened:
        hits = opened.search(Query(image=draw(12)), k=FIGURES)
    captions = {f"fig-{s:03d}": oracle.words(caption(s)) for s in range(FIGURES) if s % 4}
    found = scores_of(hits, "image-to-captions:biomedclip-captions")
    agree(found, cosines(oracle.image(12), captions))


def test_a_composed_query_hears_every_part(built: Path) -> None:
    asked = Query(text=caption(5), image=draw(5), not_image=draw(6), where="has_caption=yes")
    with Library.open(built) as opened:
        hits = opened.search(asked, k=FIGURES)
        vector = load_tiny(opened).encode_images(load_tiny(opened).preprocess(draw(5))[None])
        by_vector = opened.search(Query(vector=vector["biomedclip"], space="biomedclip"), k=5)
    assert hits[0].id == "fig-005"
    assert "fig-006" not in [hit.id for hit in hits[:5]]
    assert {e.name for hit in hits for e in hit.lists} == {
        "words",
        "words:biomedclip",
        "words-to-captions:biomedclip-captions",
        "image:biomedclip",
        "image:biomedclip-trunk",
        "image-to-captions:biomedclip-captions",
        "not-image:biomedclip",
        "not-image:biomedclip-trunk",
    }
    assert by_vector[0].id == "fig-005"


def load_tiny(opened: Library) -> OpenClipEncoder:
    encoder = load(EncoderSpec("biomedclip", opened.info()["model"]))
    assert isinstance(encoder, OpenClipEncoder)
    return encoder


def test_another_process_gives_the_same_answers(built: Path) -> None:
    script = (
        "import sys; from medclip_search import Library, Query\n"
        "with Library.open(sys.argv[1]) as library:\n"
        "    for hit in library.search(Query(text=sys.argv[2]), 24): print(hit.id, hit.score)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, built, WORDS], capture_output=True, text=True, check=True
    )
    here = answers(built)[0]
    assert [line.split()[0] for line in found.stdout.splitlines()] == [name for name, _ in here]


def test_a_build_with_the_library_alone_goes_on_with_its_model(
    figures: Path, tiny_biomedclip: Path, tmp_path: Path
) -> None:
    corpus = Path(shutil.copytree(figures, tmp_path / "figures"))
    library = tmp_path / "library"
    build(library, [f"folder={corpus}"], encoder="biomedclip", model=tiny_biomedclip,
          spaces=["biomedclip"], limit=10)  # fmt: skip
    assert [space.space.name for space in spaces_of(library)] == ["biomedclip"]
    summary = build(library, limit=0)
    assert summary.embedded == FIGURES - 10
    assert not build(library).published
    # A space more: only that one is filled, and what was there is not written again.
    summary = build(library, spaces=["biomedclip-trunk"], embed_captions=True)
    assert (summary.embedded, summary.captions) == (FIGURES, CAPTIONS)
    assert {one.space.name: one.rows for one in spaces_of(library)} == {
        "biomedclip": FIGURES,
        "biomedclip-trunk": FIGURES,
        "biomedclip-captions": CAPTIONS,
    }
    # A caption that changes has a new vector, one that goes has none, and nothing else is done.
    (corpus / "fig-001.txt").write_text("CT of the pelvis", encoding="utf-8")
    (corpus / "fig-002.txt").unlink()
    summary = build(library)
    assert (summary.embedded, summary.captions) == (0, 1)
    with Library.open(library) as opened:
        live = {space["name"]: space["live"] for space in opened.info()["spaces"]}
    assert live == {
        "biomedclip": FIGURES,
        "biomedclip-trunk": FIGURES,
        "biomedclip-captions": CAPTIONS - 1,
    }
    assert not [finding for finding in verify(library) if finding.damage]


def spaces_of(library: Path) -> list[SpaceRecord]:
    catalogue = Catalogue.open_snapshot(library / read_current(library).catalogue)
    try:
        return catalogue.spaces()
    finally:
        catalogue.close()


def test_another_model_is_refused_and_a_moved_one_is_found(
    copied: Path, figures: Path, tiny_biomedclip: Path, tmp_path: Path
) -> None:
    other = make_tiny_biomedclip(tmp_path / "other", seed=1)
    with pytest.raises(EncoderError, match="made by another model"):
        build(copied, model=other)
    with pytest.raises(EncoderError, match="made by another model"):
        Library.open(copied, model=other)
    before = answers(copied)
    moved = Path(shutil.copytree(tiny_biomedclip, tmp_path / "moved"))
    with Library.open(copied, model=moved) as opened:
        assert opened.search(Query(image=draw(3)), 1)[0].id == "fig-003"
    assert not build(copied, model=other.parent / "moved").embedded
    assert answers(copied) == before
    with pytest.raises(EncoderError, match="was built with the encoder 'biomedclip'"):
        build(copied, encoder="compact")
    with pytest.raises(UsageError, match=r"--spaces joint: .*biomedclip, biomedclip-trunk"):
        build(copied, spaces=["joint"])


def test_where_the_model_is_gone_captions_answer_words_and_say_so(
    figures: Path, tiny_biomedclip: Path, tmp_path: Path
) -> None:
    gone, library = tmp_path / "nowhere", tmp_path / "library"
    shutil.copytree(tiny_biomedclip, gone)
    build(library, [f"folder={figures}"], encoder="biomedclip", model=gone, limit=6)
    shutil.rmtree(gone)
    with Library.open(library) as opened:
        hits = opened.search(Query(text="chest"), k=3)
        assert hits
        assert any("captions, not pictures" in note and "nowhere" in note for note in hits.notes)
        assert opened.search(Query(like="fig-003"), k=2)
        with pytest.raises(EncoderUnavailableError, match="nowhere"):
            opened.search(Query(image=draw(1)))


def test_a_model_that_is_named_and_is_not_there_is_an_error_at_once(
    copied: Path, tmp_path: Path
) -> None:
    with pytest.raises(EncoderUnavailableError, match="nowhere"):
        Library.open(copied, model=tmp_path / "nowhere")


def test_any_open_clip_model_keeps_its_spaces_and_refuses_others(
    figures: Path, tiny_biomedclip: Path, tmp_path: Path
) -> None:
    """Its spaces are called after the folder it was built from, wherever the model lies now."""
    mine = Path(shutil.copytree(tiny_biomedclip, tmp_path / "my-clip"))
    other = make_tiny_biomedclip(tmp_path / "other", seed=1)
    library = tmp_path / "library"
    build(library, [f"folder={figures}"], encoder="open_clip", model=mine, limit=6)
    assert [one.space.name for one in spaces_of(library)] == ["my-clip", "my-clip-trunk"]
    with Library.open(library, model=tiny_biomedclip) as opened:  # the same under another name
        assert opened.search(Query(image=draw(3)), 1)[0].id == "fig-003"
    with pytest.raises(EncoderError, match="made by another model"):
        Library.open(library, model=other)
    with pytest.raises(EncoderError, match="made by another model"):
        build(library, model=other)
    exported = export_encoder("open_clip", tiny_biomedclip, tmp_path / "exported").folder
    shutil.rmtree(mine)
    assert build(library, model=exported, limit=8).embedded == 2
    with Library.open(library) as opened:
        assert opened.search(Query(image=draw(7)), 1)[0].id == "fig-007"
    assert [one.space.name for one in spaces_of(library)] == ["my-clip", "my-clip-trunk"]


def test_calls_that_are_refused_leave_a_stopped_build_as_it_was(
    figures: Path, tiny_biomedclip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "library"
    other = make_tiny_biomedclip(tmp_path / "other", seed=1)

    def stop(self: OpenClipEncoder, batch: Floats) -> Mapping[str, Floats]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(OpenClipEncoder, "encode_images", stop)
        with pytest.raises(KeyboardInterrupt):
            build(library, [f"folder={figures}"], encoder="biomedclip", model=tiny_biomedclip,
                  spaces=["biomedclip"])  # fmt: skip
    with pytest.raises(UsageError, match="no such space"):
        build(library, spaces=["biomedclip-trnk"])
    with pytest.raises(EncoderError, match="--runtime int8: the library's vectors were made with"):
        build(library, runtime="int8")
    with pytest.raises(EncoderError):
        build(library, model=tmp_path / "nowhere")
    summary = build(library, limit=4)
    assert (summary.resumed, summary.embedded) == (True, 24)
    assert [one.space.name for one in spaces_of(library)] == ["biomedclip"]
    with pytest.raises(EncoderError, match="made by another model"):
        build(library, model=other)


def test_weights_that_failed_at_first_use_do_not_lock_the_library(
    figures: Path, tiny_biomedclip: Path, tmp_path: Path
) -> None:
    library, model = tmp_path / "library", Path(shutil.copytree(tiny_biomedclip, tmp_path / "m"))
    weights = model / "open_clip_pytorch_model.bin"
    content = weights.read_bytes()
    weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(EncoderUnavailableError, match="Git LFS pointer"):
        build(library, [f"folder={figures}"], encoder="biomedclip", model=model, limit=3)
    weights.write_bytes(content)
    assert build(library).embedded == 3
    with Library.open(library) as opened:
        assert opened.search(Query(image=draw(1)), 1)[0].id == "fig-001"


def test_eight_bit_vectors_are_a_library_of_their_own(
    figures: Path, tiny_biomedclip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    export_encoder("biomedclip", tiny_biomedclip, int8=True)
    library = tmp_path / "library"
    build(library, [f"folder={figures}"], encoder="biomedclip", model=tiny_biomedclip,
          runtime="int8", limit=6)  # fmt: skip
    assert build(library, limit=8).embedded == 2  # it is remembered
    with Library.open(library) as opened:
        assert opened.search(Query(image=draw(7)), 1)[0].id == "fig-007"
    with pytest.raises(EncoderError, match="were made with 8-bit weights"):
        build(library, runtime="torch")


def test_damage_in_any_space_is_found_and_made_again(copied: Path) -> None:
    before = answers(copied)
    for space in spaces_of(copied):
        path = copied / space.path
        data = bytearray(path.read_bytes())
        data[20] ^= 4
        path.write_bytes(data)
    assert len([finding for finding in verify(copied) if finding.damage]) == 3
    summary = build(copied, repair=True)
    assert (summary.repaired, summary.lost) == (3, 0)
    assert (summary.embedded, summary.captions) == (FIGURES, CAPTIONS)
    assert not [finding for finding in verify(copied) if finding.damage]
    assert [[n for n, _ in some] for some in answers(copied)] == [
        [n for n, _ in some] for some in before
    ]


def test_an_interrupted_embedding_goes_on_and_answers_alike(
    built: Path,
    figures: Path,
    tiny_biomedclip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = tmp_path / "library"
    images, words = OpenClipEncoder.encode_images, OpenClipEncoder.encode_words
    calls = {"images": 0, "words": 0}
    monkeypatch.setattr("medclip_search.library.embed._COMMIT", 8)
    monkeypatch.setattr("medclip_search.library.embed_captions._COMMIT", 8)

    def stop_at(part: str, call: int) -> None:
        calls[part] += 1
        if calls[part] == call:
            raise KeyboardInterrupt

    def interrupted_images(self: OpenClipEncoder, batch: Floats) -> Mapping[str, Floats]:
        stop_at("images", 2)
        return images(self, batch)

    def interrupted_words(self: OpenClipEncoder, texts: Sequence[str]) -> Mapping[str, Floats]:
        stop_at("words", 2)
        return words(self, texts)

    monkeypatch.setattr(OpenClipEncoder, "encode_images", interrupted_images)
    monkeypatch.setattr(OpenClipEncoder, "encode_words", interrupted_words)
    with pytest.raises(KeyboardInterrupt):
        build(library, [f"folder={figures}"], encoder="biomedclip", model=tiny_biomedclip,
              embed_captions=True)  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        build(library)
    summary = build(library)
    assert summary.resumed
    assert summary.embedded == 0
    assert 0 < summary.captions < CAPTIONS
    assert [[n for n, _ in some] for some in answers(library)] == [
        [n for n, _ in some] for some in answers(built)
    ]


def test_the_encoders_vectors_given_ready_made_answer_exactly_as_its_own(
    built: Path, figures: Path, tiny_biomedclip: Path, tmp_path: Path
) -> None:
    """Rows embedded elsewhere, as labs have them, in the order of a table."""
    encoder = load(EncoderSpec("biomedclip", str(tiny_biomedclip)))
    seeds = range(FIGURES)
    pixels = np.stack([encoder.preprocess(read_image(figures / f"fig-{s:03d}.png")) for s in seeds])
    size = encoder.batch_size
    parts = [encoder.encode_images(pixels[at : at + size]) for at in range(0, FIGURES, size)]
    options = []
    for space in encoder.spaces:
        np.save(tmp_path / f"{space.name}.npy", np.concatenate([p[space.name] for p in parts]))
        options.append(f"{space.name}={tmp_path / space.name}.npy")
    rows = [(s, caption(s) if s % 4 else "") for s in seeds]
    table = tmp_path / "cases.tsv"
    lines = [f"fig-{s:03d}\tfig-{s:03d}.png\t{text}" for s, text in rows]
    table.write_text("\n".join(["id\timage\tcaption", *lines]), encoding="utf-8")
    given = tmp_path / "given"
    summary = build(given, [f"table={table}"], images=[str(figures)], embeddings=options,
                    encoder="biomedclip", model=tiny_biomedclip, embed_captions=True)  # fmt: skip
    assert summary.embedded == 0
    assert answers(given) == answers(built)
