"""What a case's source says between the lines: article, licence class, year, modality, region.

Modalities are DICOM's codes where there is one (``CT MR XR US NM PET XA MG OCT ECG``, with CR, DX
and fluoroscopy under XR) and plain words elsewhere; regions are plain words. A value comes, in
this order, from the reader (``dicom``, ``column:NAME`` …), from UMLS concepts
(``umls:C0040405``), from a column that is named after it (``column:Type``), or from the
caption's words (``caption``).

When words name several, the one named most often is taken, and of equals the first: a caption
says first, and again, what it shows. When concepts name several, the caption's words decide
between them, or else the order of the concepts. Angiography is a technique of many modalities,
so its concept yields to the words ("CT angiogram"), and so does computed tomography to an
emission or coherence tomography, from whose names it is often taken.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath

from medclip_search.cases import Case, Value

MODALITIES = (
    "CT", "MR", "XR", "US", "NM", "PET", "XA", "MG", "OCT", "ECG", "Endoscopy", "Microscopy",
    "Photograph",
)  # fmt: skip

REGIONS = (
    "head", "eye", "teeth", "neck", "spine", "thorax", "heart", "breast", "abdomen", "pelvis",
    "upper limb", "lower limb", "whole body",
)  # fmt: skip

# ------------------------------------------------------------------------------ concepts

MODALITY_CONCEPTS = {
    "C0040405": "CT",
    "C0024485": "MR",
    "C1306645": "XR",
    "C0043299": "XR",
    "C0016356": "XR",
    "C0041618": "US",
    "C0013516": "US",
    "C0032743": "PET",
    "C0034606": "NM",
    "C0024671": "MG",
    "C0002978": "XA",
}
"""UMLS concepts of modalities, those with codes in ROCOv2 and a few more. On ROCO each was
checked by the words of the captions that have it. ``C0040399`` (SPECT) and ``C0014245``
(endoscopy) are not here: there they stand for "aspect" and endoscopic ultrasound."""

YIELDING = {"XA": frozenset(MODALITIES), "CT": frozenset({"PET", "NM", "OCT"})}
"""Modalities whose concepts yield, and to which modalities named in words."""

REGION_CONCEPTS = {
    "C0006104": "head", "C0037303": "head", "C0007765": "head", "C0024687": "head",
    "C0024947": "head", "C0022359": "head",
    "C0015392": "eye", "C0010031": "eye", "C0035298": "eye",
    "C0040426": "teeth", "C0026367": "teeth",
    "C0040132": "neck", "C0023078": "neck", "C0031354": "neck",
    "C0037949": "spine",
    "C0817096": "thorax", "C0024109": "thorax", "C0025066": "thorax", "C0006255": "thorax",
    "C0018787": "heart", "C0018827": "heart", "C0018792": "heart", "C0031050": "heart",
    "C0006141": "breast",
    "C0000726": "abdomen", "C0023884": "abdomen", "C0022646": "abdomen", "C0227665": "abdomen",
    "C0030274": "abdomen", "C0037993": "abdomen", "C0038351": "abdomen", "C0016976": "abdomen",
    "C0013303": "abdomen", "C0003617": "abdomen",
    "C0030797": "pelvis", "C0005682": "pelvis", "C0042149": "pelvis", "C0033572": "pelvis",
    "C0029939": "pelvis", "C0039597": "pelvis", "C0007874": "pelvis",
    "C0037004": "upper limb", "C0020164": "upper limb", "C0013769": "upper limb",
    "C0034627": "upper limb", "C0041600": "upper limb", "C0043262": "upper limb",
    "C0018563": "upper limb", "C0016129": "upper limb", "C0036277": "upper limb",
    "C0019552": "lower limb", "C0015811": "lower limb", "C0039866": "lower limb",
    "C0022742": "lower limb", "C0030647": "lower limb", "C0040184": "lower limb",
    "C0003086": "lower limb", "C0016504": "lower limb",
}  # fmt: skip
"""UMLS concepts of organs and regions, checked likewise. Left out because ROCO gives them to
captions that mean something else: neck and head (cervical spine, femoral neck, pancreatic head),
cortex, colon (colonies), rectum (rectus muscle)."""

# --------------------------------------------------------------------------------- words

MODALITY_WORDS = {
    "CT": r"""
        comput\w+ tomo\w+, comput\w+ axial tomo\w+, comput\w+ microtomo\w+, cone beam comput\w+,
        x ray comput\w+ tomo\w+, x ray tomo\w+, x ray microtomo\w+, tomodensit\w+, hounsfield,
        multi ?detector, cat scans?, micro ct,
        virtual (?:colono|broncho|endo)scop\w+, (?:HR|CE|NC|NE|MD|MS|CB|LD|DE|QC|micro)?CTs?, CTA,
        CTV, CTPA, CCTA,
        CTA? (?:angio|veno|uro|entero|colono|arthro|myelo|cysto|perfusion|cholangio)\w*,
        comput\w+ tomo\w+ (?:angio|veno|uro|entero|colono|arthro|myelo)\w+""",
    "MR": r"""
        magnetic resonance,
        magnetic resonance (?:angio|veno|cholangio|entero|uro|arthro|spectro)\w+,
        (?:spin|gradient|turbo|recalled) echo, T[12]w?, t[12]wi?,
        t[12] (?:weight\w*|hyper\w*|hypo\w*|signal|imag\w*|sequence\w*|fat\w*),
        (?:diffusion|susceptibility|perfusion) weight\w*, diffusion tensor, proton density,
        gadolinium\w*, fat sat\w*, fat suppress\w*, tractogra\w+, [fc]?MRIs?, MR, MRA, MRV, MRCP,
        MRS, MRE, CMR, FLAIR, STIR, DWI, ADC, SWI, GRE, MPRAGE, FIESTA, CISS,
        MRI? (?:angio|veno|cholangio|entero|uro|arthro|myelo|spectro)\w+""",
    "XR": r"""
        radiogra(?:ph|m)\w*, teleradiogra\w+, x rays?, xrays?, roentgen\w*, plain films?,
        (?:chest|abdominal|scout) films?, ortho?pantom\w+, cephalograms?, cephalometric\w*,
        panoramic, skiagra\w+, barium, fluoroscop\w+, urogra\w+, (?:uretero)?pyelogra\w+,
        cystogra[mp]\w*, cystourethrogra[mp]\w*, urethrogra[mp]\w*, hysterosalpingogra\w+,
        cholangiogra[mp]\w*, cholangiopancreatogra\w+, endoscopic retrograde, arthrogra[mp]\w*,
        myelogra[mp]\w*, o?esophagogra\w*, gastrografin, (?:barium|contrast) enema, bitewing, CXR,
        KUB, OPG, IOPA, ERCP, IVU, IVP, VCUG, HSG, DE?XA""",
    "US": r"""
        ultrasounds?, ultrasonogra\w+, ultrasonic (?:imag|scan|exam|view|find)\w*, UBM,
        endoscopic ultraso\w*, ultrasound biomicroscop\w+, sonogra\w+, elastosonogra\w+, echogra\w+,
        doppler, echo, echocardiogra\w+, (?:hypo|hyper|iso|an)?echo(?:ic|genic)\w*, echotexture,
        [bm] mode, b scan, parasternal, transo?esophageal view,
        US (?:imag|scan|exam|show|reveal|demonstrat|guid|find)\w*,
        (?:abdominal|pelvic|transvaginal|renal|thyroid|doppler|gr[ae]yscale) US, EUS, EBUS, IVUS,
        TTE, TEE, TVUS, USG, POCUS, CEUS""",
    "NM": r"""
        scinti\w+, lymphoscinti\w+, bone scans?, single photon emission, gamma camera,
        radionuclide\w*, sestamibi, technetium\w*, 99m\w*, thallium\w*, octreo\w+ scan, SPECT,
        SPECT CT, MIBG, HIDA, DMSA""",
    "PET": r"""
        positron emission, positron emission tomogra\w+ comput\w+ tomogra\w+, fluorodeoxyglucose,
        PET, PET CT, PET MRI?, FDG, FDG PET, FDG PET CT""",
    "XA": r"""
        (?:cine|ventriculo)?angiogra\w+, arteriogra\w+, aortogra\w+, venogra[mp]\w*,
        phlebogra[mp]\w*, cavogra[mp]\w*, ventriculogra\w+, digital subtraction, fistulogra\w+,
        digital subtraction angio\w+, DSA""",
    "MG": r"mammogra\w+, tomosynthesis, DBT",
    "OCT": r"optical coherence, optical coherence tomo\w+, (?:SD|SS|AS)?OCTA?",
    "ECG": r"electro ?cardiogra\w+, rhythm strip, (?:12|twelve) lead, ECG, EKG",
    "Endoscopy": r"""
        (?:naso|video)?endoscop\w+,
        (?:colono|gastro|broncho|laryngo|cysto|arthro|laparo|hystero)scop\w+,
        (?:thoraco|sigmoido|duodeno|entero|procto|uretero|o?esophago|nasopharyngo|oto)scop\w+,
        o?esophagogastroduodenoscop\w+, capsule endoscop\w+, EGD, OGD, VATS""",
    "Microscopy": r"""
        photomicro\w+, micrographs?, microscop\w+, electron micro\w+, histo(?:log|path|chem)\w+,
        immuno(?:histo|cyto|fluor|stain)\w+, ha?ematoxylin\w*, eosin, original magnification,
        cytolog\w+, h e, giemsa, stained, staining, F?E?SEM, TEM, IHC""",
    "Photograph": r"""
        photo, photos, photograph\w*, slit lamp, biomicroscop\w+, fluorescein angio\w+,
        fundus fluorescein angio\w+, indocyanine green angio\w+, fundus (?:photo|auto|imag)\w*,
        gross (?:specimen|appearance|patholog|examination)\w*, clinical picture,
        intra ?operative (?:view|picture|photo)\w*, intraoral (?:view|picture|photo)\w*, ICGA,
        FFA""",
    "": r"""
        x rays? (?:diffract|crystal|photoel|spectr|fluoresc|microan|absorp|scatt)\w+,
        dispersive x ray, (?:ECG|EKG|electrocardiogra\w+) (?:gat|trig|sync)\w+, double echo,
        t1 (?:colony|vertebra\w*|nerve|root|level|stage|tumou?r),
        t2 (?:vertebra\w*|nerve|root|level|stage|tumou?r), mitral regurgitation MR, MR mitral,
        MR jet, barium (?:titan|sulph|sulf)\w+, ct value""",
}  # fmt: skip
"""Modalities and the terms that name them (see ``Terms``); ``""`` for those that name none."""

REGION_WORDS = {
    "head": r"""
        brains?, brainstem, cerebr\w+, cerebell\w+, intracrani\w+, intra crani\w+, crani\w+,
        neurocrani\w+, skulls?, scalp, calvari\w+, hemispher\w+, (?:frontal|temporal) \w+, frontal,
        parietal, occipital, temporal, temporo\w+, fronto\w+, parieto\w+, white matter,
        gr[ae]y matter, thalam\w+, basal ganglia, putamen, caudate nucle\w+, corpus callosum, pons,
        pontine, medulla oblongata, mid ?brain, mesenceph\w+, pituitar\w+, sella, sellar,
        suprasella\w*, cerebellopontine, hippocamp\w+, mening\w+, subdural, subarachnoid, falx,
        tentori\w+, (?:infra|supra)tentori\w+, sylvian, pineal, chiasm\w*,
        (?:middle|anterior|posterior) cerebral artery, cavernous sinus, gyr(?:us|i), sulc(?:us|i),
        periventric\w+, (?:third|fourth|3rd|4th|lateral) ventricles?, ventriculomegaly,
        ventriculo ?peritoneal, intraventricular h\w+, hydroceph\w+, extra ?axial, intra ?axial,
        (?:maxillary|sphenoid\w*|ethmoid\w*|paranasal|frontal) sinus\w*, sphenoid\w*, ethmoid\w*,
        mastoid\w*, cochlea\w*, middle ear, inner ear, (?:internal|external) auditory \w+, nasal,
        nose, face, facial, zygoma\w*, mandib\w+, maxill\w+, jaws?, temporomandib\w+, tongue,
        palate, palatal, lips?, oral cavity, clivus, clival, head""",
    "eye": r"""
        eyes?, retinas?, retinal, cornea\w*, macula\w*, intra ?ocular, ocular, orbits?, orbital,
        optic nerves?, optic dis[ck]s?, vitre\w+, fundus (?:photo|auto|imag|exam|fluorescein)\w*,
        fundoscop\w+, conjunctiv\w+, eyelids?, lacrimal, iris, cataract\w*, anterior chamber,
        globes?, fovea\w*, retro ?bulbar, extra ?ocular, intraconal, lens, choroidal""",
    "teeth": r"""
        tooth, teeth, dental, dentit\w+, (?:pre)?molars?, incisors?, maxillary canines?, periapical,
        root canals?, endodont\w+, orthodont\w+, panoramic, ortho?pantom\w+, gingiv\w+,
        alveolar (?:bone|ridge|crest), periodont\w+, bitewing, occlusal, edentul\w+, dentin\w*, OPG,
        IOPA""",
    "neck": r"""
        carotids?, (?:internal|common|external) carotid arter\w+, cervical (?:lymph|nodes?|mass\w*),
        para ?thyroid\w*, thyroid\w*, laryn\w+, (?:naso|oro|hypo)?pharyn(?:x|ge)\w*, epiglott\w*,
        retropharyn\w+, parapharyn\w+, parotid\w*, submandibular, vocal cords?, hyoid, jugular,
        necks?, tonsil\w*, supraclavicular, (?:supra|sub)glott\w+""",
    "spine": r"""
        spine, spinal, vertebra\w*,
        (?:cervical|thoracic|dorsal|lumbar|sacral) (?:spin|vert|dis[ck])\w*,
        (?:cervical|thoracic|lumbar) (?:cord|fusion|lordosis|stenosis),
        (?:cervical|thoracic|lumbar) (?:myelo\w+|spondyl\w+|radicul\w+),
        intervertebral, paravertebral, paraspinal, epidural, lumbar, lumbo\w+, scolio\w+, kypho\w+,
        spondyl\w+, sacrum, sacral, cauda equina, myelo(?:path|men)\w+, conus, syrinx,
        pedicle screws?, thecal, neural foram\w+, odontoid, atlanto ?\w+, cervicothoracic,
        facet joints?, c\d c\d, l\d l\d, t\d\d? t\d\d?, l5 s1, l\d \d, c\d \d, C[2-7], L[1-5],
        T(?:[3-9]|1[0-2]), thoracolumbar""",
    "thorax": r"""
        chests?, lungs?, pulmonary, pleur\w+, (?:hydro|hemo)?pneumothora\w+, h[ae]+mothorax,
        pneumonia, mediastin\w+, thorax, thoracic, intrathoracic, hilar, hilum, trache\w+,
        bronch\w+, endobronch\w+, carina\w*, (?:upper|middle|lower) lobes?, R[UML]L, L[UL]L, ribs?,
        sternum, sternal, diaphragm\w*, o?esophag\w+, aort(?:a|ic), aortic arch, subclavian,
        superior vena cava, thymus, thymic, thymoma, lingula\w*, ground glass, costal, axill\w+,
        CXR""",
    "heart": r"""
        hearts?, cardiac, (?:peri|epi|endo|myo)card\w+, coronary, mitral, tricuspid, aortic valve,
        aortic (?:root|stenosis|regurg\w+|annul\w+), pulmonary valve, pulmonic valve,
        (?:left|right|single) ventric\w+, biventric\w+, interventricular septum,
        ventricular (?:sept|wall|outflow|hypertr|tachy|ejection|aneur)\w*, atri(?:al|um|a),
        interatrial, echocardiogra\w+, (?:four|4|two|2) chamber, parasternal, cardiomy\w+,
        valv(?:e|ular), LVEF, electro ?cardiogra\w+, ECG""",
    "breast": r"breasts?, mammar\w+, mammogra\w+, nipple\w*, retroareolar",
    "abdomen": r"""
        abdom\w+, intra ?abdom\w+, abdominal aort\w+, thoracoabdominal, liver, hepat\w+,
        intra ?hepatic, perihepatic, kidneys?, renal, renal pelvis, nephr\w+, hydroneph\w+,
        perineph\w+, (?:peri)?pancrea\w+, pancreatic (?:head|neck|tail|body),
        (?:head|neck|tail|body) of pancreas, uncinate, splen\w+, spleen, gallbladder,
        gallbladder (?:neck|fundus), gallstones?, biliary, bile, choledoch\w+, cholecyst\w+,
        cholangio\w+, bowel, intestin\w+, colon, colonic, sigmoid, ca?ecum, ca?ecal, ileum, ileal,
        ileo\w+, jejun\w+, duoden\w+, stomach, gastric, gastric fundus, appendix, appendic\w+,
        periton\w+, retroperiton\w+, mesent\w+, oment\w+, (?:superior|inferior) mesenteric arter\w+,
        c(?:o?e)liac, adrenal\w*, ureter\w*, portal vein, inferior vena cava, IVC, SMA, umbilic\w+,
        psoas, ascites, colonoscop\w+, intussuscep\w+, diverticul\w+, porta hepatis, quadrant, KUB,
        ERCP, MRCP""",
    "pelvis": r"""
        pelvi[sc]\w*, uterus, uterine, uterine fundus, intra ?uterine, (?:endo|myo)metri\w+, cervix,
        cervical (?:cancer|carcinoma|os), ovary, ovaries, ovarian, adnex\w+,
        (?:trans|endo)?vagin\w+, prostat\w+, bladder, rectum, rectal, perirectal, rectosigmoid,
        anal, perian\w+, scrot\w+, test[ie]s, testic\w+, epididym\w+, penis, penile, seminal,
        urethr\w+, placent\w+, f(?:o?e)t(?:us|al), gestation\w*, inguin\w+, groin, acetabul\w+,
        iliac, ilium, ischi(?:um|al|atic), pubic, pubis, sacro ?ilia\w+, perine(?:al|um),
        coccy\w+""",
    "upper limb": r"""
        shoulders?, humer(?:us|al), humeral (?:head|neck|shaft)s?, gleno\w+, rotator cuff,
        supraspinatus, clavic\w+, scapul\w+, acromi\w+, elbows?, olecranon, forearms?,
        upper (?:arm|limb|extremit)\w*, radius, radial (?:head|neck|styloid),
        (?:head|neck) of radius, (?:head|neck) of humerus, ulnar?, radioulnar, wrists?,
        carp(?:al|us), scaphoid, lunate, metacarp\w+, (?:left|right|both) hands?, hand, hands,
        fingers?, thumbs?, arms?, brachial""",
    "lower limb": r"""
        hips?, femur, femoral, femora, femoro\w+, femoral (?:head|neck|shaft|condyle)s?,
        (?:head|neck) of femur, thighs?, knees?, patell\w+, menisc\w+, cruciate, tibi\w+, fibul\w+,
        fibular head, ankles?, tal(?:us|ar), calcane\w+, foot, feet, metatars\w+, tarsal, toes?,
        hallux, achilles, poplite\w+, lower (?:leg|limb|extremit)\w*, legs?, gastrocnem\w+,
        saphen\w+, quadriceps, hamstring\w*, plantar, heel""",
    "whole body": r"(?:whole|full|total) body, babygram, skeletal survey",
    "": r"""
        on other hand, other hand, hand side, arrow ?heads?, neck of aneurysm, aneurysm neck,
        aneurysmal neck, screw head, heading, arms? of study, stent lumen, foot process\w*,
        in face of, eye of tiger, vertebral arter\w+, cortical bone""",
}  # fmt: skip
"""Regions and the terms that name them; ``""`` where a word of theirs means none."""

MODALITY_CODES = {
    "CT": "CT", "MR": "MR", "MRI": "MR", "CR": "XR", "DX": "XR", "DR": "XR", "RF": "XR", "RG": "XR",
    "XR": "XR", "PX": "XR", "IO": "XR", "XRAY": "XR", "X-RAY": "XR", "XA": "XA", "MG": "MG",
    "US": "US", "IVUS": "US", "EUS": "US", "NM": "NM", "PT": "PET", "PET": "PET", "OPT": "OCT",
    "OCT": "OCT", "ECG": "ECG", "ES": "Endoscopy", "SM": "Microscopy", "GM": "Microscopy",
    "XC": "Photograph", "OP": "Photograph",
}  # fmt: skip
"""DICOM modality codes (PS3.3 C.7.3.1.1.1) and usual short names."""

REGION_CODES = {
    "CSPINE": "spine", "TSPINE": "spine", "LSPINE": "spine", "SSPINE": "spine", "GI": "abdomen",
    "GASTROINTESTINAL": "abdomen", "NEURO": "head", "BRAIN AND NEURO": "head",
    "WHOLEBODY": "whole body", "EXTREMITIES": "", "HEAD AND NECK": "", "HEADNECK": "",
    "ABDOMENPELVIS": "abdomen", "CARDIOVASCULAR": "heart",
}  # fmt: skip
"""Labels of regions whose words say it otherwise; ``""`` where none of ours is meant."""

LONGEST_LABEL = 80
"""A column's value longer than this is a text, not a label."""

