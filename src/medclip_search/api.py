"""The public API: libraries are built, opened, searched, followed, verified, and taken from."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medclip_search.cases import Case
from medclip_search.corpora import CorpusSpec, parse_corpora
from medclip_search.corpora.files import file_fault
from medclip_search.encoders.base import RUNTIMES, EncoderSpec, Runtime
from medclip_search.encoders.open_clip.source import place_of
from medclip_search.errors import CaseNotFoundError, ImageError, QueryError, UsageError
from medclip_search.images import read_image
from medclip_search.images.samples import Samples, is_deep, read_samples
from medclip_search.images.sources import source_mark, source_picture
from medclip_search.indexes.columns import Columns, case_values, fold
from medclip_search.indexes.text.abbreviations import Forms
from medclip_search.library import build as library_build
from medclip_search.library import verify as library_verify
from medclip_search.library.delete_images import DeletionSummary
from medclip_search.library.delete_images import delete_images as library_delete_images
from medclip_search.library.describe_library import describe_library
from medclip_search.library.generation import Generation
from medclip_search.library.ingest import BuildSummary, Report
from medclip_search.library.layout import CURRENT, read_current
from medclip_search.library.remove import remove_cases
from medclip_search.library.spared_images import Deletable
from medclip_search.library.spared_images import deletable as library_deletable
from medclip_search.library.verify import Finding
from medclip_search.library.workcatalogue import WorkCatalogue
from medclip_search.progress import SILENT, Progress
from medclip_search.search import engine, examples, filters, mapping
from medclip_search.search.changes import Changes, changes
from medclip_search.search.combine import Combiner, read_combiner
from medclip_search.search.figures import with_figures
from medclip_search.search.hits import Hits, Suggestion
from medclip_search.search.mapping import Placed, Points
from medclip_search.search.query import Query
from medclip_search.search.synonyms import read_synonyms

if TYPE_CHECKING:
    from medclip_search.encoders.cross_encoder import CrossEncoder
    from medclip_search.encoders.cross_encoder.export import RerankerExport
    from medclip_search.encoders.open_clip.export import ExportReport


class Library:
    """An opened library: one generation of it, whole, for as long as nobody calls ``refresh``.

    Safe for use by several threads. ``Library.open(path)`` starts in well under a second:
    everything large is memory-mapped.
    """

    def __init__(
        self,
        path: Path,
        generation: Generation,
        stamp: tuple[int, int],
        model: str | None = None,
        reader: CrossEncoder | None = None,
        combiner: Combiner | None = None,
        synonyms: Forms | None = None,
    ) -> None:
        self._path = path
        self._model = model
        self._reader = reader
        self._combiner = combiner
        self._synonyms = synonyms
        self._generation = generation
        self._stamp = stamp
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        model: str | Path | None = None,
        rerank: str | Path | None = None,
        combiner: str | Path | None = None,
        synonyms: str | Path | None = None,
    ) -> Self:
        """Open the published generation. Raises ``NotALibraryError`` and its kin.

        ``model`` is where the encoder's model lies here, if not where the library was built;
        ``rerank`` a cross-encoder, by name or folder (``encoders.cross_encoder``), that re-ranks
        the answers to words. Either is refused at once where it cannot be had, or is another
        (``EncoderError`` and its kin). ``combiner`` is a file that ``evaluation.train_combiner``
        made of this library, else ``UsageError`` is raised (``search.combine``). ``synonyms`` is a
        file of words that mean the same (``search.synonyms``; ``UsageError`` likewise).
        """
        path = Path(path)
        stamp = _stamp(path)
        place = _model_place(model)
        generation = Generation.open(path, place)
        try:
            if place is not None:
                generation.encoder()
            learnt = None
            if combiner is not None:
                learnt = read_combiner(combiner, generation.manifest.library)
            same = None if synonyms is None else read_synonyms(Path(synonyms))
            return cls(path, generation, stamp, place, _reader(rerank), learnt, same)
        except BaseException:
            generation.close()
            raise

    def search(self, query: Query, k: int = 10, start: int | None = None) -> Hits:
        """The best ``k`` cases for a query (``k`` >= 1, else ``QueryError``).

        With ``start``, those from there on (0 for the best): pages asked for so fit together, cost
        the same each, and go down to the 1,000th answer. A ``CaseFigure`` is a figure of this
        library: ``CaseNotFoundError`` where there is no such case, ``ImageError`` without a figure.
        """
        query = with_figures(query, self.figure)
        return engine.search(
            self._generation, query, k, self._reader, self._combiner, self._synonyms, start
        )

    def changes(self, query: Query, hits: Hits) -> Changes | None:
        """What the likes, dislikes and tray of a query did to the hits that it gave, and why.

        The query is asked again without them, for the same page. ``None`` where there are no likes
        or dislikes, or nothing else is asked. Raises as ``search``.
        """
        asked = query.text or query.image or query.vector or query.where or query.area
        if not (query.like or query.dislike) or not asked or not hits:
            return None
        without = replace(query, like=(), dislike=(), tray=(), facets=(), suggest=0)
        start = hits.start if hits.start + len(hits) <= engine.DEEPEST else None
        return changes(self.search(without, len(hits), start), hits)

    def suggest(self, query: Query, n: int = 8) -> tuple[Suggestion, ...]:
        """What the best hits of a query are called, the weightiest first (``search.suggest``).

        With an image this answers what it is likely called. Raises as ``search``.
        """
        return self.search(replace(query, suggest=n), 1).suggestions

    def case(self, case_id: str) -> Case:
        """The case with this id; raises ``CaseNotFoundError``."""
        generation = self._generation
        key = _key(generation, case_id)
        return generation.cases([key])[key]

    def cases(self, ids: Sequence[str] | None = None, where: Sequence[str] = ()) -> Iterator[Case]:
        """Every case, streamed; or those of some ids (unknown ones left out), or that pass filters.

        Raises ``FilterError``.
        """
        generation = self._generation
        keys: set[int] | None = None
        if ids is not None:
            keys = {key for key in generation.keys_of(ids) if key is not None}
        if where:
            columns = generation.columns
            parsed = [filters.parse_filter(one, columns.fields()) for one in where]
            passing = set(np.flatnonzero(filters.mask(parsed, columns)).tolist())
            keys = passing if keys is None else keys & passing
        return (case for _, case in generation.catalogue.all_cases(keys))

    def image(self, case_id: str) -> Image.Image:
        """The full-size picture, decoded from its source (8-bit, windowed, upright).

        Raises ``CaseNotFoundError``, or ``ImageError`` where the source image is gone.
        """
        with self._picture(case_id) as (source, frame):
            return read_image(source, frame=frame, name=case_id)

    def figure(self, case_id: str) -> Image.Image:
        """The picture to search by: ``image``, or where its source is gone the thumbnail.

        Raises ``CaseNotFoundError``, or ``ImageError`` for a case without any.
        """
        try:
            return self.image(case_id)
        except ImageError:
            kept = self.thumbnail(case_id)
            if kept is None:
                raise
            return read_image(kept, name=case_id)

    def samples(self, case_id: str) -> Samples | None:
        """What a deep picture measured before a window makes grey of it (``images.samples``).

        In Hounsfield units for CT. ``None`` for a picture of 8 bits or in colours, of which
        ``image`` shows all there is. Raises as ``image``.
        """
        with self._picture(case_id) as (source, frame):
            return read_samples(source, frame=frame, name=case_id)

    def has_samples(self, case_id: str) -> bool:
        """Whether ``samples`` has any, by the picture's header alone. Raises as ``image``."""
        with self._picture(case_id) as (source, _):
            return is_deep(source, name=case_id)

    @contextmanager
    def _picture(self, case_id: str) -> Iterator[tuple[bytes | Path, int | None]]:
        """The source of a case's picture, and its frame; errors in reading call it by its id."""
        generation = self._generation
        key = _key(generation, case_id)
        source = generation.cases([key])[key].image
        if source is None:
            raise ImageError(case_id, "the case has no image")
        if generation.catalogue.image_was_deleted(key) and file_fault(source.path):
            gone = "its image file was deleted on request (thumbnail and vectors are kept)"
            raise ImageError(case_id, gone, "put the file back to see it in full")
        # Called by the case's id: a path, or a DICOM file's name, may say who a patient is.
        try:
            yield source_picture(source), source.frame
        except OSError as error:
            raise ImageError(case_id, f"the image cannot be read ({error.strerror})") from None
        except ImageError as error:
            raise ImageError(case_id, error.reason, error.remedy) from None

    def has_image(self, case_id: str) -> bool:
        """Whether the source of the full-size picture is there now; it is not decoded."""
        source = self.case(case_id).image
        try:
            return source is not None and bool(source_mark(source))
        except (OSError, ImageError):
            return False

    def thumbnail(self, case_id: str) -> bytes | None:
        """The WebP thumbnail kept in the library; ``None`` for a case without an image."""
        generation = self._generation
        return generation.thumbnail(_key(generation, case_id))

    def facets(self, field: str) -> Mapping[str, int]:
        """Values of a field over the library with their counts, most frequent first."""
        return {str(value): n for value, n in self._generation.columns.counts(field).items()}

    def coverage(self, field: str) -> tuple[int, int]:
        """How many cases have the field, and how many distinct values there are."""
        columns = self._generation.columns
        return int(np.count_nonzero(columns.present(field))), columns.values(field)

    def fields(self) -> list[str]:
        """Fields that filters accept: modality, region, corpus, …, and metadata columns."""
        return self._generation.columns.fields()

    def field(self, name: str) -> str:
        """A field's full name, as filters find it (``type`` for ``metadata.Type``).

        Raises ``FilterError``, naming those there are.
        """
        return filters.stored_field(name, self._generation.columns)

    def labels(self, field: str, case: Case) -> frozenset[str]:
        """What a case has in a field (by its full name), in the form that filters compare."""
        values = (fold(value) for name, value in case_values(case) if name == field)
        return frozenset(value for value in values if value)

    def vectors(self, space: str, ids: Sequence[str]) -> NDArray[np.float32]:
        """The raw vectors of cases in a space, (n, dimension); NaN where one has none.

        Raises ``QueryError`` where there is no such space.
        """
        generation = self._generation
        if space not in generation.vectors:
            known = ", ".join(generation.vectors) or "none"
            raise QueryError(f"space: the library has no {space}; there are: {known}")
        rows = np.full((len(ids), generation.spaces[space].dimension), np.nan, np.float32)
        for at, key in enumerate(generation.keys_of(ids)):
            row = None if key is None else generation.vectors[space].vector(key)
            if row is not None:
                rows[at] = row
        return rows

    def embed_words(self, texts: Sequence[str]) -> Mapping[str, NDArray[np.float32]]:
        """Raw vectors of texts, (n, dimension), in each joint space; none where there is none.

        Raises ``EncoderError`` where the encoder is not to be had.
        """
        return self._generation.encoder().encode_words(texts)

    def map(
        self,
        most: int | None = None,
        where: Sequence[str] = (),
        fields: Sequence[str] = (),
    ) -> Points:
        """The figures on the map of the library's main embedding space, near what they are like.

        All (that pass the filters), or ``most`` of them, as if at random, with their values of
        ``fields``. Raises ``QueryError`` where there is no map, and ``FilterError``.
        """
        return mapping.points(self._generation, most, where, fields)

    def place(self, query: Query) -> tuple[tuple[Placed, ...], tuple[str, ...]]:
        """Where the words, images and vectors of a query stand on the map, and notes.

        Raises ``QueryError`` where there is no map, ``ImageError`` and ``EncoderError``.
        """
        return mapping.place(self._generation, with_figures(query, self.figure))

    def examples(self) -> list[str]:
        """A few short queries in words that this library answers well, for an empty page."""
        return examples.examples(self._generation.some_captions())

    def info(self) -> dict[str, Any]:
        """What the library is: id, generation, counts, sources, spaces, sizes (plain JSON).

        ``fields`` tells of each field in how many cases it is known, and how many values it has.
        """
        known = {field: self.coverage(field) for field in self.fields()}
        fields = {
            field: {"cases": cases, "values": values} for field, (cases, values) in known.items()
        }
        return describe_library(self._generation) | {"fields": fields}

    def refresh(self) -> bool:
        """Follow a newly published generation, if there is one; tells whether there was.

        Costs one ``stat`` when there is none. Searches under way end on the old generation.
        """
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return False
        with self._lock:
            if stamp == self._stamp:
                return False
            # The old generation closes itself when the last search lets go of it.
            self._generation = Generation.open(self._path, self._model)
            self._stamp = stamp
            return True

    def close(self) -> None:
        """Let go of the files."""
        self._generation.close()

    @property
    def id(self) -> str:
        """The library's own id, the same in every copy of it."""
        return self._generation.manifest.library

    @property
    def generation(self) -> int:
        """The number of the generation that answers."""
        return self._generation.manifest.number

    @property
    def path(self) -> Path:
        """The folder."""
        return self._path

    def __len__(self) -> int:
        """How many cases there are."""
        return self._generation.manifest.cases

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def build(
    path: str | Path,
    corpora: Sequence[str | CorpusSpec] = (),
    *,
    columns: Sequence[str] = (),
    images: Sequence[str] = (),
    embeddings: Sequence[str] = (),
    frames: Sequence[str | int] = (),
    encoder: str | None = None,
    model: str | Path | None = None,
    spaces: Sequence[str] = (),
    runtime: Runtime = "auto",
    embed_captions: bool = False,
    limit: int | None = None,
    prune: bool = False,
    restore: bool = False,
    repair: bool = False,
    purge: bool = False,
    report: Report = lambda _: None,
    progress: Progress = SILENT,
) -> BuildSummary:
    """Make a library, or bring it up to date (``library.build``, with corpora as text too).

    ``corpora`` are as on the command line (``"roco=/data/roco"``), with ``columns``, ``images``
    and ``embeddings`` for tables and ``frames`` for DICOM. ``encoder``, ``model``, ``spaces``
    and ``runtime`` say what makes the vectors (``encoders.base.EncoderSpec``);
    ``embed_captions`` adds the captions' own. ``report`` hears of everything that was skipped.
    """
    texts = [one for one in corpora if isinstance(one, str)]
    specs = parse_corpora(texts, columns, images, embeddings, frames)
    specs += [one for one in corpora if isinstance(one, CorpusSpec)]
    return library_build.build(
        Path(path),
        specs,
        encoder=_encoder_spec(encoder, _model_place(model), spaces, runtime),
        captions=embed_captions,
        limit=limit,
        prune=prune,
        restore=restore,
        repair=repair,
        purge=purge,
        report=report,
        progress=progress,
    )


