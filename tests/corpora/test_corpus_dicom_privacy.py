"""What is said of a DICOM picture, and that it never says whose it is."""

from __future__ import annotations

import datetime
import string
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR

from medclip_search import api
from medclip_search.cases import Case
from medclip_search.corpora import CorpusSpec, open_corpus
from medclip_search.images.dicom_privacy import PLAIN, fold
from medclip_search.search.query import Query
from tests.corpora.dicom_files import AXIAL, item, picture, write, write_series

IDENTIFYING = (
    "PatientName",
    "PatientID",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "AccessionNumber",
    "ReferringPhysicianName",
    "OperatorsName",
    "PerformingPhysicianName",
    "NameOfPhysiciansReadingStudy",
    "RequestingPhysician",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "StudyID",
    "PatientAddress",
    "MilitaryRank",
    "Occupation",
    "MedicalRecordLocator",
    "DeviceSerialNumber",
    "AdmissionID",
    "CurrentPatientLocation",
    "RequestingService",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSiteName",
)
DESCRIPTIONS = ("StudyDescription", "SeriesDescription", "ProtocolName")
PERSON = {
    "PatientName": "Müller^Anna Maria^^Dr.",
    "PatientID": "PAT-4711",
    "PatientBirthDate": "19560312",
    "PatientAge": "045Y",
    "AccessionNumber": "ACC20040119",
    "AdmissionID": "1-2-3",
    "StudyID": "7",
    "StudyDate": "20040119",
    "ReferringPhysicianName": "Li^Wu",
    "InstitutionName": "St. Elsewhere Hospital, Department of Radiology",
    "StationName": "CT01",
    "SpecificCharacterSet": "ISO_IR 192",
}


def read_one(folder: Path, **elements: object) -> Case:
    write(folder / "IM1", picture("1.2.840.99", "1.2.840.99.1", **elements))
    (case,) = open_corpus(CorpusSpec("dicom", folder, "mine"))
    assert isinstance(case, Case)
    return case


def said(case: Case) -> str:
    """All that a case says to a reader (its path is the user's own)."""
    return " ".join(
        [case.id, case.caption, *case.keywords, *case.origins.values()]
        + [str(value) for pair in case.metadata.items() for value in pair]
    )


# ----------------------------------------------------------------------------- what is said


def test_a_caption_says_what_a_radiologist_would_type(tmp_path: Path) -> None:
    case = read_one(
        tmp_path,
        BodyPartExamined="CHEST",
        StudyDescription="CT Thorax/Abdomen",
        SeriesDescription="Lung_1.0_I70f",
        ProtocolName="Thorax^Routine (Adult)",
        ContrastBolusAgent="OMNIPAQUE 300",
        SliceThickness="1.0",
        ImageOrientationPatient=AXIAL,
        **PERSON,
    )
    assert case.caption == (
        "CT, chest, axial, with contrast. CT Thorax/Abdomen. Lung 1.0 I70f. Thorax Routine (Adult)."
    )
    assert (case.modality, case.region) == ("CT", "thorax")
    assert case.origins == {"modality": "dicom:Modality", "region": "dicom:BodyPartExamined"}
    assert case.keywords == ("computed tomography",)
    assert case.metadata == {
        "dicom_modality": "CT",
        "plane": "axial",
        "contrast": "yes",
        "slice_thickness": 1.0,
    }


@pytest.mark.parametrize(
    ("elements", "caption"),
    [
        ({"Modality": "MG", "ImageLaterality": "L", "BodyPartExamined": "BREAST",
          "ViewCodeSequence": [item(CodeMeaning="medio-lateral oblique")]},
         "Mammogram, left, breast, MLO view."),
        ({"Modality": "DX", "BodyPartExamined": "CHEST", "ViewPosition": "PA",
          "StudyDescription": "CHEST", "SeriesDescription": "Chest PA routine",
          "ProtocolName": "chest, pa, ROUTINE"},
         "Radiograph, chest, PA view. Chest PA routine."),
        ({"Modality": "MR", "BodyPartExamined": "LSPINE", "ContrastBolusAgent": "None",
          "ProtocolName": "t2_tse_sag_384"},
         "MRI, lumbar spine, without contrast. t2 tse sag 384."),
        ({"Modality": "OT", "SeriesDescription": "n/a", "ProtocolName": "---"}, ""),
        ({"Modality": "SMITH", "BodyPartExamined": "JONES", "ViewPosition": "X",
          "ImageLaterality": "U"}, ""),
        ({"Modality": "CT", "BodyPartExamined": ["HEAD", "NECK"], "SliceThickness": "0"}, "CT."),
    ],
)  # fmt: skip
def test_captions(tmp_path: Path, elements: dict[str, object], caption: str) -> None:
    assert read_one(tmp_path, **elements).caption == caption


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO_IR 100", "Schädel nativ"),
        ("ISO_IR 192", "頭部 CT 単純"),
        ("ISO_IR 144", "Органы грудной клетки"),
        ("GB18030", "胸部平扫"),
    ],
)
def test_character_sets(tmp_path: Path, charset: str, text: str) -> None:
    case = read_one(tmp_path, SpecificCharacterSet=charset, StudyDescription=text)
    assert case.caption == f"CT. {text}."