TOKEN = re.compile(r"[^\W_]+")
IGNORED = frozenset({"the"})
Matcher = Callable[[str], object]


class Terms:
    """Finds the terms of a vocabulary in a text, the longest at each place.

    A table holds terms apart by commas. A term is one pattern a word, in lower case, or with
    capitals where case counts (US is not "us"); hyphens and strokes part words as spaces do,
    ``"mid ?brain"`` is one word or two, and "the" is not counted. Which terms a word may start
    is worked out once a word and remembered, which makes reading a caption a few dictionary
    lookups.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        terms = [
            (label, form.split())
            for label, listed in table.items()
            for term in listed.split(",")
            for form in dict.fromkeys((term.replace(" ?", ""), term.replace(" ?", " ")))
        ]
        terms.sort(key=lambda term: -len(term[1]))
        self._terms = [(label, tuple(map(_matcher, words))) for label, words in terms]
        self._first = [
            re.compile("|".join({words[0] for _, words in terms if _cased(words[0]) == cased}))
            for cased in (False, True)
        ]
        self._starting = functools.lru_cache(maxsize=1 << 16)(self._terms_starting)

    def _terms_starting(self, word: str) -> tuple[tuple[str, tuple[Matcher, ...]], ...]:
        """The terms whose first word this is: label and further words, longest first."""
        if not self._first[0].fullmatch(word.lower()) and not self._first[1].fullmatch(word):
            return ()
        return tuple((label, words[1:]) for label, words in self._terms if words[0](word))

    def named(self, words: list[str]) -> list[str]:
        """The labels that words name: most often named first, of equals the first named."""
        labels = []
        place, count = 0, len(words)
        while place < count:
            step = 1
            for label, further in self._starting(words[place]):
                end = place + 1 + len(further)
                following = words[place + 1 : end]
                if end <= count and all(
                    m(word) for m, word in zip(further, following, strict=True)
                ):
                    step = end - place
                    if label:
                        labels.append(label)
                    break
            place += step
        if len(labels) < 2:
            return labels
        return sorted(dict.fromkeys(labels), key=lambda label: -labels.count(label))


def _cased(pattern: str) -> bool:
    return pattern != pattern.lower()


def _matcher(pattern: str) -> Matcher:
    """What tells whether a word is one that a pattern means."""
    fullmatch = re.compile(pattern).fullmatch
    return fullmatch if _cased(pattern) else lambda word: fullmatch(word.lower())


def words_of(text: str) -> list[str]:
    """The words of a text, as the vocabularies count them."""
    return [word for word in TOKEN.findall(text) if word not in IGNORED]


MODALITY_TERMS = Terms(MODALITY_WORDS)
REGION_TERMS = Terms(REGION_WORDS)


def words_to_modalities(text: str) -> list[str]:
    """The modalities that a text names: most often named first, of equals the first named."""
    return MODALITY_TERMS.named(words_of(text))


def words_to_regions(text: str) -> list[str]:
    """The body regions that a text names: most often named first, of equals the first named."""
    return REGION_TERMS.named(words_of(text))


# -------------------------------------------------------------------------------- labels


@functools.lru_cache(maxsize=4096)
def as_modality(label: str) -> str | None:
    """A column's or a DICOM header's modality in our vocabulary; ``None`` if not recognised."""
    label = label.strip()
    if not label or len(label) > LONGEST_LABEL:
        return None
    for name in MODALITIES:
        if label.lower() == name.lower():
            return name
    if label.upper() in MODALITY_CODES:
        return MODALITY_CODES[label.upper()]
    return next(iter(words_to_modalities(label)), None)


@functools.lru_cache(maxsize=4096)
def as_region(label: str) -> str | None:
    """A column's or a DICOM header's body part in our vocabulary; ``None`` if not recognised."""
    label = label.strip().replace("_", " ")
    if not label or len(label) > LONGEST_LABEL:
        return None
    if label.upper() in REGION_CODES:
        return REGION_CODES[label.upper()] or None
    if label.lower() in REGIONS:
        return label.lower()
    return next(iter(words_to_regions(label)), None)


def key(column: str) -> str:
    """A column's own name, without what it is nested in, case and separators."""
    return re.sub(r"[\W_]", "", column.rpartition(".")[2]).lower()


