"""Building a library: cases from corpora, vectors and thumbnails from images, then indexes.

Each step takes up where a stopped run left it, and says what it skipped and why.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medclip_search import encoders
from medclip_search.cases import Case
from medclip_search.corpora import reasons, spec_from_json, spec_to_json
from medclip_search.corpora.base import Corpus, CorpusSpec, Skipped, Surveyed
from medclip_search.corpora.files import file_fault
from medclip_search.describe import describe
from medclip_search.encoders.base import Encoder, EncoderSpec
from medclip_search.errors import CorpusError, EncoderError, ImageError, UsageError
from medclip_search.images.sources import source_mark
from medclip_search.library.compact import compact
from medclip_search.library.embed import begin_spaces, embed
from medclip_search.library.embed_captions import embed_captions
from medclip_search.library.emptied import knows_by_files, open_source
from medclip_search.library.generation import remembered_encoder
from medclip_search.library.ready_vectors import begin_ready_spaces, take_vectors
from medclip_search.library.repair import drop_damaged
from medclip_search.library.workcatalogue import WorkCatalogue
from medclip_search.library.writer import Writer, writing
from medclip_search.progress import SILENT, Advance, Progress

DEFAULT_ENCODER = "compact"
_COMMIT = 2000  # cases between two commits while reading a corpus

Report = Callable[[Skipped], None]


@dataclass(slots=True)
class BuildSummary:
    """What a build did. ``generation`` is the one that is published now.

    ``without_image`` counts the cases whose images were deleted on request: they keep what was
    made of these.
    """

    generation: int = 0
    cases: int = 0
    images: int = 0
    added: int = 0
    changed: int = 0
    embedded: int = 0
    ready: int = 0
    captions: int = 0
    pruned: int = 0
    vanished: int = 0
    kept_out: int = 0
    repaired: int = 0
    lost: int = 0
    without_image: int = 0
    fell_back: bool = False
    limit: int = 0
    published: bool = False
    resumed: bool = False
    skipped: Counter[str] = field(default_factory=Counter)


def build(
    library: Path,
    specs: Sequence[CorpusSpec] = (),
    *,
    encoder: EncoderSpec | None = None,
    captions: bool = False,
    limit: int | None = None,
    prune: bool = False,
    restore: bool = False,
    repair: bool = False,
    purge: bool = False,
    report: Report = lambda _: None,
    progress: Progress = SILENT,
) -> BuildSummary:
    """Make a library, or bring it up to date.

    Without ``specs``, the corpora it was built from are read again, with their settings.
    ``encoder`` is remembered too; its name may be left empty for the one that is known.
    ``captions`` embeds the captions as a space of their own, where the encoder embeds words.
    ``limit`` takes the first so many cases of each corpus (remembered; 0 lifts it). ``prune``
    drops cases that vanished from their source, ``restore`` lets cases that were removed come
    back, ``repair`` makes damaged parts again, ``purge`` drops dead bytes and older generations
    now. Raises ``UsageError``, ``CorpusError``, ``EncoderError`` or ``LibraryError``.
    """
    if limit is not None and limit < 0:
        raise UsageError(f"--limit {limit}: give a number of cases, or 0 for all of them")
    given = [open_source(library, spec) for spec in specs]
    summary = BuildSummary()

    def tell(skipped: Skipped) -> None:
        summary.skipped[skipped.reason] += 1
        report(skipped)

    if encoder is not None and encoder.name:
        encoders.load(encoder)  # before anything is made: it may be missing

    def remember(catalogue: WorkCatalogue) -> None:
        """All that a stopped build needs to go on with the library alone."""
        for corpus in given:
            _refuse_other_source(catalogue, corpus)
            _put_source(catalogue, corpus)
        if (chosen := _merged(catalogue, encoder)) is not None:
            _remember_encoder(catalogue, chosen)
        if captions:
            catalogue.set_fact("embed_captions", "1")
        if limit is not None:
            catalogue.set_fact("limit", str(limit) if limit else None)

    with writing(library, create=bool(given), repair=repair, prepare=remember) as writer:
        catalogue = writer.catalogue
        writer.purge = purge
        summary.resumed, summary.fell_back = writer.resumed, writer.fell_back
        corpora = given + _remembered(writer, given, tell, must=not repair)
        if not corpora and not repair and not catalogue.sources():
            raise UsageError(f"{library}: give it a corpus: --corpus KIND=PATH")
        remember(catalogue)
        loaded = _load_encoder(catalogue, encoder.spaces if encoder is not None else ())
        if captions and not (loaded is not None and any(s.embeds_words for s in loaded.spaces)):
            name = "no encoder" if loaded is None else f"the encoder {loaded.name}"
            raise UsageError(f"--embed-captions: {name} embeds no words here; leave it out")
        if repair:
            summary.repaired = drop_damaged(writer)
        if restore:
            catalogue.restore_removed()
        if loaded is not None:
            begin_spaces(writer, loaded, captions=catalogue.fact("embed_captions") is not None)
        read = [corpus.spec for corpus in corpora]
        begin_ready_spaces(writer, read)
        writer.worth_keeping = True
        seen = catalogue.begin_build()
        for corpus in corpora:
            _ingest(writer, corpus, seen, prune, summary, tell, progress)
        summary.ready = take_vectors(writer, read, loaded, tell, progress)
        summary.embedded = embed(writer, loaded, tell, progress)
        if loaded is not None:
            summary.captions = embed_captions(writer, loaded, progress)
        summary.lost = catalogue.count_lost()  # before those go of which nothing is left
        with catalogue.transaction():
            catalogue.delete_cases(catalogue.empty_cases(), remember=False)
        compact(writer, "anything is dead" if purge else "much is dead")
        summary.cases, summary.images = catalogue.count(), catalogue.count_images()
        summary.without_image = catalogue.count_deleted_images()
        summary.limit = int(catalogue.fact("limit") or 0)
        if writer.has_changes():
            summary.generation, summary.published = writer.publish(progress).number, True
        else:
            writer.abandon()
            summary.generation = writer.base.number if writer.base else 0
    return summary


def _merged(catalogue: WorkCatalogue, asked: EncoderSpec | None) -> EncoderSpec | None:
    """The encoder that is known with what was asked for now; ``None`` where nobody named one."""
    known = remembered_encoder(catalogue)
    if asked is None:
        return known
    if known is None:
        if not asked.name:
            raise UsageError("--model, --spaces and --runtime belong to an encoder: add --encoder")
        return asked
    if asked.name not in ("", known.name):
        raise EncoderError(
            f"the library was built with the encoder '{known.name}', not '{asked.name}'; build a "
            "new library for the other one"
        )
    both = (*known.spaces, *asked.spaces) if known.spaces else ()
    return replace(
        known,
        model=asked.model or known.model,
        spaces=tuple(dict.fromkeys(both)),
        runtime=known.runtime if asked.runtime == "auto" else asked.runtime,
    )


def _remember_encoder(catalogue: WorkCatalogue, spec: EncoderSpec) -> None:
    settings = {
        "model": spec.model,
        "spaces": spec.spaces,
        # Whole weights give the same vectors however they are run; 8-bit ones are others.
        "runtime": "int8" if spec.runtime == "int8" else None,
    }
    said = {name: value for name, value in settings.items() if value}
    catalogue.set_fact("encoder", spec.name)
    catalogue.set_fact("encoder_settings", json.dumps(said, sort_keys=True) if said else None)


def _load_encoder(catalogue: WorkCatalogue, spaces: Sequence[str]) -> Encoder | None:
    """The library's encoder; ``None`` where ready-made vectors do without one.

    Raises ``UsageError`` where it has not all the ``spaces`` that were asked for now.
    """
    spec = remembered_encoder(catalogue)
    if spec is None:
        specs = (spec_from_json(json.loads(source.spec)) for source in catalogue.sources())
        if any(one.embeddings for one in specs):
            return None
        spec = EncoderSpec(DEFAULT_ENCODER)
        _remember_encoder(catalogue, spec)
    if spaces:
        encoders.load(replace(spec, spaces=tuple(spaces)))
    return encoders.load(spec)


def _remembered(
    writer: Writer, given: Sequence[Corpus], tell: Report, *, must: bool
) -> list[Corpus]:
    """Corpora from earlier calls: all where none is given, or a stopped build goes on.

    One that cannot be read any more is reported, and its cases are kept. Where none can, and
    nothing else is to be done, its ``CorpusError`` is raised.
    """
    if given and not writer.resumed:
        return []
    names = {corpus.spec.name for corpus in given}
    found: list[Corpus] = []
    errors: list[CorpusError] = []
    for source in writer.catalogue.sources():
        if source.name not in names:
            try:
                spec = spec_from_json(json.loads(source.spec))
                found.append(open_source(writer.library, spec))
            except CorpusError as error:
                errors.append(error)
    if errors and must and not (found or given or writer.resumed):
        raise errors[0]
    for unreadable in errors:
        tell(Skipped(str(unreadable), "a source cannot be read; its cases are kept", dropped=False))
    return found


def _refuse_other_source(catalogue: WorkCatalogue, corpus: Corpus) -> None:
    """A name stands for one source: another one under it would overwrite its cases."""
    for source in catalogue.sources():
        if source.name != corpus.spec.name:
            continue
        path = spec_from_json(json.loads(source.spec)).path
        if path is not None and path != corpus.spec.path and path.exists():
            kind = corpus.spec.kind
            raise UsageError(
                f"{corpus.spec.path}: the corpus '{source.name}' of this library is {path}; name "
                f"the new one, as in --corpus {kind}:NAME={corpus.spec.path} (if it moved, take "
                "the old one away first)"
            )


def _put_source(catalogue: WorkCatalogue, corpus: Corpus) -> int:
    return catalogue.put_source(
        corpus.spec.name, json.dumps(spec_to_json(corpus.spec)), str(corpus.root)
    )


def _ingest(
    writer: Writer,
    corpus: Corpus,
    seen: int,
    prune: bool,
    summary: BuildSummary,
    tell: Report,
    progress: Progress,
) -> None:
    catalogue = writer.catalogue
    root = str(corpus.root)
    name = corpus.spec.name
    source = _put_source(catalogue, corpus)
    limit = int(catalogue.fact("limit") or 0)
    of_files = knows_by_files(corpus.spec)
    if isinstance(corpus, Surveyed):
        corpus.survey(progress)
    entries = _without_deleted(catalogue, source, corpus)
    count, ended, whole = 0, False, True
    if limit:  # cases that the source cannot tell of any more count as met
        untold = catalogue.untold_images(source, of_files=of_files)
        count = sum(file_fault(path) == reasons.ABSENT for path in untold)
    with progress(f"cases of {name}", limit or corpus.count(), "case") as advance:
        while not ended and not (limit and count >= limit):
            with catalogue.transaction():
                for entry in entries:
                    if isinstance(entry, Skipped):
                        tell(entry)
                        whole = whole and not entry.incomplete
                    else:
                        put = _put(writer, source, root, entry, seen, summary, tell, advance)
                        whole = whole and put
                        count += 1
                        if count % _COMMIT == 0 or count == limit:
                            break
                else:
                    ended = True
    if ended:
        gone = catalogue.unseen(source, seen, of_files=of_files)
        if prune and not whole:
            tell(Skipped(f"corpus {name}", "not pruned, because it could not be read whole"))
        elif prune:
            with catalogue.transaction():
                summary.pruned += catalogue.delete_cases(gone, remember=False)
        else:
            summary.vanished += len(gone)


def _without_deleted(
    catalogue: WorkCatalogue, source: int, corpus: Corpus
) -> Iterator[Case | Skipped]:
    """What a corpus tells, but not that images are missing which were deleted on request.

    A reader tells what is wrong with a case just before the case.
    """
    images, deleted = catalogue.count_images_of(corpus.spec.name)
    missing: list[Skipped] = []
    for entry in corpus:
        if isinstance(entry, Skipped):
            if entry.reason == reasons.NO_IMAGES_FOLDER and 0 < deleted == images:
                continue
            if entry.reason == reasons.MISSING_IMAGE and not entry.dropped:
                missing.append(entry)
                continue
            if entry.dropped:  # what was wrong was wrong with this one
                yield from missing
                missing.clear()
        else:
            if entry.image is not None or not catalogue.has_deleted_image(source, entry.id):
                yield from missing
            missing.clear()
        yield entry
    yield from missing


def _put(
    writer: Writer,
    source: int,
    root: str,
    case: Case,
    seen: int,
    summary: BuildSummary,
    tell: Report,
    advance: Advance,
) -> bool:
    """Take in one case; false where it could not be looked at."""
    stat = None
    if case.image is not None:
        try:
            stat = source_mark(case.image)
        except (OSError, ImageError) as error:
            if isinstance(error, ImageError):
                lost = Skipped(str(case.image), error.reason, error.remedy, dropped=False)
            else:
                reason = f"the image cannot be read ({error.strerror})"
                lost = Skipped(str(case.image), reason, dropped=False)
            tell(lost)
            case = replace(case, image=None)
            if not case.caption:
                return False
    outcome = writer.catalogue.put_case(source, root, describe(case), stat, seen)
    if outcome == "added":
        summary.added += 1
    elif outcome == "touched":
        writer.catalogue.restated = True
    elif outcome == "changed":
        summary.changed += 1
    elif outcome == "removed":
        summary.kept_out += 1
    elif outcome == "taken":
        tell(Skipped(f"{case.corpus}: {case.id}", "another corpus has this id"))
    advance(1)
    return True