def test_the_plane_of_an_enhanced_frame(tmp_path: Path) -> None:
    planes = [AXIAL, [0, 1, 0, 0, 0, -1], AXIAL]
    groups = [
        item(PlaneOrientationSequence=[item(ImageOrientationPatient=plane)]) for plane in planes
    ]
    case = read_one(tmp_path, NumberOfFrames=3, PerFrameFunctionalGroupsSequence=groups)
    assert case.metadata["plane"] == "sagittal"


def test_what_pictures_may_show_is_told(tmp_path: Path) -> None:
    assert read_one(tmp_path, BurnedInAnnotation="YES").metadata["burned_in"] == "yes"


# ------------------------------------------------------------------------- what is never said


HARMLESS = [
    "Liver 3 phase", "CT Abdomen Pelvis W/ IV Contrast", "t1_mprage_sag_p2_iso", "ep2d_diff_b1000",
    "Thorax  1.0  B70f", "XR C Spine Comp Min 4 Views", "AX T2 FLAIR", "HEAD/BRAIN WO CONTRAST",
    "5/5mm Plain", "SAG T1 3.0 x 0.5", "512x512 recon", "MRI radiology protocol", "Scanner test",
    "Department protocol of the knee", "Liquor cerebrospinalis", "MS follow-up", "Unilateral knee",
    "Pediatric head",
]  # fmt: skip


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_descriptions_stay(tmp_path: Path, text: str) -> None:
    person = PERSON | {"PatientName": "Roe^Joanna", "InstitutionName": "Uni Pediatric Hospital"}
    shown = " ".join(text.replace("_", " ").split())
    assert shown in read_one(tmp_path, StudyDescription=text, **person).caption


@pytest.mark.parametrize(
    "text",
    [
        "CT for Mueller", "MULLER CT HEAD", "head, muller", "CT-Müller", "Mu\u0308ller", "annas",
        "Li asked for it", "WU", "PAT-4711", "PAT4711", "pat 4711", "ACC20040119", "from Elsewhere",
        "elsewhere-protocol",
        "seen in 2004", "born 1956", "045Y", "19.01.2004", "1/19/04", "2004-01-19", "20040119",
        "19 Jan 2004", "January 2004", "19.1. Kontrolle", "14:35 portable", "call 030 1234567",
        "(555) 123-4567", "555-1234", "a.b@c.org", "www.c.org", "123456", "Dr. Jones", "Prof Smith",
        "MRN 12", "DOB unknown", "1.2.840.10008.1", "Frau Schmidt", "CT01 room", "M\u200buller",
        "M.U.L.L.E.R", "W\u200bu", "scan 123", "1-2-3",
    ],
)  # fmt: skip
def test_suspicious_descriptions_go(tmp_path: Path, text: str) -> None:
    for keyword in DESCRIPTIONS:
        assert read_one(tmp_path, **PERSON, **{keyword: text}).caption == "CT."


def test_names_in_other_scripts(tmp_path: Path) -> None:
    name = "Wang^XiaoDong=王^小东"
    for text in ("王 头部", "头部王小东", "wang head"):
        case = read_one(
            tmp_path,
            SpecificCharacterSet="ISO_IR 192",
            PatientName=name,
            StudyDescription=text,
            SeriesDescription="头部",
        )
        assert case.caption == "CT. 头部."


def test_names_within_sequences(tmp_path: Path) -> None:
    case = read_one(
        tmp_path,
        RequestAttributesSequence=[item(RequestingPhysician="Roe^J", RequestedProcedureID="RP77")],
        OtherPatientIDsSequence=[item(PatientID="ZZ9")],
        InstitutionCodeSequence=[item(CodeMeaning="Elsewhere")],
        StudyDescription="as Roe wished",
        SeriesDescription="rp77 head",
        ProtocolName="elsewhere routine",
    )
    assert case.caption == "CT."
    assert read_one(tmp_path, OtherPatientIDsSequence=[item(PatientID="ZZ9")],
                    ProtocolName="of zz9").caption == "CT."  # fmt: skip