MODALITY_COLUMNS = ("modality", "imagingmodality", "imagemodality", "type", "imagetype")
REGION_COLUMNS = ("region", "bodyregion", "bodypart", "bodypartexamined", "anatomy", "organ",
                  "locationcategory", "location")  # fmt: skip
YEAR_COLUMNS = ("year", "publicationyear", "pubyear", "publicationdate", "pubdate",
                "datepublished", "published", "date", "studydate")  # fmt: skip
ARTICLE_COLUMNS = ("pmcid", "pmc", "pmcaccession", "accessionid", "article", "articleid",
                   "articleurl", "url", "link", "source", "figure", "file",
                   "filename")  # fmt: skip
LICENCE_COLUMNS = ("licence", "license", "licencename", "licensename", "licenceurl",
                   "licenseurl", "rights")  # fmt: skip
"""Names of columns that are what they say, best first."""


def _columns(metadata: Mapping[str, Value], names: tuple[str, ...]) -> list[tuple[str, str]]:
    """The columns with one of these names, in the order of the names, and their values."""
    return [(column, str(metadata[column])) for column in _named(tuple(metadata), names)]


@functools.lru_cache(maxsize=4096)
def _named(columns: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    return [column for name in names for column in columns if key(column) == name]


# --------------------------------------------------------- article, licence, year by rules

ARTICLE = re.compile(r"(?<![A-Za-z])PMC[ _-]?(\d{4,9})(?!\d)", re.IGNORECASE)
YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?:(?!\d)|(?=[01]\d[0-3]\d(?!\d)))")

