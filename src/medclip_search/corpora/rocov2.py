"""``rocov2=DIR``: Radiology Objects in COntext, version 2, as on Zenodo or on Hugging Face.

J. Rückert et al.: ROCOv2: Radiology Objects in COntext Version 2, an updated multimodal image
dataset. Scientific Data 11, 688 (2024). https://doi.org/10.5281/zenodo.10821435
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from medclip_search.cases import Case, ImageSource, Value
from medclip_search.corpora import reasons
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.captions import Gate, checked_caption
from medclip_search.corpora.columns import flatten, texts
from medclip_search.corpora.files import check_folder, file_fault, list_folder
from medclip_search.corpora.rocov2_tables import Facts, entries
from medclip_search.corpora.rows import Row, count_rows, read_rows
from medclip_search.corpora.shelves import Shelves
from medclip_search.errors import CorpusError, ImageError
from medclip_search.images.parquet import picture_column

SPLITS = {"train": ("train",), "validation": ("valid", "validation"), "test": ("test",)}
"""Splits, and what they are called in the names of files."""

SPLIT = re.compile(r"(?<![a-z])(train|val(?:id(?:ation)?)?|test)(?![a-z])")
FIGURE = re.compile(r"\w+_(?:train|valid|test)_\d+")
"""What figures are called; other images beside them are none of the data set's."""

PLACE_IMAGES = "text only; put the zips of images there, or the folders that were in them"


