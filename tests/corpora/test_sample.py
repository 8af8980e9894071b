"""The pictures of the demo: all there, all different, and nobody's name among them."""

from __future__ import annotations

import re
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medclip_search.cases import Case
from medclip_search.corpora import sample
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.sample import SampleCorpus
from medclip_search.errors import CorpusError
from medclip_search.images import count_frames, dicom_facts, read_image

SPEC = CorpusSpec(kind="sample", path=None, name="sample")
REGIONS = {
    "head", "neck", "spine", "thorax", "breast", "heart", "abdomen", "pelvis", "upper limb",
    "lower limb", "whole body", "teeth", "eye", None,
}  # fmt: skip


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    entries = list(SampleCorpus(SPEC))
    assert not [entry for entry in entries if isinstance(entry, Skipped)]
    return [entry for entry in entries if isinstance(entry, Case)]


def test_two_dozen_cases_with_captions_of_their_own(cases: list[Case]) -> None:
    assert len(cases) == SampleCorpus(SPEC).count() == 26
    assert len({case.id for case in cases}) == len(cases)
    assert len({case.caption for case in cases}) == len(cases)
    assert all(len(case.caption.split()) >= 10 for case in cases)
    assert all(re.fullmatch(r"sample-[a-z-]+-\d", case.id) for case in cases)
    assert {case.modality for case in cases} == {"CT", "MR", "XR", "US", "NM"}
    assert {case.region for case in cases} <= REGIONS
    assert {case.licence_class for case in cases} == {"commercial", "noncommercial"}
    assert list(SampleCorpus(SPEC)) == cases


def test_every_picture_decodes_and_lies_below_the_root(cases: list[Case]) -> None:
    root = SampleCorpus(SPEC).root
    for case in cases:
        assert case.image is not None
        assert case.image.path.is_relative_to(root)
        picture = np.asarray(read_image(case.image.path, frame=case.image.frame).convert("L"))
        assert min(picture.shape) >= 64
        assert picture.std() > 10
        frames = count_frames(case.image.path)
        assert (case.image.frame is None) == (frames == 1)


def test_values_said_to_come_from_the_header_do(cases: list[Case]) -> None:
    for case in cases:
        assert case.image is not None
        facts = dicom_facts(case.image.path)
        assert facts is not None
        assert facts.modality == case.modality
        assert ("region" in case.origins) == (case.region is not None)
        if case.origins.get("region") == "dicom":
            assert facts.region == case.region


def test_no_two_pictures_are_the_same(cases: list[Case]) -> None:
    small = []
    for case in cases:
        assert case.image is not None
        picture = read_image(case.image.path, frame=case.image.frame).convert("L").resize((32, 32))
        values = np.asarray(picture, np.float64)
        small.append((case, (values - values.mean()) / values.std()))
    for (one, first), (other, second) in combinations(small, 2):
        likeness = float((first * second).mean())  # correlation
        same_clip = one.metadata["file"] == other.metadata["file"]
        assert likeness < (0.97 if same_clip else 0.75), (one.id, other.id)


def test_nothing_that_identifies_a_person_is_in_a_case(cases: list[Case]) -> None:
    for case in cases:
        assert case.image is not None
        header = pydicom.dcmread(case.image.path, stop_before_pixels=True)
        told = asdict(case)
        told["image"] = case.image.path.name
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "InstitutionName"):
            value = str(header.get(keyword, ""))
            if value:
                assert not re.search(rf"(?<!\w){re.escape(value)}(?!\w)", str(told)), keyword


def test_missing_files_are_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = next(iter(SampleCorpus(SPEC)))
    assert isinstance(kept, Case)
    assert kept.image is not None
    (tmp_path / kept.image.path.name).write_bytes(kept.image.path.read_bytes())
    monkeypatch.setattr(sample, "_installed_folders", lambda: iter([tmp_path]))
    entries = list(SampleCorpus(SPEC))
    assert [entry.id for entry in entries if isinstance(entry, Case)] == [kept.id]
    skipped = [entry for entry in entries if isinstance(entry, Skipped)]
    assert len(skipped) == 25
    assert len({entry.reason for entry in skipped}) == 1
    (tmp_path / kept.image.path.name).unlink()
    with pytest.raises(CorpusError, match="pip install"):
        SampleCorpus(SPEC)