ELEMENTS = """
    AccessionNumber AdmissionID BranchOfService ClinicalTrialCoordinatingCenterName
    ClinicalTrialSiteID ClinicalTrialSiteName ClinicalTrialSponsorName ClinicalTrialSubjectID
    ClinicalTrialSubjectReadingID CountryOfResidence CurrentPatientLocation DeviceSerialNumber
    EthnicGroup FillerOrderNumberImagingServiceRequest InstitutionAddress InstitutionName
    InstitutionalDepartmentName InterpretationID IssuerOfAdmissionID IssuerOfPatientID
    IssuerOfServiceEpisodeID MedicalRecordLocator MilitaryRank Occupation OtherPatientIDs
    PatientAddress PatientAge PatientID PatientInstitutionResidence PatientReligiousPreference
    PatientTelecomInformation PatientTelephoneNumbers PerformedLocation PerformedProcedureStepID
    PerformedStationAETitle PerformedStationName PersonAddress PersonTelecomInformation
    PersonTelephoneNumbers PlacerOrderNumberImagingServiceRequest ReferringPhysicianAddress
    ReferringPhysicianTelephoneNumbers RegionOfResidence RequestedProcedureID RequestingService
    ResponsibleOrganization ResultsID ScheduledProcedureStepID ScheduledProcedureStepLocation
    ScheduledStationAETitle ScheduledStationName ServiceEpisodeID StationName StudyID
"""
SEQUENCES = """
    InstitutionCodeSequence InstitutionalDepartmentTypeCodeSequence
    IssuerOfAccessionNumberSequence IssuerOfPatientIDQualifiersSequence OtherPatientIDsSequence
    PatientPrimaryLanguageCodeSequence PersonIdentificationCodeSequence
"""
"""Those of PS3.15 Annex E whose texts may stand in a description again."""


@pytest.mark.parametrize("keyword", ELEMENTS.split())
def test_every_element_that_identifies(tmp_path: Path, keyword: str) -> None:
    secret = "045Y" if keyword == "PatientAge" else "Zweig"
    text = f"Knee of {secret}"
    made = picture("1.2", "1.3", SeriesDescription=text, ProtocolName="Knee routine")
    made.add_new(keyword, dictionary_VR(keyword), secret)
    write(tmp_path / "a", made)
    (case,) = open_corpus(CorpusSpec("dicom", tmp_path, "mine"))
    assert isinstance(case, Case)
    assert case.caption == "CT. Knee routine."


@pytest.mark.parametrize("keyword", SEQUENCES.split())
def test_every_sequence_that_identifies(tmp_path: Path, keyword: str) -> None:
    elements = {
        "SeriesDescription": "Knee of Zweig",
        "ProtocolName": "Knee routine",
        keyword: [item(CodeMeaning="Zweig")],
    }
    assert read_one(tmp_path, **elements).caption == "CT. Knee routine."


def test_words_of_comments_go_and_what_is_said_of_pictures_stays(tmp_path: Path) -> None:
    case = read_one(
        tmp_path,
        PatientComments="Zweig's widow, pain in the left knee, scan with contrast on the right",
        StudyDescription="Left knee with contrast",
        SeriesDescription="Knee Zweig",
        ProtocolName="widow",
    )
    assert case.caption == "CT. Left knee with contrast."


@pytest.mark.parametrize(
    ("kind", "text", "goes"),
    [
        ("PN", "Zweig", True),
        ("LO", "Zweig^Anna", True),
        ("SH", "Zweig, A", True),
        ("LT", "Zweig,Anna Maria", True),
        ("ST", "Roe^Zweig", True),
        ("UT", "A^Zweig", True),
        ("LO", "CHEST", False),
        ("LO", "Knee^of Zweig ", False),  # the copy of a description
        ("LO", "Zweig 1.0 I70f", False),
        ("SH", "KNEE^CHEST", False),
    ],
)
def test_private_elements(tmp_path: Path, kind: str, text: str, goes: bool) -> None:
    shown = "Knee^of Zweig" if "of" in text else "Knee Chest Zweig"
    made = picture("1.2", "1.3", SeriesDescription=shown, BodyPartExamined="FOOT")
    block = made.private_block(0x0029, "MAKER", create=True)
    block.add_new(1, kind, text)
    write(tmp_path / "a", made)
    (case,) = open_corpus(CorpusSpec("dicom", tmp_path, "mine"))
    assert isinstance(case, Case)
    expected = "CT, foot." if goes else f"CT, foot. {shown.replace('^', ' ')}."
    assert case.caption == expected


