"""``roco=DIR``: Radiology Objects in COntext, version 1, in the folders it is published in.

O. Pelka, S. Koitka, J. Rückert, F. Nensa, C. M. Friedrich: Radiology Objects in COntext (ROCO):
a multimodal image dataset. MICCAI workshops CVII-STENT and LABELS, 2018.
https://github.com/razorx89/roco-dataset
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from medclip_search.cases import Case, ImageSource, Value
from medclip_search.corpora import reasons
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.captions import Gate, checked_caption, clean
from medclip_search.corpora.files import (
    check_folder,
    file_fault,
    folder_fault,
    list_folder,
    unread,
)
from medclip_search.corpora.lines import UTF8_REMEDY, Line, estimate_lines, read_lines
from medclip_search.errors import CorpusError

SPLITS = ("train", "validation", "test")
GROUPS = ("radiology", "non-radiology")
SIDE_FILES = ("keywords.txt", "cuis.txt", "semtypes.txt", "dlinks.txt", "licences.txt")
SUFFIXES = (".jpg", ".jpeg", ".png")
ENTRY = re.compile(r"(ROCO_\d+)(?:[\t,](.*))?", re.DOTALL)
ARTICLE = re.compile(r"PMC\d+")
PLACE_IMAGES = "text only; put the figures there as ROCO_<number>.jpg to see and embed them"


class Group(NamedTuple):
    """One folder of figures: ``data/train/radiology`` and its like."""

    folder: Path
    name: str
    metadata: dict[str, Value]

    @property
    def captions(self) -> Path:
        return self.folder / "captions.txt"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def has_images(self) -> bool:
        """Whether there is a folder of images, be it one that cannot be read."""
        return folder_fault(self.images) not in (reasons.ABSENT, reasons.NOT_A_FOLDER)

    @property
    def has_cases(self) -> bool:
        return file_fault(self.captions) != reasons.ABSENT or self.has_images


class SideFile:
    """A file of one line a case, read beside ``captions.txt`` whatever its order.

    Lines are read on until the wanted one comes; those passed over are kept until they are
    asked for. As published, all files have the same order, and nothing is kept for long.
    """

    def __init__(self, path: Path, name: str) -> None:
        fault = file_fault(path)
        self._lines = iter(()) if fault else read_lines(path)
        self._name = name
        self._passed: dict[str, str] = {}
        self.problems: list[Skipped] = []
        if fault and fault != reasons.ABSENT:
            self.problems.append(unread(name, fault, dropped=False))

    def take(self, case_id: str) -> str:
        """What the file says of a case, without its id; ``""`` if it says nothing."""
        while case_id not in self._passed:
            found = next(self._entries(), None)
            if found is None:
                return ""
            entry_id, text = found
            if entry_id == case_id:
                return text
            self._passed[entry_id] = text
        return self._passed.pop(case_id)

    def rest(self) -> Iterator[str]:
        """The ids that nobody asked for."""
        for entry_id, text in self._entries():
            self._passed[entry_id] = text
        yield from self._passed
        self._passed.clear()

    def _entries(self) -> Iterator[tuple[str, str]]:
        for line in self._lines:
            entry = parse_line(line, self._name, self.problems)
            if entry is None:
                continue
            if entry[0] in self._passed:
                self.problems.append(_part(f"{self._name}:{line.number}", reasons.DUPLICATE_ID))
                continue
            yield entry


def parse_line(line: Line, name: str, problems: list[Skipped]) -> tuple[str, str] | None:
    """Id and remainder of a line, or ``None`` with a report (blank lines and the header: none)."""
    where = f"{name}:{line.number}"
    if line.fault:
        remedy = UTF8_REMEDY if line.text else reasons.REMEDIES.get(line.fault, "")
        problems.append(_part(where, line.fault, remedy))
    text = line.text.strip("\ufeff\r\n ")
    if not text or text.startswith("ROCO_ID,"):
        return None
    entry = ENTRY.fullmatch(text)
    if entry is None:
        problems.append(_part(where, reasons.BAD_LINE))
        return None
    return entry[1], entry[2] or ""


def _part(where: str, reason: str, remedy: str = "") -> Skipped:
    return Skipped(where, reason, remedy, dropped=False)


class RocoCorpus:
    """The figures of every split and group under a folder, in the order of ``captions.txt``.

    The folder may be the dataset, its ``data``, a split or a group. Images that no caption
    names come after those that one does. Any file may be absent.
    """

    def __init__(self, spec: CorpusSpec) -> None:
        self.spec = spec
        self.root = check_folder(spec.path, "give the folder of ROCO")
        self._groups, self._unread = find_groups(self.root)
        if any(group.has_cases for group in self._groups):
            return
        for hidden in self._unread:
            raise CorpusError(
                f"{self.root}: no ROCO in it can be read ({hidden.what}: {hidden.reason}); "
                f"{hidden.remedy}"
            )
        raise CorpusError(
            f"{self.root}: no ROCO in it; looked for captions.txt or images/ under "
            "data/{train,validation,test}/{radiology,non-radiology}"
        )

    def count(self) -> int | None:
        total = 0
        for group in self._groups:
            if file_fault(group.captions) != reasons.ABSENT:
                total += estimate_lines(group.captions) or 0
            else:
                total += len(_list_images(group.images)[0])
        return total

    def __iter__(self) -> Iterator[Case | Skipped]:
        gate = Gate()
        yield from self._unread
        illustrated = any(group.has_images for group in self._groups)
        if not illustrated:
            yield _part(self._name(self.root / "images"), reasons.NO_IMAGES_FOLDER, PLACE_IMAGES)
        for group in self._groups:
            if not group.has_cases:
                yield Skipped(group.name, reasons.NOTHING_LEFT, "no captions.txt and no images/")
                continue
            if illustrated and not group.has_images:
                yield _part(f"{group.name}/images", reasons.NO_IMAGES_FOLDER, PLACE_IMAGES)
            yield from self._read(group, gate)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root.parent).as_posix()

    def _read(self, group: Group, gate: Gate) -> Iterator[Case | Skipped]:
        images, lost = _list_images(group.images)
        listed = group.has_images
        if fault := lost.pop("", ""):
            yield unread(f"{group.name}/images", fault)
            listed = False
        sides = {name: SideFile(group.folder / name, f"{group.name}/{name}") for name in SIDE_FILES}
        no_captions = file_fault(group.captions)
        if no_captions == reasons.ABSENT:
            yield _part(f"{group.name}/captions.txt", reasons.NO_CAPTIONS_FILE)
        elif no_captions:
            what = f"{group.name}/captions.txt"
            yield replace(unread(what, no_captions), incomplete=True)
        for line in () if no_captions else read_lines(group.captions):
            problems: list[Skipped] = []
            name = f"{group.name}/captions.txt"
            entry = parse_line(line, name, problems)
            if entry is None:
                yield from (replace(p, dropped=True, incomplete=line.is_cut) for p in problems)
                continue
            case_id, raw = entry
            where = f"{name}:{line.number} ({case_id})"
            if case_id in gate:
                yield Skipped(where, reasons.DUPLICATE_ID)
                continue
            caption, problem = checked_caption(raw.replace("\t", " "), where)
            if problem is not None:
                problems.append(problem)
            image = None
            if case_id in images:
                image = ImageSource(group.images / images.pop(case_id))
            elif case_id in lost:
                problems.append(_lost_image(group, case_id, lost.pop(case_id)))
            elif listed:
                what = f"{group.name}/images/{case_id}.jpg"
                problems.append(_part(what, reasons.MISSING_IMAGE))
            case = self._described(Case(case_id, self.spec.name, caption, image), group, sides)
            yield from gate.admit(case, where, problems)
        for case_id, file in sorted(images.items()):
            where = f"{group.name}/images/{file}"
            if case_id in gate:
                yield Skipped(where, reasons.DUPLICATE_ID)
                continue
            case = Case(case_id, self.spec.name, "", ImageSource(group.images / file))
            problems = []
            if not no_captions:
                problems.append(_part(where, reasons.EMPTY_CAPTION, "captions.txt has none"))
            yield from gate.admit(self._described(case, group, sides), where, problems)
        for case_id in sorted(lost):
            yield _lost_image(group, case_id, lost[case_id], dropped=case_id not in gate)
        yield from self._left_over(group, sides, gate)

    def _described(self, case: Case, group: Group, sides: dict[str, SideFile]) -> Case:
        """The case with all that the files beside ``captions.txt`` say of it."""
        keywords, cuis, semtypes, dlink, licence_line = (
            clean(sides[name].take(case.id)) for name in SIDE_FILES
        )
        figure, _, licence = licence_line.rpartition(",")
        metadata, origins = dict(group.metadata), {}
        kinds = [part.strip() for part in semtypes.split("\t")]
        names = [name for name in kinds if name and not re.fullmatch(r"T\d{3}", name)]
        file = dlink.rpartition("\t")[2].strip() or ARTICLE.sub("", figure, count=1).lstrip("_")
        if file:
            metadata["figure"] = file
        if names:
            metadata["semtypes"] = "; ".join(dict.fromkeys(names))
        article = None
        for text, origin in ((dlink, "dlinks.txt"), (figure, "licences.txt")):
            if found := ARTICLE.search(text):
                article, origins["article"] = found[0], origin
                break
        if licence.strip():
            origins["licence"] = "licences.txt"
        return replace(
            case,
            article=article,
            licence=licence.strip() or None,
            keywords=tuple(word.strip() for word in keywords.split("\t") if word.strip()),
            cuis=tuple(cui.strip() for cui in cuis.split("\t") if cui.strip()),
            metadata=metadata,
            origins=origins,
        )

    def _left_over(self, group: Group, sides: dict[str, SideFile], gate: Gate) -> Iterator[Skipped]:
        """What the side files say of figures that are no cases, and what was wrong in them."""
        lost: set[str] = set()
        for name, side in sides.items():
            for case_id in side.rest():
                where = f"{group.name}/{name} ({case_id})"
                if case_id in gate:
                    yield _part(where, reasons.DUPLICATE_ID)
                elif case_id not in lost:
                    lost.add(case_id)
                    yield Skipped(where, reasons.NOTHING_LEFT)
            yield from side.problems


def find_groups(folder: Path) -> tuple[list[Group], list[Skipped]]:
    """The group folders under a folder of any of ROCO's levels, in the order of publication.

    With them, reports of the folders in which there may be groups that cannot be seen.
    """
    groups: list[Group] = []
    hidden: list[Skipped] = []

    def may_enter(place: Path) -> bool:
        fault = folder_fault(place)
        if fault in reasons.CONCEALING:
            hidden.append(unread(place.relative_to(folder.parent).as_posix(), fault))
        return not fault

    def add(place: Path, *, named: bool) -> None:
        metadata: dict[str, Value] = {}
        parent = place.parent.name
        if place.name in GROUPS:
            if parent in SPLITS:
                metadata["split"] = parent
            metadata["group"] = place.name
        elif place.name in SPLITS:
            metadata["split"] = place.name
        group = Group(place, place.relative_to(folder.parent).as_posix(), metadata)
        if named or _is_group(group):
            groups.append(group)

    for base in (folder, folder / "data"):
        if not may_enter(base):
            continue
        for split in SPLITS:
            if not may_enter(base / split):
                continue
            for group in GROUPS:
                if may_enter(base / split / group):
                    add(base / split / group, named=True)
            add(base / split, named=False)
    for group in GROUPS:
        if may_enter(folder / group):
            add(folder / group, named=True)
    add(folder, named=False)
    return groups, hidden


def _is_group(group: Group) -> bool:
    """Whether a folder that need not be a group has what only groups have."""
    known = ("captions.txt", *SIDE_FILES)
    return any(file_fault(group.folder / name) != reasons.ABSENT for name in known) or (
        group.has_images and group.folder.name in GROUPS + SPLITS
    )


def _lost_image(group: Group, case_id: str, reason: str, *, dropped: bool = False) -> Skipped:
    return unread(f"{group.name}/images/{case_id}", reason, dropped=dropped)


def _list_images(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Ids to the names of their files (of several, the JPEG), and to reasons where there is none
    that can be read; ``""`` to the reason why the folder cannot be listed."""
    fault = folder_fault(folder)
    if fault:
        return {}, {} if fault in (reasons.ABSENT, reasons.NOT_A_FOLDER) else {"": fault}
    listing = list_folder(folder)
    found: dict[str, str] = {}
    for suffix in SUFFIXES:
        for name in listing.files:
            if case_id := _image_id(name, suffix):
                found.setdefault(case_id, name)
    lost = {
        case_id: reason
        for name, reason in listing.faults.items()
        for suffix in SUFFIXES
        if (case_id := _image_id(name, suffix)) and case_id not in found
    }
    if "" in listing.faults:
        lost[""] = listing.faults[""]
    return found, lost


def _image_id(name: str, suffix: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if (dot + ending).lower() == suffix and re.fullmatch(r"ROCO_\d+", stem) else ""
