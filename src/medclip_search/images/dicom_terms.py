"""DICOM's coded values in the words that people search with.

Closed lists: a code that is not in them is not shown, since anything may be typed there.
"""

from __future__ import annotations

MODALITY_TERMS: dict[str, tuple[str, ...]] = {
    "AR": ("Autorefraction",),
    "AU": ("Audio",),
    "BI": ("Biomagnetic imaging",),
    "CR": ("Radiograph", "X-ray"),
    "CT": ("CT", "computed tomography"),
    "DG": ("Diaphanography",),
    "DMS": ("Dermoscopy",),
    "DOC": ("Document",),
    "DX": ("Radiograph", "X-ray"),
    "ECG": ("Electrocardiogram", "ECG"),
    "ES": ("Endoscopy",),
    "FID": ("Fiducials",),
    "GM": ("Microscopy",),
    "HD": ("Haemodynamic waveform",),
    "IO": ("Intraoral radiograph", "X-ray"),
    "IVOCT": ("Intravascular OCT", "optical coherence tomography"),
    "IVUS": ("Intravascular ultrasound", "IVUS"),
    "KO": ("Key object selection",),
    "LS": ("Laser surface scan",),
    "MG": ("Mammogram", "mammography"),
    "MR": ("MRI", "MR", "magnetic resonance imaging"),
    "NM": ("Nuclear medicine", "scintigraphy"),
    "OCT": ("OCT", "optical coherence tomography"),
    "OP": ("Ophthalmic photograph", "fundus"),
    "OPT": ("Ophthalmic OCT", "optical coherence tomography"),
    "PLAN": ("Plan",),
    "PR": ("Presentation state",),
    "PT": ("PET", "positron emission tomography"),
    "PX": ("Panoramic radiograph", "X-ray", "orthopantomogram"),
    "REG": ("Registration",),
    "RF": ("Fluoroscopy", "X-ray"),
    "RG": ("Radiograph", "X-ray"),
    "RTDOSE": ("Radiotherapy dose",),
    "RTIMAGE": ("Radiotherapy image", "X-ray"),
    "RTPLAN": ("Radiotherapy plan",),
    "RTRECORD": ("Radiotherapy record",),
    "RTSTRUCT": ("Radiotherapy structure set",),
    "SEG": ("Segmentation",),
    "SM": ("Slide microscopy", "microscopy"),
    "SR": ("Structured report",),
    "TG": ("Thermogram", "thermography"),
    "US": ("Ultrasound", "sonography"),
    "XA": ("X-ray angiogram", "angiography"),
    "XC": ("Photograph",),
}
"""Modality (0008,0060), PS3.3 C.7.3.1.1.1: the name for a caption, then other names for it."""

BODY_PARTS: dict[str, str] = {
    "CSPINE": "cervical spine",
    "TSPINE": "thoracic spine",
    "LSPINE": "lumbar spine",
    "SSPINE": "sacral spine",
    "TLSPINE": "thoracolumbar spine",
    "LSSPINE": "lumbosacral spine",
    "TMJ": "temporomandibular joint",
    "WHOLEBODY": "whole body",
}
"""Body Part Examined (0018,0015), PS3.16 Annex L: those that are not words themselves."""

LATERALITIES = {"L": "left", "R": "right", "B": "bilateral"}
"""Image Laterality (0020,0062) and Laterality (0020,0060)."""

VIEWS: dict[str, str] = {
    "AP": "AP view",
    "PA": "PA view",
    "LL": "left lateral view",
    "RL": "right lateral view",
    "LATERAL": "lateral view",
    "LAT": "lateral view",
    "LLD": "left lateral decubitus view",
    "RLD": "right lateral decubitus view",
    "LLO": "left lateral oblique view",
    "RLO": "right lateral oblique view",
    "LPO": "left posterior oblique view",
    "RPO": "right posterior oblique view",
    "LAO": "left anterior oblique view",
    "RAO": "right anterior oblique view",
    "CC": "CC view",
    "MLO": "MLO view",
    "ML": "ML view",
    "LM": "LM view",
    "XCCL": "XCCL view",
    "XCCM": "XCCM view",
    "CRANIOCAUDAL": "CC view",
    "MEDIOLATERALOBLIQUE": "MLO view",
    "MEDIOLATERAL": "ML view",
    "LATEROMEDIAL": "LM view",
}
"""View Position (0018,5101), PS3.3 C.8.7.2.1.1 and C.8.11.7.1, and View Code Sequence's names."""

NO_CONTRAST = frozenset({"", "0", "no", "none", "non", "nein", "without", "n", "na", "wo", "nil"})
"""Contrast/Bolus Agent (0018,0010), where people type that there was none (folded, letters)."""

NO_DESCRIPTION = frozenset(
    {
        "anonymised", "anonymized", "anonymous", "default", "deleted", "description", "empty", "na",
        "nil", "none", "null", "other", "removed", "test", "undefined", "unknown", "unnamed",
    }
)  # fmt: skip
"""Descriptions that say nothing, folded likewise."""