class RocoV2Corpus:
    """The figures of every split, in the order of the captions.

    Read are ``{train,valid,test}_captions.csv`` with the files beside them, and images from
    folders and zips of any plausible name; images that no caption names come last. Where there
    are no such files but Parquet ones (``image``, ``image_id``, ``caption``, ``cui``), those
    are. Any file may be absent.
    """

    def __init__(self, spec: CorpusSpec) -> None:
        self.spec = spec
        self.root = check_folder(spec.path, "give the folder of ROCOv2")
        self._folders = [self.root, self.root / "data"]
        self._captions = {split: self._table(split, "captions") for split in SPLITS}
        self._parquet = [] if any(self._captions.values()) else self._find_parquet()
        if not self._parquet and not any(self._captions.values()):
            self._check_images()

    def _check_images(self) -> None:
        """Raises ``CorpusError`` where no figure is in any folder or zip."""
        shelves = Shelves(self.root)
        hidden = list(shelves.open())
        if any(FIGURE.fullmatch(name) for name, _ in shelves.images()):
            return
        for one in hidden:
            raise CorpusError(
                f"{self.root}: no ROCOv2 in it can be read ({one.what}: {one.reason}); {one.remedy}"
            )
        raise CorpusError(
            f"{self.root}: no ROCOv2 in it; looked for train_captions.csv, train_images.zip, "
            "folders of images and data/train-*.parquet"
        )

    def count(self) -> int | None:
        paths = self._parquet or [path for path in self._captions.values() if path is not None]
        counts = [count_rows(path) for path in paths]
        return sum(count or 0 for count in counts) if counts and None not in counts else None

    def __iter__(self) -> Iterator[Case | Skipped]:
        gate = Gate()
        facts = Facts()
        for split in SPLITS:
            yield from facts.read_concepts(self._table(split, "concepts"))
            yield from facts.read_manual(self._table(split, "concepts_manual"))
        yield from facts.read_names(self._file("cui_mapping.csv"))
        yield from facts.read_licences(self._file("license_information.csv"))
        if self._parquet:
            for path in self._parquet:
                yield from self._read_parquet(path, facts, gate)
        else:
            yield from self._read_tables(facts, gate)

    # ------------------------------------------------------------------ CSV and images

    def _file(self, name: str) -> Path | None:
        paths = (folder / name for folder in self._folders)
        return next((path for path in paths if file_fault(path) != reasons.ABSENT), None)

    def _table(self, split: str, what: str) -> Path | None:
        paths = (self._file(f"{called}_{what}.csv") for called in SPLITS[split])
        return next((path for path in paths if path is not None), None)

    def _read_tables(self, facts: Facts, gate: Gate) -> Iterator[Case | Skipped]:
        shelves = Shelves(self.root)
        yield from shelves.open()
        if not shelves.shelves and not shelves.incomplete:
            what = f"{self.root.name}/train_images.zip"
            yield Skipped(what, reasons.NO_IMAGES_FOLDER, PLACE_IMAGES, dropped=False)
        for split, path in self._captions.items():
            here = shelves.only({"", split}, _split)
            called = SPLITS[split][0]
            if path is None:
                if any(_split(shelf.where) == split for shelf in here.shelves):
                    what = f"{self.root.name}/{called}_captions.csv"
                    yield Skipped(what, reasons.NO_CAPTIONS_FILE, dropped=False)
                continue
            if shelves.shelves and not here.shelves and not here.incomplete:
                what = f"{self.root.name}/{called}_images.zip"
                yield Skipped(what, reasons.NO_IMAGES_FOLDER, PLACE_IMAGES, dropped=False)
            yield from self._read_captions(path, split, here, facts, gate)
        yield from self._uncaptioned(shelves, facts, gate)

    def _read_captions(
        self, path: Path, split: str, shelves: Shelves, facts: Facts, gate: Gate
    ) -> Iterator[Case | Skipped]:
        for entry in entries(path, "ID"):
            if isinstance(entry, Skipped):
                yield entry
                continue
            case_id, row = entry
            where = f"{row.where} ({case_id})"
            if case_id in gate:
                yield Skipped(where, reasons.DUPLICATE_ID)
                continue
            problems: list[Skipped] = []
            caption = self._caption(row, where, problems)
            image, reason = shelves.find(case_id) if shelves.shelves else (None, "")
            if reason:
                remedy = reasons.REMEDIES.get(reason, f"looked for {case_id}.jpg")
                problems.append(Skipped(where, reason, remedy, dropped=False))
            case = Case(case_id, self.spec.name, caption, image, metadata={"split": split})
            yield from gate.admit(facts.described(case), where, problems)

    def _uncaptioned(self, shelves: Shelves, facts: Facts, gate: Gate) -> Iterator[Case | Skipped]:
        """The images that no caption names."""
        for case_id, image in shelves.images():
            if case_id in gate or not FIGURE.fullmatch(case_id):
                continue
            where = str(image).removeprefix(f"{self.root}/")
            split = _split(case_id) or _split(where)
            problems: list[Skipped] = []
            if (table := self._captions.get(split)) is not None:
                remedy = f"{table.name} has none"
                problems.append(Skipped(where, reasons.EMPTY_CAPTION, remedy, dropped=False))
            metadata: dict[str, Value] = {"split": split} if split else {}
            case = Case(case_id, self.spec.name, "", image, metadata=metadata)
            yield from gate.admit(facts.described(case), where, problems)

    @staticmethod
    def _caption(row: Row, where: str, problems: list[Skipped]) -> str:
        caption, problem = checked_caption("\n".join(texts(row.get("caption"))), where)
        if problem is not None:
            problems.append(problem)
        return caption

    # ------------------------------------------------------------------ Parquet

    def _find_parquet(self) -> list[Path]:
        """Parquet files in the order of their splits."""
        found = [
            folder / name
            for folder in self._folders
            if file_fault(folder) == reasons.A_FOLDER
            for name in list_folder(folder).files
            if name.lower().endswith(".parquet")
        ]
        order = ["", *SPLITS]
        return sorted(found, key=lambda path: (order.index(_split(path.name)), path))

    def _read_parquet(self, path: Path, facts: Facts, gate: Gate) -> Iterator[Case | Skipped]:
        split = _split(path.name)
        try:
            column = picture_column(path)
        except (OSError, ImageError):  # the rows say why
            column = None
        else:
            if column is None:
                yield Skipped(path.name, reasons.NO_IMAGE, "no column of pictures", dropped=False)
        for row in read_rows(path):
            if isinstance(row, Skipped):
                yield row
                continue
            problems: list[Skipped] = []
            case_id = next(iter(texts(row.get("image_id"))), "")
            if not case_id:
                case_id = f"{path.stem}-{row.number}"
                problems.append(
                    Skipped(row.where, reasons.NO_ID, "called after its row", dropped=False)
                )
            caption = self._caption(row, row.where, problems)
            image = None
            if column is not None:
                image = ImageSource(path, None, f"{column}/{row.number - 1}")
            metadata: dict[str, Value] = {"split": split} if split else {}
            for name, value in flatten(row.values):
                if name.partition(".")[0] not in ("image", "image_id", "caption", "cui", column):
                    metadata.setdefault(name, value)
            cuis = re.findall(r"C\d{7}", " ".join(texts(row.get("cui"))))
            case = Case(case_id, self.spec.name, caption, image, metadata=metadata)
            case = replace(case, cuis=tuple(dict.fromkeys(cuis)))
            yield from gate.admit(facts.described(case), row.where, problems)


def _split(name: str) -> str:
    """The split that the name of a file, a folder or a case tells of, ``""`` if none."""
    found = SPLIT.search(name.lower())
    called = found[1] if found else ""
    return "validation" if called.startswith("val") else called