def deletable(path: str | Path, *, progress: Progress = SILENT) -> Deletable:
    """The raw images that a library needs no more (``library.spared_images``)."""
    return library_deletable(Path(path), progress=progress)


def delete_images(
    path: str | Path,
    plan: Deletable,
    *,
    report: Report = lambda _: None,
    progress: Progress = SILENT,
) -> DeletionSummary:
    """Delete raw images that ``deletable`` named, for good (``library.delete_images``)."""
    return library_delete_images(Path(path), plan, report=report, progress=progress)


def export_encoder(
    encoder: str = "biomedclip",
    model: str | Path | None = None,
    output: str | Path | None = None,
    *,
    int8: bool = False,
    progress: Progress = SILENT,
) -> ExportReport:
    """Export a model of open_clip for ONNX Runtime (``encoders.open_clip.export``).

    ``output`` is by default where the encoder finds it by itself. Raises ``UsageError``,
    ``EncoderUnavailableError`` or ``EncoderError``.
    """
    # Not at the top: it takes time to import, and few programs need it.
    from medclip_search.encoders.open_clip.choose import NAMES
    from medclip_search.encoders.open_clip.export import export

    if encoder not in NAMES:
        raise UsageError(f"--encoder {encoder}: only {' and '.join(NAMES)} can be exported")
    spec = EncoderSpec(encoder, _model_place(model))
    place = None if output is None else Path(output).expanduser().absolute()
    return export(spec, place, int8=int8, progress=progress)


