"""``folder=DIR``: images wherever they lie, with a caption in a file beside each, or none."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from medclip_search.cases import Case, ImageSource, Value
from medclip_search.corpora import reasons
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.captions import Gate, checked_caption, one_line
from medclip_search.corpora.columns import flatten, texts
from medclip_search.corpora.files import Listing, check_folder, fault_of, unread, walk
from medclip_search.corpora.lines import MAX_LINE, UTF8_REMEDY, decode, open_bytes, why_unreadable
from medclip_search.corpora.pictures import is_utf8, may_be_image, split_suffix, starts_like_dicom
from medclip_search.errors import CorpusError


class FolderCorpus:
    """One case an image file, in the order of their paths.

    The caption of ``scan.png`` is the text of ``scan.png.txt`` or ``scan.txt``, or else
    ``caption`` in ``scan.png.json`` or ``scan.json``, whose other scalars become metadata. Its
    id is its path from the folder without suffix, or with it where two files differ in nothing
    else.
    """

    def __init__(self, spec: CorpusSpec) -> None:
        self.spec = spec
        self.root = check_folder(spec.path, "give the folder of the images")
        hidden: Skipped | None = None
        for listing in walk(self.root):
            if _images(listing):
                break
            hidden = hidden or next(self._faults(listing), None)
        else:
            if hidden is not None:
                raise CorpusError(
                    f"{self.root}: no image in it can be read ({hidden.what}: {hidden.reason}); "
                    f"{hidden.remedy}"
                )
            raise CorpusError(
                f"{self.root}: no image in it or below it; looked for png, jpg, tif, webp, bmp, "
                "gif and DICOM files"
            )

    def count(self) -> int | None:
        return None

    def _faults(self, listing: Listing) -> Iterator[Skipped]:
        """What cannot be read and is, or may hide, images (texts are told of with theirs)."""
        for name, reason in sorted(listing.faults.items()):
            if may_be_image(name) or (
                reason in reasons.CONCEALING and not name.lower().endswith((".txt", ".json"))
            ):
                yield unread(self._where(Path(listing.here, name)), reason)

    def _where(self, path: Path) -> str:
        relative = path.relative_to(self.root).as_posix()
        return one_line(self.root.name if relative == "." else relative)

    def __iter__(self) -> Iterator[Case | Skipped]:
        gate = Gate()
        for listing in walk(self.root):
            here, images = Path(listing.here), _images(listing)
            yield from self._faults(listing)
            names = {*listing.files, *listing.faults}
            # An image that cannot be seen today must not change the id of the one beside it.
            hidden = [n for n, why in listing.faults.items() if why in reasons.CONCEALING]
            stems = Counter(split_suffix(name)[0] for name in {*images, *hidden})
            for name in images:
                path = here / name
                relative = path.relative_to(self.root).as_posix()
                where = one_line(relative)
                if not is_utf8(str(path)):
                    yield Skipped(where, reasons.BAD_FILE_NAME, "rename it")
                    continue
                stem = split_suffix(name)[0]
                if stems[stem] == 1:
                    relative = relative[: len(relative) - len(name)] + stem
                problems: list[Skipped] = []
                caption, metadata = self._beside(here, name, names, problems)
                case = Case(
                    id=re.sub(r"[\r\n\t]", " ", relative),
                    corpus=self.spec.name,
                    caption=caption,
                    image=ImageSource(path),
                    metadata=metadata,
                )
                yield from gate.admit(case, where, problems)

    def _beside(
        self, here: Path, image: str, names: set[str], problems: list[Skipped]
    ) -> tuple[str, dict[str, Value]]:
        """Caption and metadata from the files beside an image."""
        stem = split_suffix(image)[0]
        caption: str | None = None
        metadata: dict[str, Value] = {}
        where = ""
        for name in (f"{image}.json", f"{stem}.json"):
            if name in names:
                where = self._where(here / name)
                values = self._json(here / name, where, problems)
                if "caption" in values:
                    caption = "\n".join(texts(values.pop("caption")))
                metadata = dict(flatten(values))
                break
        for name in (f"{image}.txt", f"{stem}.txt"):
            if name in names:
                where = self._where(here / name)
                caption = self._text(here / name, where, problems)
                break
        if caption is None:
            return "", metadata
        caption, problem = checked_caption(caption, where)
        if problem is not None:
            problems.append(problem)
        return caption, metadata

    @staticmethod
    def _json(path: Path, where: str, problems: list[Skipped]) -> dict[str, object]:
        text = FolderCorpus._text(path, where, problems)
        if text is None:
            return {}
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            problems.append(Skipped(where, reasons.BAD_JSON, dropped=False))
            return {}
        if isinstance(values, dict):
            return values
        problems.append(Skipped(where, reasons.NOT_AN_OBJECT, dropped=False))
        return {}

    @staticmethod
    def _text(path: Path, where: str, problems: list[Skipped]) -> str | None:
        """The text of a small file; ``None``, with a report, if it cannot be read."""
        try:
            with open_bytes(path) as stream:
                data = stream.read(MAX_LINE + 1)
        except OSError as error:
            problems.append(unread(where, why_unreadable(path, error), dropped=False))
            return None
        if len(data) > MAX_LINE:
            problems.append(Skipped(where, reasons.TOO_LONG, dropped=False))
            return None
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            text, whole = data.decode("utf-16", "replace"), True
        else:
            text, whole = decode(data.removeprefix(b"\xef\xbb\xbf"))
        if not whole:
            problems.append(Skipped(where, reasons.NOT_UTF8, UTF8_REMEDY, dropped=False))
        return text


def _images(listing: Listing) -> list[str]:
    """The names of a folder's images; what may be one and cannot be read joins its faults."""
    images: list[str] = []
    for name in listing.files:
        if split_suffix(name)[1]:
            images.append(name)
        elif may_be_image(name) and name.upper() != "DICOMDIR":
            try:
                if starts_like_dicom(Path(listing.here, name)):
                    images.append(name)
            except OSError as error:
                listing.faults[name] = fault_of(error)
    return images
