"""What the command line prints: bars, reports, tables. Results go to stdout, the rest to stderr."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.corpora.captions import one_line
from medclip_search.encoders import EncoderDescription
from medclip_search.progress import Advance
from medclip_search.search.hits import Hits

if TYPE_CHECKING:
    from pathlib import Path

    from medclip_search.evaluation.outcome import Evaluation
    from medclip_search.library.ingest import BuildSummary
    from medclip_search.library.spared_images import Deletable


def say(text: str = "") -> None:
    """One line about what is going on."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def bars(stage: str, total: int | None, unit: str) -> Iterator[Advance]:
    """A progress bar with rate and time left; it leaves one line when the stage ends."""
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    with tqdm(
        desc=f"{stage:<20}",
        total=total,
        unit=unit if unit == "B" else f" {unit}",
        unit_scale=unit == "B",
        file=sys.stderr,
        dynamic_ncols=terminal,
        mininterval=0.1 if terminal else 10.0,
        disable=total == 0 or (total is None and not terminal),
    ) as bar:
        yield bar.update


def skip_line(text: object) -> None:
    """A line of the report, above the bar that is running."""
    from tqdm import tqdm

    tqdm.write(f"skipped: {text}", file=sys.stderr)


def kept_line(text: object) -> None:
    """A line about a file that was not deleted, above the bar that is running."""
    from tqdm import tqdm

    tqdm.write(f"kept: {text}", file=sys.stderr)


def deletable_lines(plan: Deletable, most: int = 20) -> Iterator[str]:
    """The raw images that may be deleted, what that costs, and what is kept and why."""
    for reason, count in sorted(plan.kept.items(), key=lambda item: -item[1]):
        yield f"kept {counted(count, 'file')}: {reason}"
    if not plan.files:
        yield "no raw image can be deleted"
        return
    yield "raw images that the library needs no more:"
    for image in plan.files[:most]:
        yield f"  {one_line(image.path, 1000)}"
    if (more := len(plan.files) - most) > 0:
        yield f"  … and {more:,} more"
    yield (
        "without them there is no full-size view; and should the library be damaged or another "
        "encoder be wanted, their vectors cannot be made again"
    )


def table(hits: Hits, *, explain: bool = False) -> str:
    """Hits as a person reads them: a line of facts, the caption, and why each is here.

    ``explain`` adds what likes and dislikes say of each, in decibans.
    """
    width = min(shutil.get_terminal_size().columns, 120)
    lines: list[str] = []
    for hit in hits:
        case = hit.case
        facts = [case.modality, case.region, str(case.year) if case.year else None, case.corpus]
        known = " · ".join(fact for fact in facts if fact)
        more = "".join(f"  {one}" for one in hit.carries())
        lines.append(f"{hit.rank:>3}  {hit.id}  [{known}]  {hit.score:.4f}{more}")
        caption = case.caption or "(no caption)"
        lines += textwrap.wrap(
            " ".join(caption.split()),
            width,
            initial_indent="     ",
            subsequent_indent="     ",
            max_lines=3,
            placeholder=" …",
        )
        if hit.why:
            lines.append(f"     — {hit.why}")
        if explain and hit.feedback is not None:
            lines += [f"       {line}" for line in (*hit.feedback.lines, hit.feedback.sum)]
    if not hits:
        lines.append("no case answers this query")
    return "\n".join(lines)


def closing(hits: Hits) -> str:
    """The line below a table."""
    return f"{counted(len(hits), 'hit')} in {hits.milliseconds:.0f} ms. {NOT_FOR_DIAGNOSIS}"


def suggested(hits: Hits) -> str:
    """What the best hits are called, with how many cases of the library are called so too."""
    return "called: " + "; ".join(f"{one.text} ({one.cases:,})" for one in hits.suggestions)


def facet_lines(hits: Hits, most: int = 12) -> Iterator[str]:
    """The counts that a query asked for, a line a field; years in their order, as they count."""
    if hits.facets is None:
        return
    yield hits.facets.says
    for field, counts in hits.facets.fields.items():
        told = list(counts.items())[:most]
        if field == "year":
            told.sort()
        more = f", and {len(counts) - most:,} more" if len(counts) > most else ""
        values = ", ".join(f"{one_line(str(value), 60)} {count:,}" for value, count in told)
        yield f"  {field}: {values or 'none has any'}{more}"


