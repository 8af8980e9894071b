"""The command ``history``: what was last asked of a library in the app."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from medclip_search.state import PastSearch


@click.command()
@click.argument("library", type=click.Path(path_type=Path))
@click.option("--forget", is_flag=True, help="Forget the searches of this library.")
@click.option(
    "--keep/--keep-none",
    default=None,
    help="Keep searches from now on, or none, and forget those of every library.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def history(library: Path, forget: bool, keep: bool | None, as_json: bool) -> None:
    """Show what was last asked of a library in the app, newest first, or forget it."""
    from medclip_search import terminal
    from medclip_search.api import Library
    from medclip_search.state import LOCAL_USER, State

    with Library.open(library) as opened, State.open() as state:
        if keep is not None:
            state.set_keep_searches(LOCAL_USER, keep)
            terminal.say(
                "Searches are kept" if keep else "No searches are kept; those kept are gone"
            )
        if forget:
            count = state.forget_searches(LOCAL_USER, opened.id)
            many = "1 search" if count == 1 else f"{count} searches"
            terminal.say(f"{many} forgotten")
        if forget or keep is not None:
            return
        past = state.searches(LOCAL_USER, opened.id)
        if not past and not as_json:
            terminal.say(
                f"No searches of {library} yet: ask something in the app (medclip-search serve)"
                if state.keeps_searches(LOCAL_USER)
                else "No searches are kept, as you asked; --keep keeps them from now on"
            )
        for one in past:
            if as_json:
                click.echo(json.dumps(asdict(one), ensure_ascii=False))
            else:
                click.echo(_command(library, one))


def _command(library: Path, search: PastSearch) -> str:
    """The search as a command; several words are one text there, and their weights told beside."""
    said = ["medclip-search", "search", str(library)]
    said += [f"--case={one}" for one in search.cases]
    said += [f"--not-case={one}" for one in search.not_cases]
    told = ""
    for part, weights in search.weights.items():
        numbers = ",".join(f"{one:g}" for one in weights)
        if part != "words" or len(weights) == 1:
            said.append(f"--weight={part}={numbers}")
        else:
            told = f"  # words weigh {numbers}"
    said += [f"--not-words={one}" for one in search.not_words]
    said += [f"--where={one}" for one in search.where]
    said += ["--", *search.words] if search.words else []
    return shlex.join(said) + told
