"""A caption for a DICOM picture: what it shows, in words, and nothing of whom.

Coded elements are put in words from closed lists. Of the free texts only study, series and
protocol description are used, each only if ``dicom_privacy`` lets it pass. Age and sex, dates,
device and institution are left out, since together they can single out a patient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from medclip_search.images.dicom import read_elements
from medclip_search.images.dicom_facts import REGION_OF, body_part, facts_of
from medclip_search.images.dicom_privacy import Identifiers, fold
from medclip_search.images.dicom_series import element, numbers, plane_of
from medclip_search.images.dicom_terms import (
    BODY_PARTS,
    LATERALITIES,
    MODALITY_TERMS,
    NO_CONTRAST,
    NO_DESCRIPTION,
    VIEWS,
)
from medclip_search.images.limits import MAX_PIXELS, image_errors

_DESCRIPTIONS = ("StudyDescription", "SeriesDescription", "ProtocolName")
_LONGEST = 200  # characters of a description; LO has 64
_WORD = re.compile(r"[^\W_]+")
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


@dataclass(frozen=True, slots=True)
class DicomDescription:
    """What may be said of a picture. ``modality`` and ``region`` are in the catalogue's words.

    ``facts`` holds what else is known, absent where the header does not say:
    ``dicom_modality``, ``plane``, ``laterality``, ``view``, ``contrast`` (``yes`` or ``no``),
    ``slice_thickness`` in mm, and ``burned_in`` (``yes``) where the pixels may bear names.
    """

    caption: str
    modality: str | None
    region: str | None
    keywords: tuple[str, ...]
    facts: dict[str, str | float]


def describe_dicom(path: str | Path, name: str, frame: int | None = None) -> DicomDescription:
    """Describe a DICOM file, or a frame of it. Raises ``ImageError``, which calls it ``name``.

    Where the header cannot be read whole, no free text of it is used.
    """
    with image_errors(name), Path(path).open("rb") as stream:
        header = read_elements(stream, None, name, MAX_PIXELS)
        try:
            identifiers = Identifiers(header)
        except Exception:  # then nobody knows what its descriptions may repeat
            identifiers = None
        return _describe(header, identifiers, frame or 0)


def _describe(header: Dataset, identifiers: Identifiers | None, frame: int) -> DicomDescription:
    known = facts_of(header)
    code = _code(header, "Modality")
    name, *others = MODALITY_TERMS.get(code, ("",))
    facts: dict[str, str | float] = {}
    if name:
        facts["dicom_modality"] = code
    if plane := plane_of(header, frame):
        facts["plane"] = plane
    side = _code(header, "ImageLaterality") or _code(header, "Laterality")
    if side in LATERALITIES:
        facts["laterality"] = LATERALITIES[side]
    if view := _view(header):
        facts["view"] = view
    if (agent := element(header, "ContrastBolusAgent")) is not None:
        facts["contrast"] = "no" if _letters(str(agent)) in NO_CONTRAST else "yes"
    if (thickness := numbers(header, "SliceThickness", 1)) and thickness[0] > 0:
        facts["slice_thickness"] = round(thickness[0], 2)
    if _code(header, "BurnedInAnnotation") == "YES":
        facts["burned_in"] = "yes"
    free = [] if identifiers is None else _free_texts(header, identifiers)
    contrast = {"yes": "with contrast", "no": "without contrast"}.get(str(facts.get("contrast")))
    parts = [name, facts.get("laterality"), _part(header), plane, view, contrast]
    first = ", ".join(str(part) for part in parts if part)
    sentences = [first[:1].upper() + first[1:], *_without_repeats(free, first)]
    caption = ". ".join(sentence.rstrip(" .") for sentence in sentences if sentence)
    return DicomDescription(
        caption + "." if caption else "", known.modality, known.region, tuple(others), facts
    )


def _code(header: Dataset, keyword: str) -> str:
    """A coded string in capitals, the first of several."""
    value = element(header, keyword)
    return str(value).strip().upper() if isinstance(value, str) else ""


def _part(header: Dataset) -> str:
    """The body part, where it is one of PS3.16's."""
    part = body_part(header) if isinstance(element(header, "BodyPartExamined"), str) else ""
    return BODY_PARTS.get(part, part.lower()) if part in REGION_OF else ""


def _view(header: Dataset) -> str:
    views = [_code(header, "ViewPosition")]
    for item in element(header, "ViewCodeSequence") or []:
        views.append("".join(_WORD.findall(_code(item, "CodeMeaning"))))
    return next((VIEWS[view] for view in views if view in VIEWS), "")


def _free_texts(header: Dataset, identifiers: Identifiers) -> list[str]:
    """The descriptions that say something and identify nobody, in the order above."""
    texts: list[str] = []
    for keyword in _DESCRIPTIONS:
        value = element(header, keyword)
        if value is None:
            continue
        parts = [str(value)] if isinstance(value, str) else [str(one) for one in value]
        text = " ".join(_UNFIT.sub("", " ".join(parts)).replace("_", " ").split())
        text = text.replace("^", " ").strip()
        says_something = any(c.isalpha() for c in text) and _letters(text) not in NO_DESCRIPTION
        if says_something and len(text) <= _LONGEST and identifiers.allow(text):
            texts.append(text)
    return texts


def _without_repeats(texts: list[str], before: str) -> list[str]:
    """Without those whose words stand, in their order, in another one or in ``before``."""
    kept: list[str] = []
    for i, text in enumerate(texts):
        later = [other for other in texts[i + 1 :] if _words(other) != _words(text)]
        if not any(_holds(other, text) for other in (before, *texts[:i], *later)):
            kept.append(text)
    return kept


def _holds(text: str, part: str) -> bool:
    return f" {' '.join(_words(part))} " in f" {' '.join(_words(text))} "


def _words(text: str) -> list[str]:
    return _WORD.findall(fold(text))


def _letters(text: str) -> str:
    return "".join(_words(text))
