"""From corpora to the catalogue: cases are added, changed, or missed, and what happened is told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from medclip_search.cases import Case
from medclip_search.corpora import reasons, spec_to_json
from medclip_search.corpora.base import Corpus, Skipped, Surveyed
from medclip_search.corpora.files import file_fault
from medclip_search.describe import describe
from medclip_search.errors import ImageError
from medclip_search.images.sources import source_mark
from medclip_search.library.emptied import knows_by_files
from medclip_search.library.workcatalogue import WorkCatalogue
from medclip_search.library.writer import Writer
from medclip_search.progress import Advance, Progress

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
    without_vector: int = 0
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


def put_source(catalogue: WorkCatalogue, corpus: Corpus) -> int:
    """Remember a corpus as it was given; its number."""
    return catalogue.put_source(
        corpus.spec.name, json.dumps(spec_to_json(corpus.spec)), str(corpus.root)
    )


def ingest(
    writer: Writer,
    corpus: Corpus,
    seen: int,
    prune: bool,
    summary: BuildSummary,
    tell: Report,
    progress: Progress,
) -> None:
    """Take in the cases of a corpus, a few thousand a transaction, and look at what vanished.

    ``seen`` is this build's number, by which cases that are not met are known. What happened is
    counted in ``summary`` and told to ``tell``.
    """
    catalogue = writer.catalogue
    root = str(corpus.root)
    name = corpus.spec.name
    source = put_source(catalogue, corpus)
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
