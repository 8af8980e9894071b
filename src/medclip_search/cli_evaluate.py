"""The command ``evaluate``: judgements, columns or a protocol to a table of measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medclip_search.errors import EvaluationError, UsageError

if TYPE_CHECKING:
    from medclip_search.api import Library
    from medclip_search.evaluation.outcome import Evaluation

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("library", type=_PATH)
@click.option("--queries", type=_PATH, metavar="FILE", help="TREC topics, QID<tab>words, BEIR, …")
@click.option("--qrels", type=_PATH, metavar="FILE", help="Their judgements, by source ids.")
@click.option(
    "--relevant-by",
    metavar="COLUMN,…",
    help="Without judgements: cases ask, and an answer is relevant that has the same value.",
)
@click.option(
    "--leave-out",
    default="",
    metavar="COLUMN",
    help="Nor may those answer that share this value with the query's case: article, patient.",
)
@click.option(
    "--mode",
    type=click.Choice(["words", "image", "both"]),
    help="What the queries ask by; by default words, or image with --relevant-by.",
)
@click.option(
    "--measures", multiple=True, metavar="M,…", help="nDCG@10, AP, P@10, R@100, RR, MedR, …"
)
@click.option("-k", type=int, metavar="N", help="How many answers are judged.")
@click.option("--corpus", default="", metavar="NAME", help="Whose ids the judgements give.")
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="A filter on the answers.")
@click.option("--sample", type=int, metavar="N", help="Only so many cases ask, drawn by --seed.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="For drawing.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of every query, as in Python's Query(NAME=VALUE).",
)
@click.option("--compare", multiple=True, type=_PATH, metavar="RUN", help="A TREC run to beat.")
@click.option("--run-out", type=_PATH, metavar="FILE", help="Where to write our TREC run.")
@click.option("--model", metavar="NAME|DIR", help="The encoder's model, where it lies now.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def evaluate(
    library: Path, model: str | None, run_out: Path | None, as_json: bool, **options: Any
) -> None:
    """Measure how well a library answers, with intervals.

    By judgements (--queries and --qrels), or by columns of the cases (--relevant-by).
    """
    from medclip_search import terminal
    from medclip_search.api import Library
    from medclip_search.evaluation import write_run

    _check_call(**options)
    if run_out is not None:
        _check_writable(run_out)
    with Library.open(library, model=model) as opened:
        found = _evaluate(opened, **options)
    if run_out is not None:
        try:
            write_run(run_out, found.run)
        except OSError as error:
            raise _unwritable(run_out, error) from None
    if as_json:
        click.echo(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        for line in terminal.evaluation_lines(found):
            click.echo(line)
    for note in found.notes:
        terminal.say(f"note: {note}")


def _check_call(
    queries: Path | None,
    qrels: Path | None,
    relevant_by: str | None,
    corpus: str,
    compare: tuple[Path, ...],
    sample: int | None,
    **_: Any,
) -> None:
    """Raise ``UsageError`` where options do not go together."""
    if relevant_by is None:
        if queries is None or qrels is None:
            raise UsageError(
                "say what is relevant: --queries FILE and --qrels FILE, or --relevant-by COLUMN"
            )
        if sample is not None:
            raise UsageError("--sample draws cases that ask: it goes with --relevant-by")
    elif queries or qrels or compare or corpus:
        raise UsageError(
            "--relevant-by has cases of the library ask and judges by their columns: leave out "
            "--queries, --qrels, --corpus and --compare"
        )


def _evaluate(
    library: Library,
    queries: Path,
    qrels: Path,
    relevant_by: str | None,
    mode: Any,
    measures: tuple[str, ...],
    corpus: str,
    compare: tuple[Path, ...],
    sample: int | None,
    seed: int,
    settings: tuple[str, ...],
    **options: Any,
) -> Evaluation:
    from medclip_search import evaluation, terminal

    options.update(settings=dict(map(_setting, settings)), progress=terminal.bars)
    if measures:
        options["measures"] = measures
    if relevant_by is not None:
        columns = evaluation.columns_of(relevant_by, library)
        return evaluation.evaluate_labels(
            library, columns, mode=mode or "image", sample=sample, seed=seed, **options
        )
    return evaluation.evaluate(
        library, queries, qrels, mode=mode or "words", corpus=corpus, compare=compare, **options
    )


def _setting(text: str) -> tuple[str, Any]:
    """``NAME=VALUE``: a number, true, false or a list as in JSON, else a text."""
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"--set {text}: write NAME=VALUE")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


def _check_writable(path: Path) -> None:
    """Before a long search rather than after it."""
    try:
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> EvaluationError:
    return EvaluationError(f"{path}: cannot be written ({error.strerror}); name another --run-out")
