"""The command ``combiner train``: judgements, or feedback, to how much each list counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from medclip_search.errors import EvaluationError, UsageError

_PATH = click.Path(path_type=Path)


@click.group()
def combiner() -> None:
    """How much words, images and other lists count, learnt from a library's judgements."""


@combiner.command()
@click.argument("library", type=_PATH)
@click.option("--queries", type=_PATH, metavar="FILE", help="As for evaluate; with images.")
@click.option("--qrels", type=_PATH, metavar="FILE", help="Their judgements, by source ids.")
@click.option(
    "--from-feedback", is_flag=True, help="Instead: the likes and dislikes given on this machine."
)
@click.option(
    "--mode",
    type=click.Choice(["words", "image", "both"]),
    default="both",
    show_default=True,
    help="What the queries ask by.",
)
@click.option(
    "--leave-out",
    default="",
    metavar="COLUMN",
    help="Cases that share this value with the query's case neither answer nor teach.",
)
@click.option("--measure", default="nDCG@10", show_default=True, help="What must be better.")
@click.option("--corpus", default="", metavar="NAME", help="Whose ids the judgements give.")
@click.option("--model", metavar="NAME|DIR", help="The encoder's model, where it lies now.")
@click.option("--output", type=_PATH, required=True, metavar="FILE", help="The combiner, as JSON.")
def train(
    library: Path,
    queries: Path | None,
    qrels: Path | None,
    from_feedback: bool,
    model: str | None,
    output: Path,
    **options: Any,
) -> None:
    """Learn a combiner, and write it where it is better than fusion on queries held out.

    Then search, serve and evaluate take it by --combiner FILE.
    """
    from medclip_search import evaluation, terminal
    from medclip_search.api import Library
    from medclip_search.state import State

    if from_feedback and (queries or qrels):
        raise UsageError("--from-feedback: takes the place of --queries and --qrels; leave it out")
    if output.is_dir() or not output.parent.is_dir():  # told before a long search, not after it
        raise EvaluationError(f"{output}: cannot be written; give a file in a folder that is there")
    with Library.open(library, model=model) as opened:
        if from_feedback:
            with State.open() as state:
                given = state.all_feedback(opened.id)
            found = evaluation.train_from_feedback(opened, given, progress=terminal.bars)
        elif queries and qrels:
            found = evaluation.train_combiner(
                opened, queries, qrels, progress=terminal.bars, **options
            )
        else:
            raise UsageError("say what to learn from: --queries and --qrels, or --from-feedback")
    for line in found.lines():
        click.echo(line)
    if not found.better:
        raise EvaluationError(
            f"{output}: not written, for the combiner is not surely better than fusion on "
            "held-out queries; more judgements may tell"
        )
    try:
        found.combiner.write(output)
    except OSError as error:
        raise EvaluationError(
            f"{output}: cannot be written ({error.strerror}); name another --output"
        ) from None
    terminal.say(f"written to {output}; use it by --combiner {output}")
