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


class SideFile:
    """A file of one line a case, read beside ``captions.txt`` whatever its order.

    Lines are read on until the wanted one comes; those passed over are kept until they are
    asked for. As published, all files have the same order, and nothing is kept for long.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._lines = read_lines(path) if path.is_file() else iter(())
        self._name = name
        self._passed: dict[str, str] = {}
        self.problems: list[Skipped] = []

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
        remedy = UTF8_REMEDY if line.text else ""
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
        if spec.path is None or not spec.path.is_dir():
            raise CorpusError(f"{spec.path}: no such folder; give the folder of ROCO")
        self.spec = spec
        self.root = spec.path
        self._groups = find_groups(spec.path)
        if not any(_has_cases(group) for group in self._groups):
            raise CorpusError(
                f"{self.root}: no ROCO in it; looked for captions.txt or images/ under "
                "data/{train,validation,test}/{radiology,non-radiology}"
            )

    def count(self) -> int | None:
        total = 0
        for group in self._groups:
            captions = group.folder / "captions.txt"
            if captions.is_file():
                total += estimate_lines(captions) or 0
            elif (group.folder / "images").is_dir():
                total += len(_list_images(group.folder / "images"))
        return total

    def __iter__(self) -> Iterator[Case | Skipped]:
        gate = Gate()
        illustrated = any((group.folder / "images").is_dir() for group in self._groups)
        if not illustrated:
            yield _part(self._name(self.root / "images"), reasons.NO_IMAGES_FOLDER, PLACE_IMAGES)
        for group in self._groups:
            if not _has_cases(group):
                yield Skipped(group.name, reasons.NOTHING_LEFT, "no captions.txt and no images/")
                continue
            if illustrated and not (group.folder / "images").is_dir():
                yield _part(f"{group.name}/images", reasons.NO_IMAGES_FOLDER, PLACE_IMAGES)
            yield from self._read(group, gate)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root.parent).as_posix()

    def _read(self, group: Group, gate: Gate) -> Iterator[Case | Skipped]:
        folder = group.folder / "images"
        images = _list_images(folder) if folder.is_dir() else None
        sides = {name: SideFile(group.folder / name, f"{group.name}/{name}") for name in SIDE_FILES}
        captions = group.folder / "captions.txt"
        if not captions.is_file():
            yield _part(f"{group.name}/captions.txt", reasons.NO_CAPTIONS_FILE)
        for line in read_lines(captions) if captions.is_file() else ():
            problems: list[Skipped] = []
            name = f"{group.name}/captions.txt"
            entry = parse_line(line, name, problems)
            if entry is None:
                yield from (replace(p, dropped=True) for p in problems)
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
            if images is not None:
                file = images.pop(case_id, None)
                if file is None:
                    what = f"{group.name}/images/{case_id}.jpg"
                    problems.append(_part(what, reasons.MISSING_IMAGE))
                else:
                    image = ImageSource(folder / file)
            case = self._described(Case(case_id, self.spec.name, caption, image), group, sides)
            yield from gate.admit(case, where, problems)
        for case_id, file in sorted((images or {}).items()):
            where = f"{group.name}/images/{file}"
            if case_id in gate:
                yield Skipped(where, reasons.DUPLICATE_ID)
                continue
            case = Case(case_id, self.spec.name, "", ImageSource(folder / file))
            problems = []
            if captions.is_file():
                problems.append(_part(where, reasons.EMPTY_CAPTION, "captions.txt has none"))
            yield from gate.admit(self._described(case, group, sides), where, problems)
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


def find_groups(folder: Path) -> list[Group]:
    """The group folders under a folder of any of ROCO's levels, in the order of publication."""
    groups: list[Group] = []

    def add(split: Path, group: str | None = None) -> None:
        place = split / group if group else split
        if not place.is_dir() or (group is None and not _is_group(place)):
            return
        metadata: dict[str, Value] = {}
        parent = place.parent.name
        if place.name in GROUPS:
            if parent in SPLITS:
                metadata["split"] = parent
            metadata["group"] = place.name
        elif place.name in SPLITS:
            metadata["split"] = place.name
        groups.append(Group(place, place.relative_to(folder.parent).as_posix(), metadata))

    for base in (folder, folder / "data"):
        for split in SPLITS:
            for group in GROUPS:
                add(base / split, group)
            add(base / split)
    for group in GROUPS:
        add(folder, group)
    add(folder)
    return groups


def _is_group(folder: Path) -> bool:
    known = ("captions.txt", *SIDE_FILES)
    return any((folder / name).is_file() for name in known) or (
        (folder / "images").is_dir() and folder.name in GROUPS + SPLITS
    )


def _has_cases(group: Group) -> bool:
    return (group.folder / "captions.txt").is_file() or (group.folder / "images").is_dir()


def _list_images(folder: Path) -> dict[str, str]:
    """Ids to the names of their files; of several, the JPEG."""
    found: dict[str, str] = {}
    for suffix in SUFFIXES:
        for path in folder.iterdir():
            if path.suffix.lower() == suffix and re.fullmatch(r"ROCO_\d+", path.stem):
                found.setdefault(path.stem, path.name)
    return found