def export_reranker(
    model: str | Path,
    output: str | Path | None = None,
    *,
    int8: bool = False,
    progress: Progress = SILENT,
) -> tuple[Path, RerankerExport]:
    """Export a cross-encoder for ONNX Runtime (``encoders.cross_encoder.export``).

    ``output`` is by default where ``Library.open(…, rerank=model)`` finds it by itself. Gives the
    folder and what it holds. Raises ``UsageError`` or ``EncoderError``.
    """
    from medclip_search.encoders.cross_encoder.export import export

    place = None if output is None else Path(output).expanduser().absolute()
    return export(model, place, int8=int8, progress=progress)


def verify(path: str | Path, progress: Progress = SILENT) -> Iterator[Finding]:
    """Compare every byte of a library with its checksum (``library.verify``)."""
    return library_verify.verify(Path(path), progress)


def remove(
    path: str | Path,
    *,
    ids: Sequence[str] = (),
    where: Sequence[str] = (),
    purge: bool = False,
    progress: Progress = SILENT,
) -> int:
    """Take cases out of a library, by id and by filter, and publish; tells how many.

    Later builds leave them out. ``purge`` also drops their bytes and older generations now.
    Raises ``UsageError`` for a call without either, ``CaseNotFoundError`` for an unknown id
    (nothing is removed then), ``FilterError``, ``LibraryBusyError``.
    """
    if not ids and not where:
        raise UsageError("say which cases to remove: --id ID or --where KEY=VALUE")
    parsed = [filters.parse_filter(one) for one in where]

    def choose(catalogue: WorkCatalogue) -> set[int]:
        keys = catalogue.keys_of(ids)
        if unknown := [
            one
            for one, key in zip(ids, keys, strict=True)
            if key is None and not catalogue.was_removed(one)  # said again: it is done already
        ]:
            raise CaseNotFoundError(f"{', '.join(unknown)}: no case of the library has this id")
        chosen = {key for key in keys if key is not None}
        if parsed:
            columns = Columns.open(Path(path) / read_current(Path(path)).columns)
            chosen |= set(np.flatnonzero(filters.mask(parsed, columns)).tolist())
        return chosen

    return remove_cases(Path(path), choose, purge=purge, progress=progress)


