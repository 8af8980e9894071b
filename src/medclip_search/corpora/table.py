"""``table=FILE``: CSV, TSV, JSON lines, a JSON array or Parquet, with images apart from it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from medclip_search.cases import Case, ImageSource, Value
from medclip_search.corpora import reasons
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.captions import Gate, checked_caption, one_line
from medclip_search.corpora.columns import flatten, guess, paths, reach, scalar, texts
from medclip_search.corpora.files import check_file, check_folder
from medclip_search.corpora.pictures import ImageFinder, split_suffix
from medclip_search.corpora.rows import Row, count_rows, read_rows, table_format
from medclip_search.corpora.vector_files import count_records, numbered, open_vectors
from medclip_search.describe import as_modality, as_region, find_article, find_year
from medclip_search.errors import CorpusError

SAMPLE = 200
"""Rows looked at beforehand, to know which columns there are."""


class TableCorpus:
    """One case a row.

    ``columns`` says which column holds which field of the case, as dotted paths into nested
    JSON; without any, obvious names are taken. Every other scalar becomes metadata. A case
    without an id of its own is called after its image, or after its file and line.

    ``row`` of a case is the zero-based number of its record, those counted too that could not be
    read (``vector_files.numbered``): a record is a row of CSV, which may have line ends in its
    quotes, a line of JSON that is not blank, an item of a JSON array, a row of Parquet. Blank
    lines and the header are none. Ready-made vectors must be as many as the records.
    """

    def __init__(self, spec: CorpusSpec) -> None:
        path = check_file(spec.path, "give the table itself")
        table_format(path)
        if spec.images is not None:
            check_folder(spec.images, "give --images the images' folder")
        self.spec = spec
        self.path = path
        self.root = spec.images or path.parent
        sample = self._sample()
        known = list(dict.fromkeys(name for row in sample for name in paths(row.values)))
        self.columns = dict(spec.columns) or guess(known)
        self._known = known
        self._check_columns(known, sample)
        for file in spec.embeddings.values():
            open_vectors(file)  # quick; counting a table is not
        records = count_records(path) if spec.embeddings else 0
        for file in spec.embeddings.values():
            open_vectors(file, rows=records)

    def _sample(self) -> list[Row]:
        """The first rows; raises ``CorpusError``, with what is wrong, where there is none."""
        rows: list[Row] = []
        first: Skipped | None = None
        for item in read_rows(self.path, self.spec.columns.values()):
            if isinstance(item, Row):
                rows.append(item)
                if len(rows) == SAMPLE:
                    break
            elif item.dropped:
                first = first or item
        if rows:
            return rows
        if first is None:
            raise CorpusError(f"{self.path}: no row in it; is it the format of its name?")
        remedy = first.remedy or "is it the format of its name?"
        raise CorpusError(
            f"{self.path}: no row of it can be read ({first.what}: {first.reason}); {remedy}"
        )

    def _check_columns(self, known: list[str], sample: list[Row]) -> None:
        listed = one_line(", ".join(known[:40]) + (", …" if len(known) > 40 else ""), 2000)
        if not self.columns.keys() & {"image", "caption"}:
            which = "given" if self.spec.columns else "obvious"
            raise CorpusError(
                f"{self.path}: no {which} column holds images or captions; "
                f"say --columns image=…,caption=… (there are: {listed})"
            )
        for field, column in self.columns.items():
            if column not in known and all(reach(row.values, column) is None for row in sample):
                raise CorpusError(
                    f"{self.path}: no column {column!r} for {field} (there are: {listed})"
                )

    def count(self) -> int | None:
        return count_rows(self.path)

    def __iter__(self) -> Iterator[Case | Skipped]:
        gate = Gate()
        if "id" in self.columns:
            remedy = f"the values of {self.columns['id']} repeat; give another id column or none"
        else:
            remedy = "rows share an image; give an id column"
        folders = [self.spec.images] if self.spec.images is not None else []
        finder = ImageFinder(*folders, self.path.parent)
        if not self.spec.columns and "caption" not in self.columns:
            listed = one_line(", ".join(self._known[:40]), 2000)
            remedy_here = f"say --columns caption=… if it is one of: {listed}"
            where = str(self.path)
            yield Skipped(where, reasons.NO_CAPTION_COLUMN, remedy_here, dropped=False)
        for number, row in numbered(self.path, read_rows(self.path, self.columns.values())):
            if isinstance(row, Skipped):
                yield row
            else:
                problems: list[Skipped] = []
                case = replace(self._case(row, finder, problems), row=number)
                yield from finder.problems
                finder.problems.clear()
                yield from gate.admit(case, row.where, problems, remedy)

    def _case(self, row: Row, finder: ImageFinder, problems: list[Skipped]) -> Case:
        """The case of a row; what is wrong with its parts is added to ``problems``."""
        names = self._texts(row, "image")
        image = self._image(names, row.where, finder, problems)
        caption = ""
        if "caption" in self.columns:
            raw = "\n".join(self._texts(row, "caption"))
            caption, problem = checked_caption(raw, row.where)
            if problem is not None:
                problems.append(problem)
        case_id = " ".join("; ".join(self._texts(row, "id")).split())
        if not case_id:
            if "id" in self.columns:
                remedy = "called after its image or its row"
                problems.append(Skipped(row.where, reasons.NO_ID, remedy, dropped=False))
            case_id = self._made_id(names, row)
        return self._with_fields(
            Case(
                id=case_id,
                corpus=self.spec.name,
                caption=caption,
                image=image,
                metadata=self._metadata(row.values),
            ),
            row,
        )

    def _texts(self, row: Row, field: str) -> list[str]:
        column = self.columns.get(field)
        return texts(reach(row.values, column)) if column is not None else []

    def _image(
        self, names: list[str], where: str, finder: ImageFinder, problems: list[Skipped]
    ) -> ImageSource | None:
        if "image" not in self.columns:
            return None
        if not names:
            problems.append(Skipped(where, reasons.NO_IMAGE, dropped=False))
            return None
        if len(names) > 1:
            remedy = "the first was taken"
            problems.append(Skipped(where, reasons.SEVERAL_IMAGES, remedy, dropped=False))
        path, reason = finder.find(names[0])
        if path is None:
            remedy = reasons.REMEDIES.get(reason, "")
            remedy = remedy or f"looked for {one_line(names[0])} in {self.root}"
            problems.append(Skipped(where, reason, remedy, dropped=False))
            return None
        return ImageSource(path)

    def _made_id(self, names: list[str], row: Row) -> str:
        if names:
            name = names[0].replace("\\", "/")
            if re.match(r"(?:[A-Za-z]:)?/", name):
                name = name.rpartition("/")[2]
            made = " ".join(split_suffix(os.path.normpath(name))[0].split())
            if made:
                return made
        return f"{self.path.name.partition('.')[0]}-{row.number}"

    def _metadata(self, values: Mapping[str, object]) -> dict[str, Value]:
        taken = set(self.columns.values())
        metadata: dict[str, Value] = {}
        for name, value in flatten(values):
            if name not in taken:
                metadata.setdefault(name, value)
        return metadata

    def _with_fields(self, case: Case, row: Row) -> Case:
        """The case with the further fields that the user's columns name, and their origins."""
        given = {
            field: scalar(value)
            for field, column in self.columns.items()
            if field not in ("image", "caption", "id")
            and (value := reach(row.values, column)) is not None
        }
        text = {field: str(value) for field, value in given.items() if value is not None}
        if not text:
            return case
        fields = {
            "article": find_article(text["article"], bare=True) if "article" in text else None,
            "licence": text.get("licence"),
            "year": find_year(text["year"]) if "year" in text else None,
            "modality": as_modality(text.get("modality", "")) or text.get("modality"),
            "region": as_region(text.get("region", "")) or text.get("region"),
            "keywords": listed(text.get("keywords", "")),
            "cuis": tuple(re.findall(r"C\d{7}", text.get("cuis", ""))),
        }
        fields = {field: value for field, value in fields.items() if value}
        origins = {field: f"column:{self.columns[field]}" for field in fields}
        return replace(case, origins=origins, **fields)  # type: ignore[arg-type]


def listed(text: str) -> tuple[str, ...]:
    """Keywords out of one text: parted by ``;``, ``|`` or tabs, or else by commas."""
    parts = re.split(r"[;|\t]" if re.search(r"[;|\t]", text) else ",", text)
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
