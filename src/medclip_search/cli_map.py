"""The command ``map``: where figures stand on a library's map, and where a query stands."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click


@click.command("map")
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1)
@click.option("--image", multiple=True, metavar="FILE", help="Where this picture would stand.")
@click.option("--case", "cases", multiple=True, metavar="ID", help="The same of a case's figure.")
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="Only figures that pass.")
@click.option("--field", "fields", multiple=True, metavar="FIELD", help="A column of its values.")
@click.option("--most", type=int, metavar="N", help="No more than so many, as if at random.")
@click.option("--model", metavar="NAME|DIR", help="The encoder's model, where it lies now.")
def map_command(
    library: Path,
    words: tuple[str, ...],
    image: tuple[str, ...],
    cases: tuple[str, ...],
    where: tuple[str, ...],
    fields: tuple[str, ...],
    most: int | None,
    model: str | None,
) -> None:
    """Write where figures stand on the map, as CSV: id, x, y, in fractions of it.

    With words or images: where these stand among the figures.
    """
    from medclip_search import terminal
    from medclip_search.api import Library
    from medclip_search.errors import UsageError
    from medclip_search.search.query import Query
    from medclip_search.search.regions import CaseFigure

    writer = csv.writer(sys.stdout, lineterminator="\n")
    if not (words or image or cases):
        with Library.open(library) as opened:
            points = opened.map(most, where, fields)
        writer.writerow(["id", "x", "y", *fields])
        values = [points.fields[name] for name in fields]
        for at, (case_id, (x, y)) in enumerate(zip(points.ids, points.positions, strict=True)):
            told = (names[ranks[at]] if ranks[at] >= 0 else "" for names, ranks in values)
            writer.writerow([case_id, f"{x:.5f}", f"{y:.5f}", *told])
        return
    if where or fields or most is not None:
        raise UsageError("--where, --field and --most choose figures: leave words and images out")
    with Library.open(library, model=model) as opened:
        placed, notes = opened.place(
            Query(text=" ".join(words), image=[*map(Path, image), *map(CaseFigure, cases)])
        )
    writer.writerow(["part", "x", "y"])
    for one in placed:
        name = (*image, *cases)[one.at] if one.part == "image" else one.part
        writer.writerow([name, f"{one.x:.5f}", f"{one.y:.5f}"])
    for note in notes:
        terminal.say(f"note: {note}")
