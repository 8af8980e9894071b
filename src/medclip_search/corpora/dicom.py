"""``dicom=DIR``: DICOM files wherever they lie, each series of them a case.

Files are known by their content, whatever they are called. The headers of all are read first,
since a series may lie in several folders; of each file some 0.4 kB are kept meanwhile (its name
and the numbers of ``Place``), so that 100,000 files take about 40 MB.

A case's id is ``series-`` and 16 hexadecimal digits of the SHA-256 of Series Instance UID: the
same on every machine and wherever the files lie, and nothing that could be looked up in a
hospital's system. Without that UID a file stands by itself, as ``image-`` and digits from its
SOP Instance UID or, without that too, its content.

Where series may give several pictures (``--frames``) such an id means no longer the series, but
one picture of it for ever, whatever slices join it: the digits of the slice's SOP Instance UID
follow (or of its content, where that UID is absent or other slices bear it too), and for a file
of several frames the frame, counted from 1. So going from one frame a series to several, or
back, gives all series other ids; between other numbers, pictures that are shown by both keep
theirs. What is not shown any more is left to ``--prune``.

Captions say what ``images.dicom_caption`` lets pass. Names of files and folders are remembered,
as with any corpus: they are for the user to choose.
"""

# Paths are strings in here, since there may be millions of them.
# ruff: noqa: PTH118, PTH123

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from medclip_search.cases import Case, ImageSource, Value
from medclip_search.corpora import reasons
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.captions import Gate, one_line
from medclip_search.corpora.files import Listing, check_folder, fault_of, unread, walk
from medclip_search.corpora.pictures import is_utf8, may_be_image
from medclip_search.errors import CorpusError, ImageError
from medclip_search.images.dicom_caption import describe_dicom
from medclip_search.images.dicom_series import PIXELS_MISSING, Place, may_be_dicom, read_place
from medclip_search.progress import SILENT, Advance, Progress

NOT_DICOM = "not DICOM"
A_COPY = "copy of an image already met"

_SUFFIXES = (".dcm", ".dicom", ".ima")
_DIRECTORY = "DICOMDIR"


class Slice(NamedTuple):
    """A file of a series."""

    folder: str
    name: str
    place: Place

    @property
    def path(self) -> str:
        return os.path.join(self.folder, self.name)


class Chosen(NamedTuple):
    """A slice to show: its number in the series from 1, its file, and its frame in that."""

    number: int
    slice: Slice
    frame: int | None


Series = dict[str, list[Slice]]