CREATIVE = re.compile(
    r"(?:cc|creative[ -]?commons|creativecommons\.org/licenses)[ /_:-]*(?:attribution|by)"
    r"(?P<terms>(?:[ /_–-]*(?:nc|nd|sa|non-?commercial|no-?deriv\w*|share-?alike)\b)*)"
    r"[ /_-]*(?:international|generic|unported)?[ /_v-]*(?P<version>[1-4]\.[05])?",
    re.IGNORECASE,
)
PUBLIC = re.compile(
    r"\bcc[ _-]?0\b|publicdomain/(?:zero|mark)|\bcc[ -]zero\b|public[ _-]domain|\bpdm\b",
    re.IGNORECASE,
)


def find_article(text: str, bare: bool = False) -> str | None:
    """The PubMed Central id in a text; with ``bare`` also a number that is the whole of it."""
    if found := ARTICLE.search(text):
        return f"PMC{found[1]}"
    digits = text.strip().removesuffix(".0")
    return f"PMC{digits}" if bare and re.fullmatch(r"\d{4,9}", digits) else None


def find_year(text: str) -> int | None:
    """The year in a date or a text, from 1800 to the next one."""
    found = YEAR.search(text)
    if found is None or int(found[1]) > datetime.date.today().year + 1:
        return None
    return int(found[1])


