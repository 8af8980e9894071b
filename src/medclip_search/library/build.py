"""Building a library: cases from corpora, vectors and thumbnails from images, then indexes.

Each step takes up where a stopped run left it, and says what it skipped and why.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medclip_search import encoders
from medclip_search.corpora import spec_from_json
from medclip_search.corpora.base import Corpus, CorpusSpec, Skipped
from medclip_search.encoders.base import Encoder, EncoderSpec
from medclip_search.errors import CorpusError, EncoderError, UsageError
from medclip_search.library.compact import compact
from medclip_search.library.embed import begin_spaces, embed
from medclip_search.library.embed_captions import embed_captions
from medclip_search.library.emptied import open_source
from medclip_search.library.generation import made_by, remembered_encoder
from medclip_search.library.ingest import BuildSummary, Report, ingest, put_source
from medclip_search.library.ready_vectors import begin_ready_spaces, take_vectors
from medclip_search.library.repair import drop_damaged
from medclip_search.library.said_before import as_before
from medclip_search.library.workcatalogue import WorkCatalogue
from medclip_search.library.writer import Writer, writing
from medclip_search.progress import SILENT, Progress

DEFAULT_ENCODER = "compact"


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
    given = [open_source(library, spec) for spec in as_before(library, specs)]
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
            put_source(catalogue, corpus)
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
        read = [corpus.spec for corpus in corpora]
        with catalogue.transaction():  # a call that is refused leaves a stopped build as it was
            remember(catalogue)
            loaded = _load_encoder(catalogue, encoder.spaces if encoder is not None else ())
            if captions and not (loaded is not None and any(s.embeds_words for s in loaded.spaces)):
                name = "no encoder" if loaded is None else f"the encoder {loaded.name}"
                raise UsageError(f"--embed-captions: {name} embeds no words here; leave it out")
            if loaded is not None:
                begin_spaces(writer, loaded, captions=catalogue.fact("embed_captions") is not None)
            begin_ready_spaces(writer, read)
        given_rows = 0
        if repair:
            given_rows = catalogue.count_given_rows()
            summary.repaired = drop_damaged(writer)
        if restore:
            catalogue.restore_removed()
        writer.worth_keeping = True
        seen, before = catalogue.begin_build(), catalogue.newest_key()
        for corpus in corpora:
            ingest(writer, corpus, seen, prune, summary, tell, progress)
        summary.ready = take_vectors(writer, read, loaded, tell, progress)
        summary.embedded = embed(writer, loaded, tell, progress)
        if loaded is not None:
            summary.captions = embed_captions(writer, loaded, progress)
        summary.lost = catalogue.count_lost()  # before those go of which nothing is left
        if repair:
            summary.lost += max(0, given_rows - catalogue.count_given_rows())
        summary.without_vector = catalogue.count_without_vector() if loaded is None else 0
        with catalogue.transaction():
            empty = catalogue.empty_cases()
            catalogue.delete_cases(empty, remember=False)
        summary.added -= sum(key > before for key in empty)
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
    if asked.runtime != "auto" and (asked.runtime == "int8") != (known.runtime == "int8"):
        bits = ("8-bit", "whole") if known.runtime == "int8" else ("whole", "8-bit")
        raise EncoderError(
            f"--runtime {asked.runtime}: the library's vectors were made with {bits[0]} weights, "
            f"and {bits[1]} ones give others; leave it out, or build a new library"
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
        "called": spec.called,
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
    loaded = encoders.load(spec, made_by(spec, catalogue.spaces()))
    if loaded.called != loaded.name:
        _remember_encoder(catalogue, replace(spec, called=loaded.called))
    return loaded


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