class DicomCorpus:
    """One case a series, its middle slice, or ``spec.frames`` evenly spaced ones.

    ``survey`` may be called first, to see how far the reading of headers is; otherwise iterating
    does it. Series come in the order of their first files' paths.
    """

    def __init__(self, spec: CorpusSpec) -> None:
        self.spec = spec
        self.root = check_folder(spec.path, "give the folder of the DICOM files")
        self._surveyed: tuple[Series, list[Skipped]] | None = None
        hidden: Skipped | None = None
        for listing in walk(self.root):
            if any(_begins_well(listing, name) for name in listing.files if name != _DIRECTORY):
                break
            hidden = hidden or next(self._faults(listing), None)
        else:
            if hidden is not None:
                raise CorpusError(
                    f"{self.root}: no DICOM in it can be read ({hidden.what}: {hidden.reason}); "
                    f"{hidden.remedy}"
                )
            raise CorpusError(
                f"{self.root}: no DICOM file in it or below it; for other pictures give "
                "--corpus folder=DIR"
            )

    def survey(self, progress: Progress = SILENT) -> None:
        """Read all headers now, for the next iteration; ``count`` then knows the cases."""
        series: Series = {}
        with progress(f"headers of {self.spec.name}", None, "file") as advance:
            self._surveyed = series, list(self._read_headers(series, advance))

    def count(self) -> int | None:
        """How many cases there are, after ``survey``; without it that is costly to know."""
        if self._surveyed is None:
            return None
        frames = (sum(one.place.frames for one in slices) for slices in self._surveyed[0].values())
        return sum(min(self.spec.slices, total) for total in frames)

    def __iter__(self) -> Iterator[Case | Skipped]:
        if self._surveyed is not None:
            (series, reports), self._surveyed = self._surveyed, None
            yield from reports
        else:
            series = {}
            yield from self._read_headers(series, lambda _: None)
        gate = Gate()
        for name in list(series):
            slices, copies = _without_copies(series.pop(name))
            for copy in copies:
                yield Skipped(self._where(copy.path), A_COPY, dropped=False)
            shared = _shared_instances(slices)
            chosen = choose(slices, self.spec.slices)
            total = sum(one.place.frames for one in slices)
            for one in chosen:
                yield from self._case(one, name, shared, total, gate)

    def _case(
        self, chosen: Chosen, series: str, shared: Collection[int], total: int, gate: Gate
    ) -> Iterator[Case | Skipped]:
        path = chosen.slice.path
        where = self._where(path)
        try:
            said = describe_dicom(path, where, chosen.frame)
            identity = self._identity(chosen, series, shared)
        except (OSError, ImageError) as error:
            yield _unreadable(where, error)
            return
        metadata: dict[str, Value] = dict(said.facts)
        if total > 1:
            metadata |= {"slice": chosen.number, "slices": total}
        origins: dict[str, str] = {}
        if said.modality:
            origins["modality"] = "dicom:Modality"
        if said.region:
            origins["region"] = "dicom:BodyPartExamined"
        case = Case(
            id=identity,
            corpus=self.spec.name,
            caption=said.caption,
            image=ImageSource(Path(path), chosen.frame),
            modality=said.modality,
            region=said.region,
            keywords=said.keywords,
            metadata=metadata,
            origins=origins,
        )
        yield from gate.admit(case, where, [])

    def _identity(self, chosen: Chosen, series: str, shared: Collection[int]) -> str:
        """The id of a case. Raises ``OSError``."""
        path, place = chosen.slice.path, chosen.slice.place
        identity = series if place.series else f"image-{_content_digits(path)}"
        if self.spec.slices == 1:
            return identity
        if identity.startswith("series-"):
            by_uid = place.instance is not None and place.instance not in shared
            identity += f"-{place.instance:016x}" if by_uid else f"-{_content_digits(path)}"
        return identity if chosen.frame is None else f"{identity}-{chosen.frame + 1}"

    def _read_headers(self, series: Series, advance: Advance) -> Iterator[Skipped]:
        """Put every picture's place into ``series``; says what is none, and why."""
        foreign, first = 0, ""
        for listing in walk(self.root):
            yield from self._faults(listing)
            for name in listing.files:
                advance(1)
                path = os.path.join(listing.here, name)
                where = self._where(path)
                try:
                    place = read_place(path, where)
                except (OSError, ImageError) as error:
                    yield _unreadable(where, error)
                    continue
                if place is None:
                    if name.lower().endswith(_SUFFIXES):
                        yield Skipped(where, NOT_DICOM)
                    elif name != _DIRECTORY:
                        foreign, first = foreign + 1, first or where
                elif not is_utf8(path):
                    yield Skipped(where, reasons.BAD_FILE_NAME, "rename it")
                else:
                    key = place.series or path
                    series.setdefault(key, []).append(Slice(listing.here, name, place))
        if foreign:
            others = f" and {foreign - 1:,} more" if foreign > 1 else ""
            yield Skipped(f"{first}{others}", NOT_DICOM, dropped=False)

    def _faults(self, listing: Listing) -> Iterator[Skipped]:
        """What cannot be read and is, or may hide, DICOM."""
        for name, reason in sorted(listing.faults.items()):
            if reason in reasons.CONCEALING or may_be_image(name):
                yield unread(self._where(os.path.join(listing.here, name)), reason)

    def _where(self, path: str) -> str:
        relative = os.path.relpath(path, self.root).replace(os.sep, "/")
        return one_line(self.root.name if relative == "." else relative)


