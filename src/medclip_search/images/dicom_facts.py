"""What a DICOM header says of a picture's kind, in the catalogue's own words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from medclip_search.images.dicom import read_elements
from medclip_search.images.limits import MAX_PIXELS, image_errors
from medclip_search.images.reading import name_of, opened

_MODALITIES = {
    "CT": "CT",
    "MR": "MR",
    "CR": "XR",
    "DX": "XR",
    "RG": "XR",
    "RF": "XR",
    "IO": "XR",
    "PX": "XR",
    "US": "US",
    "IVUS": "US",
    "NM": "NM",
    "PT": "PET",
    "XA": "XA",
    "MG": "MG",
    "ES": "Endoscopy",
    "GM": "Microscopy",
    "SM": "Microscopy",
    "XC": "Photograph",
    "OP": "Photograph",
    "ECG": "ECG",
}
"""Modality (0008,0060), PS3.3 C.7.3.1.1.1."""

_REGIONS = {
    "head": "HEAD BRAIN SKULL FACE SINUS ORBIT SELLA TMJ MAXILLA MANDIBLE EAR",
    "eye": "EYE",
    "teeth": "TOOTH TEETH DENTAL JAW",
    "neck": "NECK CAROTID THYROID LARYNX",
    "spine": "SPINE CSPINE TSPINE LSPINE SSPINE TLSPINE LSSPINE COCCYX SACRUM",
    "thorax": "CHEST THORAX LUNG RIB STERNUM",
    "breast": "BREAST",
    "heart": "HEART CARDIAC CORONARY",
    "abdomen": "ABDOMEN LIVER KIDNEY PANCREAS SPLEEN GALLBLADDER STOMACH BOWEL COLON",
    "pelvis": "PELVIS BLADDER UTERUS PROSTATE HIP",
    "upper limb": "SHOULDER CLAVICLE SCAPULA HUMERUS ARM ELBOW FOREARM WRIST HAND FINGER THUMB",
    "lower limb": "FEMUR THIGH KNEE PATELLA TIBIA LEG CALF ANKLE FOOT TOE HEEL CALCANEUS",
    "whole body": "WHOLEBODY",
}
"""Body Part Examined (0018,0015), PS3.16 Annex L, without spaces."""

REGION_OF = {part: region for region, parts in _REGIONS.items() for part in parts.split()}
"""Each of these body parts to its region."""


@dataclass(frozen=True, slots=True)
class DicomFacts:
    """Modality and body region, ``None`` where the header does not say."""

    modality: str | None
    region: str | None


def dicom_facts(source: bytes | str | Path, *, name: str | None = None) -> DicomFacts | None:
    """What a DICOM file's header says, in the catalogue's words; ``None`` for other files.

    Nothing else of the header is read. Raises ``ImageError`` for a file that cannot be read.
    """
    name = name or name_of(source)
    with image_errors(name), opened(source, name) as (stream, is_dicom):
        if not is_dicom:
            return None
        header = read_elements(stream, ["Modality", "BodyPartExamined"], name, MAX_PIXELS)
        return facts_of(header)


def facts_of(header: Dataset) -> DicomFacts:
    """What a header with Modality and Body Part Examined says; nothing else of it is read."""
    part = body_part(header)
    modality = str(header.get("Modality") or "").strip().upper()
    return DicomFacts(_MODALITIES.get(modality), REGION_OF.get(part))


def body_part(header: Dataset) -> str:
    """Body Part Examined in capitals without spaces, which some put into it; ``""`` if absent."""
    return "".join(str(header.get("BodyPartExamined") or "").upper().split())