@functools.lru_cache(maxsize=1024)
def licence_name(text: str) -> str:
    """A Creative Commons licence as ``CC BY-NC-SA 4.0``, ``CC0``; others as they stand."""
    if found := CREATIVE.search(text):
        terms = re.sub(r"[ _–-]", "", found["terms"].lower())
        parts = ["CC BY"]
        parts += ["NC"] if re.search(r"nc|noncomm", terms) else []
        parts += ["SA"] if re.search(r"sa|share", terms) else []
        parts += ["ND"] if re.search(r"nd|noderiv", terms) else []
        return "-".join(parts) + (f" {found['version']}" if found["version"] else "")
    if PUBLIC.search(text):
        return "public domain" if re.search(r"domain(?!/zero)|mark|pdm", text, re.I) else "CC0"
    return " ".join(text.split())


@functools.lru_cache(maxsize=1024)
def licence_class(text: str) -> str:
    """``commercial``, ``noncommercial`` or ``other``, as PMC groups its open-access subset.

    Commercial: CC0, CC BY, CC BY-SA, CC BY-ND and the public domain. Non-commercial: every
    licence with NC. Other: none that a machine can tell, custom ones, and a bare "CC".
    ND forbids adaptations, not commerce, and is not told apart here; its name is in ``licence``.
    https://pmc.ncbi.nlm.nih.gov/tools/openftlist/
    """
    name = licence_name(text)
    if not name.startswith(("CC BY", "CC0", "public domain")):
        return "other"
    return "noncommercial" if "-NC" in name else "commercial"


