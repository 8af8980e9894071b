"""The command line: one thin function a command. Everything is done by the public API."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medclip_search import __version__
from medclip_search.cli_cite import cite
from medclip_search.cli_combiner import combiner
from medclip_search.cli_errors import exit_status
from medclip_search.cli_evaluate import evaluate
from medclip_search.cli_history import history
from medclip_search.cli_map import map_command
from medclip_search.cli_tray import tray as tray_commands
from medclip_search.errors import UsageError

if TYPE_CHECKING:
    from medclip_search.search.fuse import Fusion
    from medclip_search.search.sort import Sort

_LIBRARY = click.argument("library", type=click.Path(path_type=Path))
_MODEL = click.option(
    "--model",
    metavar="NAME|DIR",
    help="The encoder's model: a folder, or a name it knows.",
)
_RUNTIME = click.option(
    "--runtime",
    type=click.Choice(["auto", "torch", "onnx", "int8"]),
    default="auto",
    show_default=True,
    help="What runs the model; int8 is faster, less exact, and a library's for good.",
)
_RERANK = click.option(
    "--rerank",
    metavar="NAME|DIR",
    help="A cross-encoder that re-ranks answers to words: ncbi/MedCPT-Cross-Encoder, or a folder.",
)
_COMBINER = click.option(
    "--combiner", metavar="FILE", help="What 'combiner train' learnt: how much each list counts."
)
_SYNONYMS = click.option(
    "--synonyms",
    metavar="FILE",
    help="Words that mean the same, one line each: 'kidney, renal' or 'stroke => infarct'.",
)
_HELP = {"help_option_names": ["-h", "--help"]}


@click.group(context_settings=_HELP, epilog="For research and teaching. Not for diagnosis.")
@click.version_option(__version__, prog_name="medclip-search")
def commands() -> None:
    """Search published medical figures by image, by words, or by both.

    Add --debug to any command to see where an error came from.
    """


@commands.command()
@_LIBRARY
@click.option(
    "--corpus",
    "corpora",
    multiple=True,
    metavar="KIND[:NAME]=PATH",
    help="Where cases come from: roco=DIR, rocov2=DIR, pmc-oa=DIR, table=FILE, folder=DIR, "
    "dicom=DIR, beir=DIR, trec=DIR, or sample.",
)
@click.option(
    "--columns",
    multiple=True,
    metavar="[NAME:]image=…,caption=…,id=…",
    help="Which columns of a table are what; dotted paths reach into nested JSON.",
)
@click.option(
    "--images",
    multiple=True,
    metavar="[NAME=]DIR",
    help="Where a table's images are, when not beside it.",
)
@click.option(
    "--embeddings",
    multiple=True,
    metavar="[NAME:]SPACE=FILE",
    help="Ready-made vectors of a table's rows, in its order (.npy, float16 or float32).",
)
@click.option(
    "--frames",
    multiple=True,
    metavar="[NAME=]N",
    help="How many slices of each DICOM series; 1 is the middle one.",
)
@click.option("--encoder", help="What turns pictures into vectors (see 'encoder list').")
@_MODEL
@click.option(
    "--spaces",
    multiple=True,
    metavar="SPACE,…",
    help="Which of the encoder's embedding spaces to keep; by default all.",
)
@_RUNTIME
@click.option(
    "--embed-captions",
    is_flag=True,
    help="Embed the captions too, where the encoder embeds words; remembered.",
)
@click.option(
    "--limit",
    type=int,
    metavar="N",
    help="Only the first N cases of each corpus; remembered; 0 lifts it.",
)
@click.option("--prune", is_flag=True, help="Drop cases that vanished from their source.")
@click.option("--restore", is_flag=True, help="Let cases that were removed come back.")
@click.option("--repair", is_flag=True, help="Make again what 'verify' found damaged.")
@click.option("--purge", is_flag=True, help="Drop dead bytes and older generations now.")
@click.option(
    "--delete-images",
    is_flag=True,
    help="Then list the raw images that the library needs no more, ask, and delete them.",
)
@click.option("--yes", is_flag=True, help="Answer yes to what --delete-images asks.")
def build(
    library: Path,
    corpora: tuple[str, ...],
    columns: tuple[str, ...],
    images: tuple[str, ...],
    embeddings: tuple[str, ...],
    frames: tuple[str, ...],
    delete_images: bool,
    yes: bool,
    **options: Any,
) -> None:
    """Make a library, or bring it up to date.

    Settings are remembered: with the library alone, a stopped build goes on and a finished one
    takes in what is new and what changed.
    """
    from medclip_search import api, terminal

    if yes and not delete_images:
        raise UsageError("--yes answers what --delete-images asks: give both")
    if delete_images and not yes and not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            "--delete-images asks before it deletes, and there is no terminal to ask at: add --yes "
            "to delete without being asked (nothing was built or deleted)"
        )
    summary = api.build(
        library,
        corpora,
        columns=columns,
        images=images,
        embeddings=embeddings,
        frames=frames,
        report=terminal.skip_line,
        progress=terminal.bars,
        **options,
    )
    for line in terminal.summary_lines(library, summary):
        terminal.say(line)
    if delete_images:
        _delete_images(library, ask=not yes)
    if summary.lost:
        sys.exit(1)


def _delete_images(library: Path, *, ask: bool) -> None:
    """List, ask, delete. What cannot be deleted is reported, and is no failure of the build."""
    from medclip_search import api, terminal

    plan = api.deletable(library, progress=terminal.bars)
    for line in terminal.deletable_lines(plan):
        terminal.say(line)
    if not plan.files:
        return
    files = f"{terminal.counted(len(plan.files), 'file')} ({terminal.size(plan.bytes)})"
    if ask and not click.confirm(f"Delete these {files}?", err=True):
        terminal.say("nothing was deleted")
        return
    done = api.delete_images(library, plan, report=terminal.kept_line, progress=terminal.bars)
    terminal.say(f"{terminal.counted(done.files, 'file')} deleted ({terminal.size(done.bytes)})")


@commands.command()
@_LIBRARY
@click.argument("words", nargs=-1)
@click.option("--image", multiple=True, metavar="FILE", help="A picture to find the like of.")
@click.option("--case", "cases", multiple=True, metavar="ID", help="A case to find the like of.")
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="X,Y,W,H",
    help="Only this box of the image, in pixels or fractions; one an image, in order (those of "
    "cases last), or 'whole'.",
)
@click.option(
    "--vector", "vectors", multiple=True, metavar="FILE.npy", help="A vector to find the like of."
)
@click.option("--space", default="", metavar="NAME", help="Which embedding space it is of.")
@click.option("--not-words", multiple=True, metavar="W", help="Words that must not stand there.")
@click.option("--not-image", multiple=True, metavar="FILE", help="A picture to keep away from.")
@click.option(
    "--not-case",
    "not_cases",
    multiple=True,
    metavar="ID",
    help="A case whose figure to keep away from.",
)
@click.option(
    "--not-region", "not_regions", multiple=True, metavar="X,Y,W,H", help="Only this box of it."
)
@click.option("--like", multiple=True, metavar="ID", help="A case that is what you look for.")
@click.option("--dislike", multiple=True, metavar="ID", help="A case that is not.")
@click.option("--not-id", multiple=True, metavar="ID", help="A case that must not answer.")
@click.option(
    "--tray", multiple=True, metavar="ID", help="A case you keep: a weak like, if it is near."
)
@click.option(
    "--explain",
    is_flag=True,
    help="What likes and dislikes changed, and say of each hit in decibans.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="KEY=VALUE",
    help="A filter: modality=CT, region=thorax, year=2010..2015, any column.",
)
@click.option(
    "--fusion",
    type=click.Choice(["convex", "rrf"]),
    default="convex",
    show_default=True,
    help="How the lists of words and images become one: by calibrated scores or by ranks.",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="PART=NUMBER",
    help="How much words, image, vector or not-image count: image=2, or image=2,1 for each.",
)
@click.option("--fold/--no-fold", default=True, help="Show the same picture once, or each time.")
@click.option("--group", default="", metavar="FIELD", help="One hit of each, as in article.")
@click.option(
    "--diversity", type=float, default=0.0, metavar="0..1", help="Prefer hits unlike those above."
)
@click.option(
    "--expand",
    multiple=True,
    metavar="WAY",
    help="How to search for more than was typed: abbreviations, synonyms, pseudo-feedback; all, or "
    "none. By default synonyms and pseudo-feedback.",
)
@click.option(
    "--area",
    default="",
    metavar="X,Y,W,H",
    help="Only what stands in this box of the map, in fractions of it (see 'map').",
)
@_MODEL
@_COMBINER
@_SYNONYMS
@_RERANK
@click.option(
    "--rerank-ms",
    type=int,
    metavar="N",
    help="How many milliseconds it may take; by default 300.",
)
@click.option(
    "--suggest",
    type=int,
    default=0,
    metavar="N",
    help="Tell N phrases that the best hits are called by: what an image may be of.",
)
@click.option(
    "--facets",
    multiple=True,
    metavar="FIELD",
    help="Count the answers by the values of a field: modality, region, year, any column.",
)
@click.option(
    "--sort",
    type=click.Choice(["relevance", "newest", "oldest"]),
    default="relevance",
    show_default=True,
    help="The most relevant hits in order of their year.",
)
@click.option("-k", type=int, default=10, show_default=True, help="How many hits.")
@click.option("--start", type=int, metavar="N", help="Pass over N hits: page by page, from 0 on.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def search(
    library: Path,
    words: tuple[str, ...],
    image: tuple[str, ...],
    cases: tuple[str, ...],
    regions: tuple[str, ...],
    vectors: tuple[str, ...],
    space: str,
    not_words: tuple[str, ...],
    not_image: tuple[str, ...],
    not_cases: tuple[str, ...],
    not_regions: tuple[str, ...],
    like: tuple[str, ...],
    dislike: tuple[str, ...],
    tray: tuple[str, ...],
    explain: bool,
    not_id: tuple[str, ...],
    where: tuple[str, ...],
    fusion: Fusion,
    weights: tuple[str, ...],
    fold: bool,
    group: str,
    diversity: float,
    expand: tuple[str, ...],
    area: str,
    model: str | None,
    combiner: str | None,
    synonyms: str | None,
    rerank: str | None,
    rerank_ms: int | None,
    suggest: int,
    facets: tuple[str, ...],
    sort: Sort,
    k: int,
    start: int | None,
    as_json: bool,
) -> None:
    """Search a library by words, by images, by vectors, or by any of them together."""
    from medclip_search import terminal
    from medclip_search.api import Library
    from medclip_search.search.query import MEASURED, RERANK_MS, Query
    from medclip_search.search.regions import CaseFigure, ImageInput, with_regions

    if rerank_ms is not None and rerank is None:
        raise UsageError("--rerank-ms: name a cross-encoder too, by --rerank")

    def pictures(files: Sequence[str], ids: Sequence[str]) -> list[ImageInput]:
        return [*map(Path, files), *map(CaseFigure, ids)]

    query = Query(
        text=" ".join(words),
        image=with_regions(pictures(image, cases), regions, "--region"),
        vector=[Path(file) for file in vectors],
        space=space,
        not_text=not_words,
        not_image=with_regions(pictures(not_image, not_cases), not_regions, "--not-region"),
        where=where,
        like=like,
        dislike=dislike,
        tray=tray,
        not_id=not_id,
        fusion=fusion,
        weights=weights,
        suggest=suggest,
        rerank_ms=RERANK_MS if rerank_ms is None else rerank_ms,
        fold=fold,
        group=group,
        diversity=diversity,
        expand=expand or MEASURED,
        sort=sort,
        facets=facets,
        area=area,
    )
    with Library.open(
        library, model=model, rerank=rerank, combiner=combiner, synonyms=synonyms
    ) as opened:
        hits = opened.search(query, k, start)
        changed = opened.changes(query, hits) if explain else None
    if as_json:
        for hit in hits:
            click.echo(json.dumps(hit.to_json(), ensure_ascii=False))
    else:
        click.echo(terminal.table(hits, explain=explain))
        terminal.say(terminal.closing(hits))
    if changed is not None:
        terminal.say(f"by likes and dislikes: {changed}")
    if hits.suggestions:
        terminal.say(terminal.suggested(hits))
    for line in terminal.facet_lines(hits):
        terminal.say(line)
    for note in hits.notes:
        terminal.say(f"note: {note}")


commands.add_command(combiner)
commands.add_command(evaluate)
commands.add_command(cite)
commands.add_command(history)
commands.add_command(map_command)
commands.add_command(tray_commands)


@commands.command()
@_LIBRARY
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(library: Path, as_json: bool) -> None:
    """Show what a library holds and how it was made."""
    from medclip_search import terminal
    from medclip_search.api import Library

    with Library.open(library) as opened:
        facts = opened.info()
    click.echo(json.dumps(facts) if as_json else "\n".join(terminal.info_lines(facts)))


@commands.command()
@_LIBRARY
def verify(library: Path) -> None:
    """Compare every byte of a library with its checksum. Exit 1 where something is damaged."""
    from medclip_search import api, terminal

    damaged = 0
    for finding in api.verify(library, terminal.bars):
        damaged += finding.damage
        click.echo(f"{'damaged' if finding.damage else 'note'}: {finding}")
    if damaged:
        sys.exit(1)
    click.echo(f"{library}: no damage found")


@commands.command()
@_LIBRARY
@click.option("--id", "ids", multiple=True, metavar="ID", help="A case to take out.")
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="Cases to take out, by filter.")
@click.option("--purge", is_flag=True, help="Also drop their bytes and older generations now.")
def remove(library: Path, ids: tuple[str, ...], where: tuple[str, ...], purge: bool) -> None:
    """Take cases out of a library at once; later builds leave them out."""
    from medclip_search import api, terminal

    count = api.remove(library, ids=ids, where=where, purge=purge, progress=terminal.bars)
    terminal.say(f"{library}: {terminal.counted(count, 'case')} removed")


@commands.group()
def encoder() -> None:
    """What turns pictures and words into vectors."""


@encoder.command("list")
def list_encoders() -> None:
    """Show the encoders that this installation has."""
    from medclip_search import terminal
    from medclip_search.encoders import available

    for one in available():
        click.echo(terminal.encoder_line(one))


@encoder.command("export")
@click.option("--encoder", "name", default="biomedclip", show_default=True, help="Which encoder.")
@_MODEL
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to; by default where it is found by itself.",
)
@click.option("--int8", is_flag=True, help="Also with 8-bit weights: faster, less exact.")
def export_encoder(name: str, model: str | None, output: Path | None, int8: bool) -> None:
    """Export a model of open_clip, so that ONNX Runtime alone can run it.

    A CPU then takes it by itself; its folder, copied, needs no PyTorch (--model DIR). How well it
    agrees with PyTorch is measured and printed.
    """
    from medclip_search import api, terminal

    report = api.export_encoder(name, model, output, int8=int8, progress=terminal.bars)
    for line in report.lines():
        terminal.say(line)


@commands.group()
def reranker() -> None:
    """Cross-encoders, which re-rank answers to words (search --rerank)."""


@reranker.command("export")
@click.argument("model", metavar="NAME|DIR")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to; by default where --rerank finds it by itself.",
)
@click.option("--int8", is_flag=True, help="With 8-bit weights: faster, less exact.")
def export_reranker(model: str, output: Path | None, int8: bool) -> None:
    """Export a cross-encoder, so that ONNX Runtime alone can run it.

    A CPU then takes it by itself; its folder, copied, needs no PyTorch (--rerank DIR).
    """
    from medclip_search import api, terminal

    folder, report = api.export_reranker(model, output, int8=int8, progress=terminal.bars)
    for line in report.lines(folder):
        terminal.say(line)


@commands.command()
@_LIBRARY
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Whom to answer; 0.0.0.0 answers other machines too.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8501, show_default=True)
@_MODEL
@_COMBINER
@_SYNONYMS
@_RERANK
def serve(library: Path, host: str, port: int, **options: Any) -> None:
    """Serve the app, and the API under /api/v1, until Ctrl-C."""
    from medclip_search.server.main import serve as serve_library

    serve_library(library, host, port, **options)


@commands.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8501, show_default=True)
@click.option("--library", type=click.Path(path_type=Path), help="Where to build it.")
def demo(port: int, library: Path | None) -> None:
    """Build the sample library, show two searches, and serve the app."""
    from medclip_search.demo import run

    run(library, port)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: every error is one line and an exit status."""
    if sys.stderr is None or sys.stdout is None:  # closed by whoever started us
        sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
        sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    words = list(sys.argv[1:] if arguments is None else arguments)
    before = words[: words.index("--")] if "--" in words else words
    if debug := "--debug" in before:
        words.remove("--debug")
    try:
        status = commands.main(words, prog_name="medclip-search", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except BaseException as error:
        if debug and isinstance(error, Exception):
            raise
        sys.exit(exit_status(error))
