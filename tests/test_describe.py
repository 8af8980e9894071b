"""What is derived of a case, from where, and how often it is right on real captions."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.cases import Case, ImageSource
from medclip_search.describe import (
    MODALITIES,
    MODALITY_CONCEPTS,
    MODALITY_WORDS,
    REGION_CONCEPTS,
    REGION_WORDS,
    REGIONS,
    as_modality,
    as_region,
    describe,
    find_article,
    find_year,
    licence_class,
    licence_name,
    words_to_modalities,
    words_to_regions,
)


@pytest.mark.parametrize(
    ("caption", "modality"),
    [
        ("Axial CT of the chest.", "CT"),
        ("Computed tomography shows a mass", "CT"),
        ("CT-angiography of the aorta", "CT"),
        ("X-ray computed tomography", "CT"),
        ("HRCT with ground-glass opacities", "CT"),
        ("T2-weighted image", "MR"),
        ("FLAIR sequence", "MR"),
        ("MR angiogram of the circle of Willis", "MR"),
        ("Magnetic resonance imaging", "MR"),
        ("gradient-echo sequence", "MR"),
        ("Chest x-ray, PA view", "XR"),
        ("CHEST X-RAY", "XR"),
        ("Panoramic radiograph", "XR"),
        ("Ultrasound of the liver", "US"),
        ("Transthoracic echocardiogram with MR jet", "US"),
        ("Endoscopic ultrasound of the pancreas", "US"),
        ("Hypoechoic nodule", "US"),
        ("Coronary angiogram", "XA"),
        ("PET/CT with FDG uptake", "PET"),
        ("Bone scintigraphy", "NM"),
        ("SPECT-CT", "NM"),
        ("Right mammogram", "MG"),
        ("Optical coherence tomography", "OCT"),
        ("Upper endoscopy of the stomach", "Endoscopy"),
        ("Haematoxylin and eosin, ×400", "Microscopy"),
        ("Clinical photograph", "Photograph"),
        ("Fluorescein angiography", "Photograph"),
        ("12-lead ECG", "ECG"),
        ("ECG-gated CT", "CT"),
        ("MRI after an earlier CT; the MRI shows", "MR"),
        ("CT before MRI", "CT"),
        ("X-ray diffraction pattern", None),
        ("The US population told us of Mr. Smith's pet", None),
        ("A mass in the left kidney", None),
        ("", None),
    ],
)
def test_modality_of_words(caption: str, modality: str | None) -> None:
    assert next(iter(words_to_modalities(caption)), None) == modality


@pytest.mark.parametrize(
    ("caption", "region"),
    [
        ("CT of the brain", "head"),
        ("Chest X-ray", "thorax"),
        ("Cervical spine", "spine"),
        ("Cervical lymph nodes", "neck"),
        ("Femoral head and femoral neck", "lower limb"),
        ("Mass in the head of the pancreas", "abdomen"),
        ("Humeral head", "upper limb"),
        ("Left ventricle", "heart"),
        ("Lateral ventricles", "head"),
        ("Coronal image of the liver", "abdomen"),
        ("Gastric fundus", "abdomen"),
        ("Fundus photograph", "eye"),
        ("Urinary bladder", "pelvis"),
        ("Gallbladder", "abdomen"),
        ("L4-L5 disc", "spine"),
        ("T12 body", "spine"),
        ("Periapical radiograph of the tooth", "teeth"),
        ("Whole-body scan", "whole body"),
        ("Mammogram", "breast"),
        ("On the other hand, nothing", None),
        ("Arrow head", None),
        ("A nodule", None),
    ],
)
def test_region_of_words(caption: str, region: str | None) -> None:
    assert next(iter(words_to_regions(caption)), None) == region


def test_tables_use_the_vocabulary() -> None:
    assert set(MODALITY_WORDS) - {""} == set(MODALITIES)
    assert set(REGION_WORDS) - {""} == set(REGIONS)
    assert set(MODALITY_CONCEPTS.values()) <= set(MODALITIES)
    assert set(REGION_CONCEPTS.values()) <= set(REGIONS)


@pytest.mark.parametrize(
    ("label", "modality"),
    [
        ("ct", "CT"),
        ("CR", "XR"),
        ("PT", "PET"),
        ("MR - T2 weighted", "MR"),
        ("MRA - MR Angiography/Venography", "MR"),
        ("CTA - CT Angiography", "CT"),
        ("CT w/contrast (IV)", "CT"),
        ("X-ray", "XR"),
        ("ultrasonography", "US"),
        ("endoscopy", "Endoscopy"),
        ("Drawing", None),
        ("", None),
        ("CT " * 50, None),
    ],
)
def test_modality_labels(label: str, modality: str | None) -> None:
    assert as_modality(label) == modality


@pytest.mark.parametrize(
    ("label", "region"),
    [
        ("HEAD", "head"),
        ("CSPINE", "spine"),
        ("Brain and Neuro", "head"),
        ("Chest, Pulmonary", "thorax"),
        ("upper_limb", "upper limb"),
        ("Head and Neck", None),
        ("Bethesda, MD", None),
        ("Generalized", None),
    ],
)
def test_region_labels(label: str, region: str | None) -> None:
    assert as_region(label) == region


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("CC BY", "CC BY", "commercial"),
        ("CC BY-NC-SA", "CC BY-NC-SA", "noncommercial"),
        ("cc by nc nd 3.0", "CC BY-NC-ND 3.0", "noncommercial"),
        ("CC BY-ND", "CC BY-ND", "commercial"),
        ("https://creativecommons.org/licenses/by/4.0/", "CC BY 4.0", "commercial"),
        ("http://creativecommons.org/licenses/by-nc-sa/3.0/us", "CC BY-NC-SA 3.0", "noncommercial"),
        ("Creative Commons Attribution 4.0 International", "CC BY 4.0", "commercial"),
        (
            "Creative Commons Attribution-NonCommercial-ShareAlike",
            "CC BY-NC-SA",
            "noncommercial",
        ),
        ("CC0", "CC0", "commercial"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0", "commercial"),
        ("Public domain", "public domain", "commercial"),
        ("CC", "CC", "other"),
        ("NO-CC CODE", "NO-CC CODE", "other"),
        ("© The  Authors", "© The Authors", "other"),
    ],
)
def test_licences(text: str, name: str, kind: str) -> None:
    assert licence_name(text) == name
    assert licence_class(text) == kind
    assert licence_name(name) == name


def test_articles_and_years() -> None:
    assert find_article("PMC3970251_CRIONM2014-931546.003.jpg") == "PMC3970251"
    assert find_article("https://pmc.ncbi.nlm.nih.gov/articles/pmc123456/") == "PMC123456"
    assert find_article("EPMC3970251") is None
    assert find_article("3970251") is None
    assert find_article("3970251.0", bare=True) == "PMC3970251"
    assert find_year("2014-03-12") == 2014
    assert find_year("20140312") == 2014
    assert find_year("12 Mar 1998") == 1998
    assert find_year("9999") is None
    assert find_year("12014") is None
    assert find_year("2099") is None


def test_origins_in_their_order() -> None:
    case = Case("a", caption="MRI of the brain", metadata={"Type": "US", "Location": "Chest"})
    told = describe(case)
    assert (told.modality, told.origins["modality"]) == ("US", "column:Type")
    assert (told.region, told.origins["region"]) == ("thorax", "column:Location")
    by_concept = Case("a", caption=case.caption, metadata=case.metadata, cuis=("C0040405",))
    told = describe(by_concept)
    assert (told.modality, told.origins["modality"]) == ("CT", "umls:C0040405")
    told = describe(Case("a", caption=case.caption, metadata={"Type": "Drawing"}))
    assert (told.modality, told.origins["modality"]) == ("MR", "caption")
    assert told.metadata == {"Type": "Drawing"}


def test_words_decide_between_concepts() -> None:
    cuis = ("C0041618", "C0040405")
    assert describe(Case("a", caption="CT after ultrasound", cuis=cuis)).modality == "CT"
    assert describe(Case("a", caption="A mass", cuis=cuis)).modality == "US"
    angiography = ("C0002978",)
    told = describe(Case("a", caption="CT angiogram", cuis=angiography))
    assert (told.modality, told.origins["modality"]) == ("CT", "caption")
    assert describe(Case("a", caption="A stenosis", cuis=angiography)).modality == "XA"
    coherence = Case("a", caption="Optical coherence tomography", cuis=("C0040405",))
    assert describe(coherence).modality == "OCT"


def test_what_the_reader_set_stays() -> None:
    case = Case(
        "PMC1234567_x",
        caption="CT of the chest",
        article="PMC7654321",
        licence="CC BY",
        licence_class="other",
        year=1999,
        modality="XR",
        region="abdomen",
        metadata={"year": 2001},
        origins={"modality": "dicom"},
    )
    assert describe(case) == case


def test_everything_out_of_metadata() -> None:
    case = Case(
        "a",
        image=ImageSource(Path("/data/PMC4705725/fig1.jpg")),
        metadata={"meta.license_url": "https://creativecommons.org/licenses/by/4.0/", "date": 2011},
    )
    told = describe(case)
    assert (told.article, told.origins["article"]) == ("PMC4705725", "image")
    assert (told.licence, told.origins["licence"]) == ("CC BY 4.0", "column:meta.license_url")
    assert (told.licence_class, told.origins["licence_class"]) == ("commercial", "licence")
    assert (told.year, told.origins["year"]) == (2011, "column:date")
    assert describe(Case("a", metadata={"pmcid": 4705725})).article == "PMC4705725"
    assert describe(Case("a", metadata={"link": "4705725"})).article is None


@given(
    st.text(max_size=300), st.dictionaries(st.sampled_from(["type", "location", "year"]), st.text())
)
def test_any_text_can_be_described(text: str, metadata: dict[str, str]) -> None:
    told = describe(Case("a", caption=text, licence=text, metadata=metadata))
    assert told.modality is None or told.modality in MODALITIES
    assert told.region is None or told.region in REGIONS
    assert describe(told) == told


def test_medpix_captions_name_their_modality(test_data: Path) -> None:
    """Measured: 59 % of 1,850 captions name one, 97 % of them rightly (CT or MR)."""
    rows = [
        json.loads(line)
        for path in sorted((test_data / "medpix").glob("descriptions_*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    named = [(row["Type"], words_to_modalities(row["Description"]["Caption"])) for row in rows]
    right = Counter(kind == found[0] for kind, found in named if found)
    assert right.total() / len(rows) > 0.58
    assert right[True] / right.total() > 0.965
    assert all(as_modality(row["Type"]) == row["Type"] for row in rows)


def test_roco_words_agree_with_concepts(test_data: Path) -> None:
    """Measured on ROCO's radiology figures: concepts name 32 %, words 79 %; agreement 95 %."""
    folder = test_data / "roco" / "data" / "validation" / "radiology"
    captions = (folder / "captions.txt").read_text("utf-8").splitlines()
    concepts = (folder / "cuis.txt").read_text("utf-8").splitlines()
    both = agree = by_words = 0
    for caption, line in zip(captions, concepts, strict=True):
        named = words_to_modalities(caption.partition("\t")[2])
        known = {MODALITY_CONCEPTS[cui] for cui in line.split("\t") if cui in MODALITY_CONCEPTS}
        by_words += bool(named)
        if named and known:
            both += 1
            agree += named[0] in known
    assert by_words / len(captions) > 0.77
    assert both > 2200
    assert agree / both > 0.94
