"""The command ``cite``: how to cite cases of a library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from medclip_search.exports import Style


@click.command()
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("ids", nargs=-1, required=True, metavar="ID …")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "bibtex", "ris"]),
    default="text",
    show_default=True,
    help="A line each, or for a reference manager.",
)
def cite(library: Path, ids: tuple[str, ...], style: Style) -> None:
    """Say how to cite cases: what is known of the article, the figure and its licence."""
    from medclip_search import exports
    from medclip_search.api import Library

    with Library.open(library) as opened:
        cases = [opened.case(case_id) for case_id in dict.fromkeys(ids)]
    click.echo(exports.cite(cases, style), nl=False)
