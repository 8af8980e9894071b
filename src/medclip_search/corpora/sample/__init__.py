"""The corpus of ``demo``: clinical images that come with pydicom and pydicom-data.

``cases.tsv`` names each picture once, though the packages hold it in several transfer syntaxes,
and gives it a caption written after looking at it: modality, region, plane, what is plainly
seen, and no diagnosis. Test patterns, colour bars, masks, dose grids, blank slides, portraits
and pictures of 16 × 16 pixels are left out. Of a clip or an enhanced series at most four
frames, evenly spaced, are cases of their own. Nothing is downloaded.

Licences: both packages are distributed under the MIT licence; pydicom names GDCM's BSD licence
for the files from GDCM; two pictures come from public collections with licences of their own,
CQ500 (CC BY-NC-SA 4.0) and Pancreas-CT of The Cancer Imaging Archive (CC BY 3.0).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from medclip_search.cases import Case, ImageSource
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.errors import CorpusError

_FOLDERS = (("pydicom", "data/test_files"), ("data_store", "data"))  # pydicom-data: data_store
_LICENCE_ORIGINS = {
    "MIT": "licence of pydicom and pydicom-data",
    "BSD-3-Clause": "licence of GDCM, which the file is from",
    "CC-BY-3.0": "licence of Pancreas-CT, which the file is from",
    "CC-BY-NC-SA-4.0": "licence of CQ500, which the file is from",
}


class SampleCorpus:
    """About two dozen medical pictures of five modalities, always at hand.

    A file that another version of the packages lacks is ``Skipped``; none at all raises
    ``CorpusError``.
    """

    def __init__(self, spec: CorpusSpec) -> None:
        self.spec = spec
        self._folders = list(_installed_folders())
        self._rows = _read_rows()
        if not any(self._find(row["file"]) for row in self._rows):
            raise CorpusError(
                "sample: none of its pictures is installed; run pip install pydicom pydicom-data"
            )
        self.root = Path(os.path.commonpath(self._folders))

    def __iter__(self) -> Iterator[Case | Skipped]:
        for row in self._rows:
            path = self._find(row["file"])
            yield _skipped(row) if path is None else _case(row, path, self.spec.name)

    def count(self) -> int:
        return len(self._rows)

    def _find(self, file: str) -> Path | None:
        return next((path for folder in self._folders if (path := folder / file).is_file()), None)


def _installed_folders() -> Iterator[Path]:
    for package, folder in _FOLDERS:
        spec = find_spec(package)
        for location in (spec and spec.submodule_search_locations) or ():
            if (path := Path(location).resolve() / folder).is_dir():
                yield path


def _read_rows() -> list[dict[str, str]]:
    with resources.files(__package__).joinpath("cases.tsv").open(encoding="utf-8") as table:
        return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def _skipped(row: dict[str, str]) -> Skipped:
    return Skipped(
        row["file"], "not in the installed pydicom packages", "pip install pydicom pydicom-data"
    )


def _case(row: dict[str, str], path: Path, corpus: str) -> Case:
    frame = int(row["frame"]) if row["frame"] else None
    licence, region = row["licence"], row["region"] or None
    origins = {"modality": "dicom", "licence": _LICENCE_ORIGINS[licence]}
    if region:
        origins["region"] = row["region_origin"]
    metadata = {"file": row["file"], "plane": row["plane"], "frame": frame}
    return Case(
        id=row["id"],
        corpus=corpus,
        caption=row["caption"],
        image=ImageSource(path, frame),
        licence=licence,
        licence_class="noncommercial" if "-NC-" in licence else "commercial",
        modality=row["modality"],
        region=region,
        metadata={key: value for key, value in metadata.items() if value not in {None, ""}},
        origins=origins,
    )
