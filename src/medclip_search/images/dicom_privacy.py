"""What must not be shown of a DICOM header's free text, because it may say whose picture it is.

Descriptions are typed by people, who put names, dates and numbers into them. A description is
dropped whole if it repeats any part of what the same header holds to identify people, places
and orders (after the list of PS3.15 Annex E), or looks like a date, a time, a telephone number,
an address in the net, a long number or somebody's title.

Of Patient Comments every word counts that is not commonly said of pictures. Private elements
hold anything, mostly the device's settings and copies of descriptions: of them names (VR PN)
count, and texts written as names are (``Roe^Jane``, ``Roe, Jane``) that are no copy of a
description. What remains: names that stand in no such element, or in a private one in another
form or of unknown VR, and that have no title before them, cannot be told from other words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator

from pydicom import Dataset
from pydicom.multival import MultiValue

from medclip_search.images.dicom_facts import REGION_OF
from medclip_search.images.dicom_terms import MODALITY_TERMS


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PERSONAL = _set(
    """
    PatientID IssuerOfPatientID OtherPatientIDs PatientAge PatientAddress PatientTelephoneNumbers
    PatientTelecomInformation MilitaryRank BranchOfService Occupation CountryOfResidence
    RegionOfResidence PatientReligiousPreference EthnicGroup MedicalRecordLocator AccessionNumber
    StudyID AdmissionID ServiceEpisodeID ReferringPhysicianAddress
    ReferringPhysicianTelephoneNumbers PersonAddress PersonTelephoneNumbers
    PersonTelecomInformation DeviceSerialNumber RequestedProcedureID ScheduledProcedureStepID
    PerformedProcedureStepID FillerOrderNumberImagingServiceRequest
    PlacerOrderNumberImagingServiceRequest ClinicalTrialSubjectID ClinicalTrialSubjectReadingID
    IssuerOfAdmissionID IssuerOfServiceEpisodeID InterpretationID ResultsID
    """
)
"""Elements that identify, apart from those of VR PN, which all do."""

_PLACES = _set(
    """
    InstitutionName InstitutionAddress InstitutionalDepartmentName StationName
    PerformedStationName ScheduledStationName PerformedStationAETitle ScheduledStationAETitle
    PerformedLocation ScheduledProcedureStepLocation RequestingService CurrentPatientLocation
    PatientInstitutionResidence ResponsibleOrganization ClinicalTrialSponsorName
    ClinicalTrialSiteName ClinicalTrialSiteID ClinicalTrialCoordinatingCenterName
    """
)
_SEQUENCES = _set(
    """
    InstitutionCodeSequence InstitutionalDepartmentTypeCodeSequence
    PersonIdentificationCodeSequence PatientPrimaryLanguageCodeSequence
    OtherPatientIDsSequence IssuerOfPatientIDQualifiersSequence
    IssuerOfAccessionNumberSequence
    """
)
"""Sequences all of whose texts identify."""

_TEXTS = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT"})
_COPIED = ("StudyDescription", "SeriesDescription", "ProtocolName")
_NAME_FORM = re.compile(r"\s*[^\W\d_][^\W\d_'.\- ]*(?:\^|,\s?)[^\W\d_].*", re.DOTALL)

_PARTICLES = _set("of the and for in at de la le du des der die das und et von van el")
PLAIN = _PARTICLES.union(
    (word.casefold() for word in (*MODALITY_TERMS, *REGION_OF)),
    _set("""
    cancer cardiology center centre children childrens clinic department dept diagnostic emergency
    general hospital imaging institute medical medicine mri neuro neurology nuclear oncology
    orthopaedic orthopedic paediatric pediatric radiology ray room scanner surgery trauma unit
    university women womens xray
    """),
)
"""Words that identify nothing, though places are called by them."""

_SAID_OF_PICTURES = _set(
    """
    acute after anterior arterial axial before bilateral chronic comparison contrast coronal
    delayed exam examination fluid follow followup from fracture frontal iv lateral left lesion low
    mass native no normal not nodule nodules of on oral pain phase portal post posterior protocol
    quality right routine sagittal scan series standard study to tumor tumour up venous view views
    w with without wo
    """
)
"""Further words of comments that say nothing of a person."""

_MONTH = """(?:
    jan(?:uary?|vier)? | feb(?:ruary?)? | f[eé]v(?:rier)? | mar(?:ch|s|zo)? | m[aä]rz | mrz
  | a[pv]r(?:il)? | ma[iy]o? | june? | juni[no]? | juin | july? | julio? | juil(?:let)?
  | aug(?:ust)? | ao[uû]t | agosto | sept?(?:emb(?:er|re))? | o[ck]t(?:ob(?:er|re))?
  | nov(?:emb(?:er|re))? | d[eé][cz](?:emb(?:er|re))?
)"""
_SUSPECT = re.compile(
    rf"""
      \d{{5}}                                                # any longer number
    | (?: \d [\s()+/-]{{0,2}} ){{7}} | \d{{3}} \. \d{{3,4}} (?!\d)  # telephone numbers
    | (?<!\d) \d{{4}} [-./\s] \d{{1,2}} [-./\s] \d{{1,2}} (?!\d)   # 2004-01-19
    | (?<!\d) \d{{1,2}} [-./] \d{{1,2}} [-./] (?: \d{{4}} | \d\d ) (?!\d)
    | (?<!\d) \d{{1,2}} \. \d{{1,2}} \. (?!\d)                 # 19.1.
    | \d [\s./,-]{{0,2}} {_MONTH} (?![^\W\d_]) | (?<![^\W\d_]) {_MONTH} [\s./,-]{{0,2}} \d
    | (?: \d+ \. ){{4}} \d                                   # a UID, an address
    | (?<!\d) \d{{1,2}} [:h] \d\d (?!\d)                       # a time
    | @ | www\. | https?:
    | \b (?: dr|drs|prof|mrs|miss|mme|mlle|herr|frau|dott|sra ) \b
    | \b (?: mrn|dob|ssn|nhs|born|geb|tel|phone|fax|patient|name|accession ) \b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_BREAK = re.compile(r"[\W_]+")