def test_a_header_that_cannot_be_read_whole_lends_no_text(tmp_path: Path) -> None:
    write(tmp_path / "a", picture("1.2", "1.3", ProtocolName="Knee", PatientID="ABCD"))
    whole = (tmp_path / "a").read_bytes()
    broken = whole.replace(b"\x10\x00\x20\x00LO", b"\x10\x00\x20\x00ZZ")  # there is no such VR
    assert broken != whole
    (tmp_path / "a").write_bytes(broken)
    (case,) = open_corpus(CorpusSpec("dicom", tmp_path, "mine"))
    assert isinstance(case, Case)
    assert case.caption == "CT."


names = st.text(string.ascii_letters + "äöüéñß", min_size=2, max_size=12)
ids = st.text(string.ascii_uppercase + string.digits, min_size=2, max_size=12)
ways = st.sampled_from(["{}", "CT {}", "Chest_{}_routine", "HEAD^{}", "{}: knee", "x-{}.y", "({})"])
spelt = st.sampled_from([str, str.upper, str.lower, str.title])


@given(
    st.sampled_from(IDENTIFYING),
    st.one_of(names, ids),
    st.sampled_from(DESCRIPTIONS),
    ways,
    spelt,
)
def test_nothing_that_identifies_is_repeated(
    tmp_path_factory: pytest.TempPathFactory,
    keyword: str,
    secret: str,
    place: str,
    way: str,
    spell: object,
) -> None:
    assume(fold(secret) not in PLAIN)
    folder = tmp_path_factory.mktemp("secret")
    elements = {"SpecificCharacterSet": "ISO_IR 192", "BodyPartExamined": "KNEE"}
    assert callable(spell)
    text = way.format(spell(secret))
    without = said(read_one(folder, **elements))
    case = read_one(folder, **elements, **{keyword: secret, place: text})
    assert said(case) == without


@given(
    st.dates(datetime.date(1920, 1, 1), datetime.date(2030, 12, 31)),
    st.sampled_from(
        ["%Y%m%d", "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d.%m.%y", "%m-%d-%y", "%d %b %Y", "%B %d",
         "%d%b%y", "%Y_%m_%d", "%b %Y", "%d %B", "%Y/%m/%d", "%d. %B %Y"]
    ),
    ways,
)  # fmt: skip
def test_no_date_is_repeated(
    tmp_path_factory: pytest.TempPathFactory, day: datetime.date, form: str, way: str
) -> None:
    folder = tmp_path_factory.mktemp("date")
    assert read_one(folder, StudyDescription=way.format(day.strftime(form))).caption == "CT."


def test_a_library_holds_nothing_that_identifies(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    secrets = [
        "Müller",
        "Mueller",
        "Anna",
        "4711",
        "ACC2004",
        "Elsewhere",
        "19560312",
        "Wu",
        "CT01",
    ]
    person = {**PERSON, "PatientComments": "calls herself Zaphod", "PatientSex": "F"}
    write_series(
        tree / "a", "1.2.840.113619.5", [0, 1, 2], size=32, SeriesDescription="Pancreas arterial",
        StudyDescription="CT Müller Anna", ProtocolName="PAT-4711 routine", **person,
    )  # fmt: skip
    write_series(
        tree / "b", "1.2.840.113619.6", [0, 1, 2, 3], size=32, SeriesDescription="Knee PD fat sat",
        StudyDescription="seen by Wu, 19.01.2004", **{**person, "Modality": "MR"},
    )  # fmt: skip
    reports: list[str] = []
    summary = api.build(
        tmp_path / "library",
        [f"dicom={tree}"],
        encoder="compact",
        report=lambda skipped: reports.append(str(skipped)),
    )
    assert (summary.cases, summary.images, summary.embedded, reports) == (2, 2, 2, [])
    with api.Library.open(tmp_path / "library") as library:
        first = next(iter(library.search(Query(text="pancreas"), 1)))
        assert first.case.caption == "CT, axial. Pancreas arterial."
        assert first.case.image is not None
        assert first.case.image.path.name == "001"
        assert library.thumbnail(first.id)
        assert dict(library.facets("modality")) == {"CT": 1, "MR": 1}
    for file in (tmp_path / "library").rglob("*"):
        if file.is_file() and file.suffix != ".f16":  # rows of numbers
            content = file.read_bytes().lower()
            for secret in [*secrets, "Zaphod", "113619", "1956", "045Y"]:
                found = len(secret) > 3 and secret.lower().encode() in content
                assert not found, (file.name, secret)
