"""A file of synonyms, in the form of Solr and Lucene.

# a comment
kidney, renal, nephric         each stands for the others
heart attack => myocardial infarction     the first is also searched for as the second
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

from medclip_search.errors import UsageError
from medclip_search.indexes.text.abbreviations import Forms
from medclip_search.indexes.text.analyser import terms

MOST_WORDS = 8
"""A form with more words is more likely a mistake, such as a sentence."""


def read_synonyms(path: Path) -> Forms:
    """Raises ``UsageError``, naming the line, where the file is none or a line cannot be read."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"--synonyms {path}: cannot be read ({reason})") from None
    return Forms.of(
        pair
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
        for pair in _pairs(line, f"--synonyms {path}, line {number}")
    )


def _pairs(line: str, where: str) -> Iterator[tuple[str, str]]:
    left, arrow, right = line.partition("=>")
    if "=>" in right:
        raise UsageError(f"{where}: two arrows; write 'a, b => c' or 'a, b, c'")
    sides = [
        [one.strip() for one in side.split(",")] for side in ((left, right) if arrow else (left,))
    ]
    for one in (one for side in sides for one in side):
        if not terms(one):
            raise UsageError(f"{where}: nothing stands between two commas, or beside the arrow")
        if len(terms(one)) > MOST_WORDS:
            raise UsageError(f"{where}: '{one[:40]}…' has more than {MOST_WORDS} words")
    if not arrow and len(sides[0]) < 2:
        raise UsageError(f"{where}: a single form; write 'a, b' or 'a => b'")
    yield from ((a, b) for a in sides[0] for b in sides[1]) if arrow else permutations(sides[0], 2)