class Identifiers:
    """What a header holds to identify people, places and orders, in memory only.

    Reads a whole header; raises whatever pydicom does where that is damaged.
    """

    def __init__(self, header: Dataset) -> None:
        self._anywhere: set[str] = set()
        self._alone: set[str] = set()
        copies = {fold(str(header.get(keyword) or "")).strip() for keyword in _COPIED}
        for text, personal in _identifying(header, False, copies):
            for folded in _folds(text):
                harmless = _PARTICLES if personal else PLAIN
                words = {word for word in _BREAK.split(folded) if _is_telling(word)} - harmless
                whole = _BREAK.sub("", folded)
                if words or (personal and len(whole) > 2):  # 1-2-3 is an id, though no part is
                    words.add(whole)
                # Two letters ("li") stand within many words ("liver"), three within few: these
                # count for a person, but not for a place, whose name all its pictures bear.
                longer = {w for w in words if len(w) > (2 if personal else 3) or not w.isascii()}
                self._anywhere |= longer
                self._alone |= words - longer

    def allow(self, text: str) -> bool:
        """Whether a text repeats nothing of it and looks like nothing of the kind."""
        if _SUSPECT.search(text):
            return False
        for folded in _folds(text):
            joined = _BREAK.sub("", folded)
            if not self._alone.isdisjoint(_BREAK.split(folded)):
                return False
            if any(word in folded or word in joined for word in self._anywhere):
                return False
        return True


def fold(text: str) -> str:
    """Lower case without accents and invisible characters, to compare by."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in apart if unicodedata.category(c) not in ("Mn", "Cf"))


def _folds(text: str) -> set[str]:
    """Both spellings of a text: Müller as Muller, and as Mueller."""
    composed = unicodedata.normalize("NFC", text)
    return {fold(text), fold(composed.translate(_UMLAUTS))}


def _is_telling(word: str) -> bool:
    """Not an initial, nor a single digit; but a name may be one Chinese character."""
    return len(word) > 1 or word > "\u2e80"


def _identifying(
    dataset: Dataset, inside: bool, copies: Collection[str]
) -> Iterator[tuple[str, bool]]:
    """Texts that identify, and whether surely a person or an order.

    ``copies`` are the descriptions, folded, which private elements may repeat.
    """
    for element in dataset:
        keyword = element.keyword
        if element.VR == "SQ":
            for item in element.value or []:
                yield from _identifying(item, inside or keyword in _SEQUENCES, copies)
            continue
        personal = element.VR == "PN" or keyword in _PERSONAL or (inside and element.VR in _TEXTS)
        dated = element.VR in ("DA", "DT")
        private = element.tag.is_private and element.VR in _TEXTS and not personal
        comment = keyword == "PatientComments"
        if not (personal or dated or private or comment or keyword in _PLACES):
            continue
        value = element.value
        for one in value if isinstance(value, (MultiValue, list)) else [value or ""]:
            text = str(one)[:4] if dated else str(one)
            if comment:
                words = _BREAK.split(text)
                yield from ((w, False) for w in words if fold(w) not in _SAID_OF_PICTURES)
            elif not private or (_NAME_FORM.fullmatch(text) and fold(text).strip() not in copies):
                yield text, personal or dated
