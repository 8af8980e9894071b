"""Which of the abbreviations that captions explain are the rule, kept beside the text index.

What one author means by "LA" is no rule: a pair counts only where several articles explain it so,
and most that explain the short form do. Every explanation is kept with its case, so that an update
looks only at short forms of which something came or went:

    definitions.arrow    key, short, long, article (a number for it), sorted by key
    abbreviations.json   the pairs that are the rule: short, long, number of articles
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from medclip_search.cases import Case
from medclip_search.indexes.text.abbreviations import Abbreviation, Form, definitions
from medclip_search.indexes.text.analyser import terms

if TYPE_CHECKING:
    import pyarrow as pa  # imported only where an index is written: it would slow the start

DEFINITIONS = "definitions.arrow"
RULES = "abbreviations.json"
LEAST_ARTICLES = 3
LEAST_SHARE = 2 / 3
"""Of the articles that explain a short form, so many must mean the same."""


class Mined:
    """Collects what the captions of a library explain, while they pass by.

    ``previous`` is the folder of an index to go on from, less what its ``changed`` cases explain.
    Raises ``FileNotFoundError`` where an older program wrote it.
    """

    def __init__(self, previous: Path | None = None, changed: Iterable[int] = ()) -> None:
        self._rows: dict[str, list[int] | list[str]] = {name: [] for name in _kinds()}
        self._before: pa.Table | None = None
        self._rules: list[Abbreviation] = []
        self._moved: set[str] = set()
        if previous is not None:
            self._go_on(previous, changed)

    def _go_on(self, previous: Path, changed: Iterable[int]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        with pa.OSFile(str(previous / DEFINITIONS)) as file:
            before = pa.ipc.open_file(file).read_all()
        gone = pc.is_in(before["key"], pa.array(changed, pa.int32()))
        self._moved = set(before.filter(gone)["short"].to_pylist())
        self._before = before.filter(pc.invert(gone))
        self._rules = read(previous)

    def listen(self, cases: Iterable[tuple[int, Case]]) -> Iterator[tuple[int, Case]]:
        """All cases, each heard on its way."""
        keys, shorts, longs, articles = self._rows.values()
        for pair in cases:
            key, case = pair
            if "(" in case.caption:
                for short, long in definitions(case.caption):
                    for column, value in zip(
                        (keys, shorts, longs, articles),
                        (key, short, long, _number(case.article or case.id)),
                        strict=True,
                    ):
                        column.append(value)  # type: ignore[arg-type]
                    self._moved.add(short)
            yield pair

    def write(self, folder: Path) -> list[Abbreviation]:
        """Put it all beside the text index; gives the pairs that are the rule."""
        import pyarrow as pa
        import pyarrow.compute as pc

        table = pa.table(self._rows, schema=pa.schema(_kinds()))
        if self._before is not None:
            table = pa.concat_tables([self._before, table])
        table = table.sort_by("key").combine_chunks()
        (folder / DEFINITIONS).unlink(missing_ok=True)  # it may be a link to that of before
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(str(folder / DEFINITIONS), table.schema, options=options) as file:
            file.write_table(table)
        moved = table.filter(pc.is_in(table["short"], pa.array(self._moved, pa.string())))
        rules = [one for one in self._rules if one.short not in self._moved] + _rules(moved)
        rules.sort(key=lambda one: (-one.articles, one.short))
        rows = [[one.short, one.long, one.articles] for one in rules]
        (folder / RULES).write_text(json.dumps(rows, ensure_ascii=False, indent=0), "utf-8")
        return rules


def read(folder: Path) -> list[Abbreviation]:
    """The pairs that are the rule; nothing where an older program wrote the index."""
    try:
        rows = json.loads((folder / RULES).read_text("utf-8"))
    except FileNotFoundError:
        return []
    return [Abbreviation(*row) for row in rows]


def _rules(table: pa.Table) -> list[Abbreviation]:
    """The pairs that enough articles explain, of all explanations of some short forms."""
    articles: dict[tuple[str, Form], set[int]] = defaultdict(set)
    written: dict[tuple[str, Form], Counter[str]] = defaultdict(Counter)
    explained: dict[str, set[int]] = defaultdict(set)
    columns = (table[name].to_pylist() for name in ("short", "long", "article"))

    @cache  # most are written alike many times
    def form_of(long: str) -> Form:
        return tuple(terms(long))

    for short, long, article in zip(*columns, strict=True):
        kind = (short, form_of(long))
        articles[kind].add(article)
        written[kind][long] += 1
        explained[short].add(article)
    return [
        Abbreviation(short, _mostly(written[short, form]), len(those))
        for (short, form), those in articles.items()
        if len(those) >= max(LEAST_ARTICLES, LEAST_SHARE * len(explained[short]))
        and len(terms(short)) == 1
        and form
    ]


def _mostly(written: Counter[str]) -> str:
    return min(written, key=lambda one: (-written[one], one))


def _number(article: str) -> int:
    """The same for the same article, on every machine."""
    told = hashlib.blake2b(article.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(told, "little", signed=True)


def _kinds() -> dict[str, pa.DataType]:
    import pyarrow as pa

    return {"key": pa.int32(), "short": pa.string(), "long": pa.string(), "article": pa.int64()}
