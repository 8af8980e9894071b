"""Placeholders are told from captions, and never the other way round."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.corpora.captions import clean, is_placeholder, one_line

PLACEHOLDERS = """
-
...
1.
Caption
[Caption not available]
no caption
No caption available.
(no caption provided)
No figure legend
Caption goes here
Figure caption
Insert caption here
Add a description
Enter your caption here
Your text here
N/A
n.a.
NA
none
NULL
nan
not available
Not applicable.
unknown
untitled
Figure 1.
Figure 12b
Fig. 3
FIG 2A:
Figure
image
Image 4
Image_
photo
Supplementary Figure S1
TBD
to be added
IN PROGRESS
in progress.
pending
placeholder text
XXX.
Lorem ipsum dolor sit amet, consectetur adipiscing elit.
Replace this - DESCRIPTION OF THE IMAGE OR FINDINGS.
Replace this text
""".strip().splitlines()

CAPTIONS = """
CT.
DSA.
pelvis
Noma.
Control
CT image 1
MRI Image
Figure 1: MRI showing SDI and AMC.
Figure of 8 suture
Image of the left knee
Image-guided biopsy
No fracture.
No figure can show it better than this CT
No abnormality
None of the lesions enhance
Unknown primary tumour
Normal
Follow-up CT
Caption contest winner
Description of the technique
Replacement of the mitral valve
Replace this valve
Title page of Vesalius' Fabrica
Case 1
T2
Right Knee
Pending rupture of the aneurysm
In progress labour
Lip-together smile photograph
Photo of skin suture.
左肺結節
骨折
""".strip().splitlines()


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholder(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize("text", CAPTIONS)
def test_caption(text: str) -> None:
    assert not is_placeholder(text)


def test_real_captions_are_kept(test_data: Path) -> None:
    """Of 12,055 ROCO captions two say nothing; of 1,850 of MedPix the 21 of a template, two
    "Figure 1" and "Figure 3", and two "IN PROGRESS"."""
    found = [
        caption
        for path in sorted((test_data / "roco").rglob("captions.txt"))
        for line in path.read_text("utf-8").splitlines()
        if is_placeholder(caption := line.partition("\t")[2].strip())
    ]
    assert sorted(found) == ["Figure 4", "XXX."]
    captions = [
        json.loads(line)["Description"]["Caption"]
        for path in sorted((test_data / "medpix").glob("descriptions_*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    found = sorted(caption for caption in captions if is_placeholder(caption))
    template = "Replace this - DESCRIPTION OF THE IMAGE OR FINDINGS."
    assert found == ["Figure 1", "Figure 3", "IN PROGRESS", "IN PROGRESS."] + [template] * 21


@given(st.text(max_size=600))
def test_cleaned_text_can_be_written_down(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert len(one_line(text).splitlines()) <= 1 or any(c in text for c in "\x85\u2028\u2029")
    is_placeholder(text)


@given(st.text(st.characters(categories=["L", "Nd", "Zs", "Po"]), min_size=5), st.data())
def test_words_beside_a_placeholder_save_it(text: str, data: st.DataObject) -> None:
    """A finding after a placeholder's words makes it a caption."""
    beginning = data.draw(st.sampled_from(["Figure 1.", "Image 2:", "Caption:", "N/A", "none"]))
    assert not is_placeholder(f"{beginning} pleural effusion {text}")