# ------------------------------------------------------------------------------ describe


def describe(case: Case) -> Case:
    """The case with all that can be derived of it; what its reader has set stays.

    ``origins`` says where each derived value came from. A licence's name is put in the one
    spelling of ``licence_name``.
    """
    changed: dict[str, object] = {}
    origins: dict[str, str] = {}

    def derive(field: str, found: tuple[str | int | None, str]) -> None:
        value, origin = found
        if value is not None:
            changed[field] = value
            origins[field] = origin

    if case.article is None:
        derive("article", _article(case))
    licence = case.licence
    if licence is None:
        for column, value in _columns(case.metadata, LICENCE_COLUMNS):
            licence = value
            origins["licence"] = f"column:{column}"
            break
    if licence is not None:
        if (name := licence_name(licence)) != case.licence:
            changed["licence"] = name
        if case.licence_class is None:
            derive("licence_class", (licence_class(licence), "licence"))
    if case.year is None:
        derive("year", _year(case.metadata))
    words = words_of(case.caption)
    if case.modality is None:
        derive("modality", _modality(case, MODALITY_TERMS.named(words)))
    if case.region is None:
        derive("region", _region(case, REGION_TERMS.named(words)))
    if not changed:
        return case
    return replace(case, origins={**case.origins, **origins}, **changed)  # type: ignore[arg-type]


