"""What the tables beside ROCOv2's captions say of its figures: concepts, licence, article."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from medclip_search.cases import Case
from medclip_search.corpora import reasons
from medclip_search.corpora.base import Skipped
from medclip_search.corpora.columns import texts
from medclip_search.corpora.rows import Row, read_rows
from medclip_search.describe import (
    MODALITY_CONCEPTS,
    REGION_CONCEPTS,
    find_article,
    find_year,
    licence_name,
)

MODALITIES = {**MODALITY_CONCEPTS, "C1699633": "PET", "C0920367": "OCT"}
REGIONS = {**REGION_CONCEPTS, "C0023216": "lower limb", "C1140618": "upper limb"}
"""Concepts that the curators gave to figures (PET/CT, optical coherence tomography, lower and
upper extremity) and that are not among those that ``describe`` takes from captions."""

CUI = re.compile(r"C\d{7}")
LICENCES = "license_information.csv"


def entries(path: Path, key: str) -> Iterator[tuple[str, Row] | Skipped]:
    """The rows of a table by the id in a column; without that column there is but a report."""
    for row in read_rows(path):
        if isinstance(row, Skipped):
            yield row
            continue
        if row.get(key) is None:
            yield Skipped(path.name, reasons.NO_ID, f"it needs a column {key}", incomplete=True)
            return
        name = " ".join(" ".join(texts(row.get(key))).split())
        if name:
            yield name, row
        else:
            yield Skipped(row.where, reasons.NO_ID)


class Facts:
    """What is known of figures by their ids.

    The manually curated concepts (modality, and for X-rays body region and direction) decide a
    case's modality and region, and their names are its keywords. Concepts found in captions by
    a program are its CUIs only: they err too often to be shown as words. Licence, article and
    year come from the attribution, as in ``CC BY-NC Al Mulhim et al. (2022)``.
    """

    def __init__(self) -> None:
        self._concepts: dict[str, str] = {}
        self._manual: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._licences: dict[str, tuple[str, str]] = {}

    def read_concepts(self, path: Path | None) -> Iterator[Skipped]:
        yield from _read(path, "ID", "CUIs", self._concepts)

    def read_manual(self, path: Path | None) -> Iterator[Skipped]:
        yield from _read(path, "ID", "CUIs", self._manual)

    def read_names(self, path: Path | None) -> Iterator[Skipped]:
        yield from _read(path, "CUI", "Canonical name", self._names)

    def read_licences(self, path: Path | None) -> Iterator[Skipped]:
        for item in _rows(path, "ID", "Attribution", "PMCID"):
            if isinstance(item, Skipped):
                yield item
                continue
            case_id, row = item
            if case_id in self._licences:
                yield _part(f"{row.where} ({case_id})", reasons.DUPLICATE_ID)
                continue
            number, link = _text(row, "PMCID"), _text(row, "Link")
            article = find_article(number, bare=True) or find_article(link) or ""
            self._licences[case_id] = (article, _text(row, "Attribution"))

    def described(self, case: Case) -> Case:
        """The case with all that the tables say of it."""
        manual = CUI.findall(self._manual.get(case.id, ""))
        found = CUI.findall(self._concepts.get(case.id, ""))
        origins = dict(case.origins)
        metadata = dict(case.metadata)
        modality = next((cui for cui in manual if cui in MODALITIES), None)
        if modality is not None:
            origins["modality"] = f"umls:{modality}"
        region = next((cui for cui in manual if cui in REGIONS), None)
        if region is not None:
            origins["region"] = f"umls:{region}"
        article, attribution = self._licences.get(case.id, ("", ""))
        year = find_year(attribution)
        if attribution:
            metadata["attribution"] = attribution
            origins["licence"] = LICENCES
        if article:
            origins["article"] = LICENCES
        if year is not None:
            origins["year"] = LICENCES
        names = [self._names[cui] for cui in manual if cui in self._names]
        return replace(
            case,
            article=article or None,
            licence=licence_name(attribution) or None,
            year=year,
            modality=None if modality is None else MODALITIES[modality],
            region=None if region is None else REGIONS[region],
            keywords=tuple(dict.fromkeys(names)),
            cuis=tuple(dict.fromkeys([*manual, *case.cuis, *found])),
            metadata=metadata,
            origins=origins,
        )


def _rows(path: Path | None, key: str, *columns: str) -> Iterator[tuple[str, Row] | Skipped]:
    """The entries of a table beside the captions: what is lost with a row is part of a case.

    Of the columns that say something of its entries, those that are missing are reported once.
    """
    if path is None:
        return
    for item in entries(path, key):
        if isinstance(item, Skipped):
            yield replace(item, dropped=False, incomplete=False)
            continue
        for column in columns:
            if item[1].get(column) is None:
                yield _part(path.name, reasons.NO_COLUMN, f"it needs a column {column}")
        columns = ()
        yield item


def _read(path: Path | None, key: str, column: str, into: dict[str, str]) -> Iterator[Skipped]:
    for item in _rows(path, key, column):
        if isinstance(item, Skipped):
            yield item
        elif item[0] in into:
            yield _part(f"{item[1].where} ({item[0]})", reasons.DUPLICATE_ID)
        else:
            into[item[0]] = _text(item[1], column)


def _text(row: Row, column: str) -> str:
    return " ".join(texts(row.get(column)))


def _part(where: str, reason: str, remedy: str = "") -> Skipped:
    return Skipped(where, reason, remedy, dropped=False)
