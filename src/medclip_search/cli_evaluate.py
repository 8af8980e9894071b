"""The command ``evaluate``: judgements, columns or a protocol to a table of measures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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
    "--protocol",
    type=click.Choice(["cross-modal", "known-items"]),
    help="Pictures find their captions by vectors alone, and back; or cases are asked for.",
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
@click.option("--pool", type=int, metavar="N", help="So many pairs for --protocol cross-modal.")
@click.option("--space", default="", metavar="NAME", help="Its joint space, where several.")
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
@click.option("--rerank", metavar="NAME|DIR", help="A cross-encoder for answers to words.")
@click.option("--combiner", metavar="FILE", help="What 'combiner train' learnt of the lists.")
@click.option("--synonyms", metavar="FILE", help="Words that mean the same.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def evaluate(
    library: Path,
    model: str | None,
    rerank: str | None,
    combiner: str | None,
    synonyms: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure how well a library answers, with intervals.

    By judgements (--queries and --qrels), by columns of the cases (--relevant-by), or by a
    --protocol that needs neither.
    """
    from medclip_search import terminal
    from medclip_search.api import Library
    from medclip_search.evaluation import write_run

    way, run_out = _way(options), options["run_out"]
    with nullcontext() if run_out is None else _kept_if_written(run_out):
        with Library.open(
            library, model=model, rerank=rerank, combiner=combiner, synonyms=synonyms
        ) as opened:
            found = _evaluate(opened, way, options)
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


_ASKED = ("mode", "measures", "k", "where", "settings", "run_out")
_WITH = {
    "judgements": ("queries", "qrels", "corpus", "leave_out", "compare", *_ASKED),
    "relevant-by": (
        *("relevant_by", "queries", "leave_out", "compare", "sample", "seed"),
        *_ASKED,
    ),
    "known-items": ("protocol", "sample", "seed", *_ASKED),
    "cross-modal": ("protocol", "measures", "where", "pool", "space", "seed"),
}
"""Which options go with which way of judging."""


def _way(options: dict[str, Any]) -> str:
    """How to judge. Raises ``UsageError`` where options do not go together."""
    way = options["protocol"] or ("relevant-by" if options["relevant_by"] else "judgements")
    for name, value in options.items():
        if value and name not in _WITH[way]:
            option = "--set" if name == "settings" else f"--{name.replace('_', '-')}"
            said = "--queries and --qrels" if way == "judgements" else f"--protocol {way}"
            said = "--relevant-by" if way == "relevant-by" else said
            raise UsageError(f"{option}: does not go with {said}; leave one out")
    if way == "judgements" and not (options["queries"] and options["qrels"]):
        raise UsageError(
            "say what is relevant: --queries FILE and --qrels FILE, or --relevant-by COLUMN, or "
            "--protocol NAME"
        )
    return way


def _evaluate(library: Library, way: str, options: dict[str, Any]) -> Evaluation:
    from medclip_search import evaluation, terminal

    given: dict[str, Any] = {
        name: value for name, value in options.items() if name in _WITH[way] and value is not None
    }
    for name in ("protocol", "run_out"):
        given.pop(name, None)
    if not given.get("measures"):
        given.pop("measures", None)
    if "settings" in given:
        given["settings"] = dict(map(_setting, given["settings"]))
    given["progress"] = terminal.bars
    if way == "judgements":
        return evaluation.evaluate(library, given.pop("queries"), given.pop("qrels"), **given)
    if way == "known-items":
        return evaluation.evaluate_known_items(library, **given)
    if way == "cross-modal":
        return evaluation.evaluate_cross_modal(library, **given)
    columns = evaluation.columns_of(given.pop("relevant_by"), library)
    return evaluation.evaluate_labels(library, columns, **given)


def _setting(text: str) -> tuple[str, Any]:
    """``NAME=VALUE``: a number, true, false or a list as in JSON, else a text."""
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"--set {text}: write NAME=VALUE")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


@contextmanager
def _kept_if_written(path: Path) -> Iterator[None]:
    """Tries to write before a long search; a new file goes again where that fails."""
    new = True
    try:
        try:
            path.open("x", encoding="utf-8").close()
        except FileExistsError:
            new = False
            path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        yield
    except BaseException:
        if new and path.exists() and not path.stat().st_size:
            path.unlink()
        raise


def _unwritable(path: Path, error: OSError) -> EvaluationError:
    return EvaluationError(f"{path}: cannot be written ({error.strerror}); name another --run-out")