def _article(case: Case) -> tuple[str | None, str]:
    if found := find_article(case.id):
        return found, "id"
    if case.image is not None:
        place = PurePath(case.image.member or case.image.path)
        if found := find_article("/".join(place.parts[-2:])):
            return found, "image"
    for column, value in _columns(case.metadata, ARTICLE_COLUMNS):
        if found := find_article(value, bare=key(column).startswith("pmc")):
            return found, f"column:{column}"
    return None, ""


def _year(metadata: Mapping[str, Value]) -> tuple[int | None, str]:
    for column, value in _columns(metadata, YEAR_COLUMNS):
        if (year := find_year(value)) is not None:
            return year, f"column:{column}"
    return None, ""


def _modality(case: Case, named: list[str]) -> tuple[str | None, str]:
    value, origin = _from_concepts(case.cuis, MODALITY_CONCEPTS, named)
    if value is not None and not (named and named[0] in YIELDING.get(value, ())):
        return value, origin
    for column, label in _columns(case.metadata, MODALITY_COLUMNS):
        if (value := as_modality(label)) is not None:
            return value, f"column:{column}"
    return (named[0], "caption") if named else (None, "")


def _region(case: Case, named: list[str]) -> tuple[str | None, str]:
    value, origin = _from_concepts(case.cuis, REGION_CONCEPTS, named)
    if value is not None:
        return value, origin
    for column, label in _columns(case.metadata, REGION_COLUMNS):
        if (value := as_region(label)) is not None:
            return value, f"column:{column}"
    return (named[0], "caption") if named else (None, "")


def _from_concepts(
    cuis: tuple[str, ...], table: Mapping[str, str], named: list[str]
) -> tuple[str | None, str]:
    """The value that concepts stand for; of several, the one that the words name first."""
    by_value: dict[str, str] = {}
    for cui in cuis:
        if cui in table:
            by_value.setdefault(table[cui], cui)
    if not by_value:
        return None, ""
    value = next((one for one in named if one in by_value), next(iter(by_value)))
    return value, f"umls:{by_value[value]}"
