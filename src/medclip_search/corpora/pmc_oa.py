"""``pmc-oa=DIR``: PMC-OA, sub-figures of PubMed Central's open-access articles.

W. Lin, Z. Zhao, X. Zhang, C. Wu, Y. Zhang, Y. Wang, W. Xie: PMC-CLIP: Contrastive
Language-Image Pre-training using Biomedical Documents. MICCAI, 2023.
https://huggingface.co/datasets/axiong/pmc_oa
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medclip_search.cases import Case, Value
from medclip_search.corpora import reasons
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.captions import Gate, checked_caption, one_line
from medclip_search.corpora.columns import flatten, texts
from medclip_search.corpora.files import check_folder, file_fault
from medclip_search.corpora.pictures import split_suffix
from medclip_search.corpora.rows import Row, count_rows, read_rows, table_format
from medclip_search.corpora.shelves import Shelves
from medclip_search.describe import find_article
from medclip_search.errors import CorpusError

SPLITS = {"train": "train", "valid": "validation", "test": "test"}
LAYOUTS = (
    ("pmc_oa.jsonl",),
    ("pmc_oa.csv",),
    ("pmc_oa_beta.jsonl",),
    ("pmc_oa_beta.csv",),
    tuple(f"{split}.jsonl" for split in SPLITS),
    tuple(f"{split}.csv" for split in SPLITS),
)
"""Files of captions as they are published, best first: captions divided by sub-figure, then
whole ones (beta), then the first edition. They tell of the same images, so one is read."""

TAKEN = ("image", "caption", "pmcid")
PLACE_IMAGES = "text only; put images.zip there, or the folder that was in it"


class PmcOaCorpus:
    """One case a line, its images read from ``images.zip`` where it was not unpacked.

    ``spec.path`` is the folder, or the file of captions itself where another is wanted than the
    first of ``LAYOUTS``. A case is called after its image without suffix, and the PMC id is in
    the image's name. Images that no line names are left out.
    """

    def __init__(self, spec: CorpusSpec) -> None:
        self.spec = spec
        if spec.path is not None and not file_fault(spec.path):
            table_format(spec.path)
            self.root = spec.path.parent
            self._tables = [spec.path]
        else:
            self.root = check_folder(spec.path, "give the folder of PMC-OA")
            self._tables = _tables(self.root)

    def count(self) -> int | None:
        counts = [count_rows(path) for path in self._tables]
        return None if None in counts else sum(count or 0 for count in counts)

    def __iter__(self) -> Iterator[Case | Skipped]:
        gate = Gate()
        shelves = Shelves(self.root)
        yield from shelves.open()
        if not shelves.shelves and not shelves.incomplete:
            what = f"{self.root.name}/images.zip"
            yield Skipped(what, reasons.NO_IMAGES_FOLDER, PLACE_IMAGES, dropped=False)
        for path in self._tables:
            split = SPLITS.get(path.name.partition(".")[0], "")
            for row in read_rows(path):
                if isinstance(row, Skipped):
                    yield row
                    continue
                problems: list[Skipped] = []
                case = self._case(row, path, split, shelves, problems)
                yield from gate.admit(case, row.where, problems)

    def _case(
        self, row: Row, path: Path, split: str, shelves: Shelves, problems: list[Skipped]
    ) -> Case:
        """The case of a row; what is wrong with its parts is added to ``problems``."""
        name = next(iter(texts(row.get("image"))), "").replace("\\", "/").rpartition("/")[2]
        image = None
        if not name:
            problems.append(Skipped(row.where, reasons.NO_IMAGE, dropped=False))
        elif shelves.shelves:
            image, reason = shelves.find(name)
            if reason:
                remedy = reasons.REMEDIES.get(reason, f"looked for {one_line(name)}")
                problems.append(Skipped(row.where, reason, remedy, dropped=False))
        caption, problem = checked_caption("\n".join(texts(row.get("caption"))), row.where)
        if problem is not None:
            problems.append(problem)
        metadata: dict[str, Value] = {"split": split} if split else {}
        for column, value in flatten(row.values):
            if column.strip().lower() not in TAKEN:
                metadata.setdefault(column, value)
        article, origin = find_article(name), "image"
        if article is None:
            number = next(iter(texts(row.get("pmcid"))), "")
            article, origin = find_article(number, bare=True), "column:pmcid"
        return Case(
            id=" ".join(split_suffix(name)[0].split()) or f"{path.stem}-{row.number}",
            corpus=self.spec.name,
            caption=caption,
            image=image,
            article=article,
            metadata=metadata,
            origins={} if article is None else {"article": origin},
        )


def _tables(root: Path) -> list[Path]:
    """The files of captions to read; raises ``CorpusError`` where there is none."""
    for layout in LAYOUTS:
        present = [
            path
            for name in layout
            for path in (root / name, root / f"{name}.gz")
            if file_fault(path) != reasons.ABSENT
        ]
        if present:
            return present
    names = ", ".join(name for layout in LAYOUTS for name in layout)
    raise CorpusError(f"{root}: no PMC-OA in it; looked for {names}")