def choose(slices: Sequence[Slice], count: int) -> list[Chosen]:
    """The middle slice of a series, or so many evenly spaced ones (fewer where it has fewer).

    A series may hold stacks of several sizes and planes (localisers, reformats): the largest
    is shown, and the others only where it has too few.
    """
    stacks: dict[str, list[Slice]] = {}
    for one in slices:
        stacks.setdefault(one.place.stack, []).append(one)

    def size(stack: list[Slice]) -> int:
        return sum(one.place.frames for one in stack)

    chosen: list[Chosen] = []
    before = 0
    for _, stack in sorted(stacks.items(), key=lambda item: (-size(item[1]), item[0])):
        wanted, begin = spaced(size(stack), count - len(chosen)), 0
        for one in in_order(stack):
            end = begin + one.place.frames
            while wanted and wanted[0] < end:
                at = wanted.pop(0)
                frame = at - begin if one.place.frames > 1 else None
                chosen.append(Chosen(before + at + 1, one, frame))
            begin = end
        before += begin
    return chosen


def spaced(total: int, count: int) -> list[int]:
    """The middles of ``count`` equal parts of ``range(total)``; all of it where it is shorter."""
    count = min(count, total)
    return [(2 * part + 1) * total // (2 * count) for part in range(count)]


def in_order(stack: Sequence[Slice]) -> list[Slice]:
    """By position, or else location, or else number, whichever all have; or else by path.

    Slices at one place (repeated in time) follow by number, and whatever is left by their
    UIDs' digests, so that names of files do not matter.
    """
    for of in ("position", "location", "number"):
        values = [getattr(one.place, of) for one in stack]
        if all(value is not None for value in values):
            ranked = sorted(zip(values, map(_rank, stack), stack, strict=True), key=_first_two)
            return [one for _, _, one in ranked]
    return sorted(stack, key=lambda one: one.path)


def _first_two(
    item: tuple[float, tuple[int, int, str], Slice],
) -> tuple[float, tuple[int, int, str]]:
    return item[:2]


def _rank(one: Slice) -> tuple[int, int, str]:
    return one.place.number or 0, one.place.instance or 0, one.path


def _without_copies(slices: list[Slice]) -> tuple[list[Slice], list[Slice]]:
    """Each image once, and the further files of it.

    Numbers and positions must agree too: careless anonymisers give one UID to all.
    """
    seen: set[tuple[object, ...]] = set()
    unique: list[Slice] = []
    copies: list[Slice] = []
    for one in slices:
        place = one.place
        if place.instance is None:
            unique.append(one)
            continue
        key = place._replace(series="")
        (copies if key in seen else unique).append(one)
        seen.add(key)
    return unique, copies


def _shared_instances(slices: Sequence[Slice]) -> frozenset[int]:
    """Digests of UIDs that careless anonymisers gave to several slices."""
    counts = Counter(one.place.instance for one in slices)
    return frozenset(one for one, count in counts.items() if one is not None and count > 1)


def _begins_well(listing: Listing, name: str) -> bool:
    """Whether a file may be DICOM; one that cannot be opened joins the listing's faults."""
    try:
        return may_be_dicom(os.path.join(listing.here, name))
    except OSError as error:
        listing.faults[name] = fault_of(error)
        return False


def _content_digits(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def _unreadable(where: str, error: OSError | ImageError) -> Skipped:
    if isinstance(error, OSError):
        return unread(where, fault_of(error))
    if error.reason == reasons.UNREADABLE:
        return unread(where, error.reason)
    lost = error.reason == PIXELS_MISSING
    return Skipped(where, error.reason, error.remedy, incomplete=lost)