def counted(number: int, noun: str, several: str = "") -> str:
    """``1 case``, ``2 cases``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {several or noun + 's'}"


def info_lines(info: dict[str, Any]) -> Iterator[str]:
    """``info`` as a person reads it."""
    yield f"{info['path']}: generation {info['generation']}, published {info['created']}"
    yield f"  {info['cases']:,} cases, {info['images']:,} with an image"
    for source in info["sources"]:
        name = f"{source['name']} ({source['kind']})"
        yield f"  corpus {name}: {source['cases']:,} cases from {source['root']}"
    if info["encoder"]:
        yield f"  encoder {info['encoder']}" + (f" ({info['model']})" if info["model"] else "")
    for space in info["spaces"]:
        words = meaning(space)
        index = ", ".join(f"{name} {value}" for name, value in space["index"].items())
        yield f"  space {space['name']}: {space['dimension']}-D, {words}, {space['live']:,} vectors"
        yield f"    index: {index}"
        if space["note"]:
            yield f"    note: {space['note']}"
    if info["map"]:
        yield f"  map of {info['map']['space']}: {counted(info['map']['cases'], 'picture')}"
    told = [
        f"{field} of {100 * of['cases'] / info['cases']:.0f} %"
        for field, of in info["fields"].items()
        if of["cases"]
    ]
    if told:
        yield f"  known: {', '.join(told)}"
    sizes = ", ".join(f"{room} {size(n)}" for room, n in info["bytes"].items())
    yield f"  on disk: {sizes}"


def meaning(space: dict[str, Any]) -> str:
    """What an embedding space holds, and what can ask it."""
    if space["ready_made"]:
        return "ready-made vectors, asked by vectors"
    if space["holds"] == "captions":
        return "captions, asked by words"
    return "images and words" if space["embeds_words"] else "images only"


def evaluation_lines(found: Evaluation) -> Iterator[str]:
    """Measures with their intervals, and what they are beside other runs."""
    for name, scores in found.scores.items():
        yield f"{name + ': ' if name else ''}{counted(len(scores.queries), 'query', 'queries')}"
        means, intervals = scores.means(), scores.intervals()
        for measure, value in means.items():
            interval = _range(intervals[measure], measure)
            yield f"  {measure:<12} {_figure(measure, value):>8}  {interval}"
    for run, each in found.comparisons.items():
        for name, other in each.items():
            yield f"less {run}{f', {name}' if name else ''}:"
            for measure, value in other.scores.means().items():
                change = other.differences[measure]
                yield (
                    f"  {measure:<12} {_figure(measure, value):>8}  {change.mean:+.4f} "
                    f"{_range(change.interval)}  p = {change.p:.4f}  "
                    f"{change.better} better, {change.worse} worse"
                )


def _figure(measure: str, value: float) -> str:
    return f"{value:g}" if measure == "MedR" else f"{value:.4f}"


def _range(ends: tuple[float, float], measure: str = "") -> str:
    return f"[{_figure(measure, ends[0])}, {_figure(measure, ends[1])}]"


def summary_lines(library: Path, summary: BuildSummary) -> list[str]:
    """What a build did, for people to read."""
    lines = [f"skipped {count}: {reason}" for reason, count in summary.skipped.most_common()]
    if summary.lost:
        lines.append(
            f"{counted(summary.lost, 'case')} lack a vector or thumbnail, and the image "
            "to make it from is gone: put it back and run build again"
        )
    if summary.fell_back:
        lines.append("the last generation was lost: what was removed in it must be removed again")
    if summary.limit:
        lines.append(f"only the first {summary.limit} cases of each corpus (--limit 0 lifts this)")
    if summary.repaired:
        lines.append(f"{summary.repaired} damaged blocks were made again")
    if summary.kept_out:
        stay = "stays" if summary.kept_out == 1 else "stay"
        kept_out = counted(summary.kept_out, "case")
        lines.append(f"{kept_out} removed earlier {stay} out (--restore lets them in)")
    if summary.without_image:
        lines.append(
            f"{counted(summary.without_image, 'image')} deleted on request earlier; vectors and "
            "thumbnails are kept"
        )
    if summary.vanished:
        are = "is" if summary.vanished == 1 else "are"
        vanished = counted(summary.vanished, "case")
        lines.append(f"{vanished} {are} no longer in the source (--prune drops what vanished)")
    if summary.pruned:
        were = "was" if summary.pruned == 1 else "were"
        lines.append(f"{counted(summary.pruned, 'case')} that vanished {were} dropped")
    if summary.without_vector:
        lines.append(
            f"{counted(summary.without_vector, 'picture')} without a vector, for want of an "
            "encoder: name one, as in --encoder compact, to find them by likeness"
        )
    if summary.captions:
        lines.append(f"{counted(summary.captions, 'caption')} embedded")
    if summary.ready:
        lines.append(f"{counted(summary.ready, 'ready-made vector')} taken in")
    state = "published" if summary.published else "nothing new; still"
    lines.append(
        f"{library}: {counted(summary.added, 'case')} added, {summary.changed} changed, "
        f"{counted(summary.embedded, 'image')} embedded; {state} generation {summary.generation} "
        f"with {counted(summary.cases, 'case')}, {counted(summary.images, 'image')}"
    )
    return lines


def encoder_line(one: EncoderDescription) -> str:
    """One line of ``encoder list``."""
    known = ", ".join(f"{space.name} {space.dimension}-D" for space in one.spaces)
    spaces = known or "the model's spaces"
    state = "" if one.available else "  NOT AVAILABLE"
    return f"{one.name}{state}  [{spaces}; {one.licence}]  {one.note}"


def size(count: float) -> str:
    """``1.23 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