def _encoder_spec(
    name: str | None, model: str | None, spaces: Sequence[str], runtime: Runtime
) -> EncoderSpec | None:
    """What was said of the encoder, ``None`` where nothing was. Raises ``UsageError``."""
    if runtime not in RUNTIMES:
        raise UsageError(f"--runtime {runtime}: choose one of: {', '.join(RUNTIMES)}")
    wanted = tuple(one.strip() for text in spaces for one in text.split(",") if one.strip())
    if name is None and model is None and not wanted and runtime == "auto":
        return None
    return EncoderSpec(name or "", model, wanted, runtime)


def _model_place(model: str | Path | None) -> str | None:
    """Where a model lies, so that a library can remember it; its name as it is."""
    return None if model is None else place_of(str(model))


def _reader(model: str | Path | None) -> CrossEncoder | None:
    if model is None:
        return None
    # Not at the top: few programs need it.
    from medclip_search.encoders.cross_encoder import load

    return load(model)


def _key(generation: Generation, case_id: str) -> int:
    key = generation.keys_of([case_id])[0]
    if key is None:
        raise CaseNotFoundError(f"{case_id}: no case of the library has this id")
    return key


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when ``CURRENT`` is replaced; a missing one is found by opening."""
    try:
        found = (path / CURRENT).stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)
