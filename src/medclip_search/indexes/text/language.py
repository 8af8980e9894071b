"""The language of words: plain text that never fails to parse, with a few operators.

    words            any of the words; the more and the rarer, the better
    "ground glass"   the words side by side, which must be there
    a AND b, a OR b  both, either; NOT a, without (upper case only); brackets group
    +must -not       must be there, must not
    pneumo*, *itis   words that begin or end so; ``h*morrhage``, ``gr?y`` in their middle
    pnuemonia~       spelt about so (one letter off; ``~2`` for two)
    caption:word     in the caption, among the keywords, the id: ``keywords:"…"``, ``id:ROCO_1*``

What is no operator is text: a sign before a number (``-10 mmHg``), a lone quotation mark, an
``AND`` with nothing on one side, ``T2: bright``. ``faults`` tells what may have been meant
otherwise. Parsing is pure; ``compiling.py`` turns the tree into a query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

DEEPEST = 20
"""Brackets nested deeper than this are read as spaces."""


class Occur(Enum):
    """Whether a clause may, must or must not hold."""

    MAY = "may"
    MUST = "must"
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Word:
    """One piece of text between spaces; it may hold several terms (``X-ray``)."""

    text: str
    prefix: bool = False
    distance: int = 0
    field: str = ""
    wild: bool = False


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words side by side."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Clauses that hold together, each with its part."""

    clauses: tuple[tuple[Occur, Node], ...]


Node = Word | Phrase | Group

_TOKEN = re.compile(
    r"""
      "(?P<phrase>[^"]*)"                       # a phrase
    | (?P<sign>(?<![^\s(])[+-](?=["(]|[^\W\d])) # a sign that begins a clause, not a number
    | (?<![^\s(+-])(?P<field>(?i:caption|keywords?|id)):(?=["*\w])
    | (?P<open>\() | (?P<close>\))
    | (?P<word>[^\s()"]+)
    """,
    re.VERBOSE,
)
_PREFIX = re.compile(r"\w{2,}(?:[-/]\w+)*\*")
_ABOUT = re.compile(r"(\w{3,})~([12]?)")
_WILD = re.compile(r"(?:\*[^\W\d]{3,}|[^\W\d]{2}\w*(?:[*?]\w+)+|[^\W\d]{1}[*?]\w{3,})\*?")
_ENUMERATED = re.compile(r"(?:^|[\s,;.])\w{1,2}$")
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»", '"'))

LONGEST_WORD = 80
"""A longer run of letters is no word and no pattern; it is read as plain text."""
MOST_WILD = 5
"""A word of more stars and question marks is no pattern."""

_SHORT = 1000
"""Longer texts are not remembered, in letters."""

_OPERANDS = ("phrase", "open", "word", "field")

_Token = tuple[str, str]


def parse(text: str) -> Group:
    """The clauses of a query text. Never raises."""
    return _parse_short(text) if len(text) <= _SHORT else _parse(text)


def _parse(text: str) -> Group:
    return _Parser(_tokens(text)).group(0)


_parse_short = lru_cache(256)(_parse)  # one search asks for the clauses of its text several times


def faults(text: str) -> list[str]:
    """What looks like an operator and is read as plain text, in sentences."""
    told = [
        f"{value} has nothing to join, and was read as a word."
        for kind, value in _tokens(text)
        if kind == "word" and value in ("AND", "OR", "NOT")
    ]
    straight = _TOKEN.sub(_blank_phrase, text.translate(_QUOTES))
    lone = straight.find('"')
    # 5" is five inches.
    if lone >= 0 and not straight[:lone][-1:].isdigit():
        told.append("A quotation mark is not closed, and was left aside.")
    depth = 0
    for at, letter in enumerate(straight):
        if letter == "(":
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        # But a) and b) list.
        elif letter == ")" and not _ENUMERATED.search(straight[max(0, at - 3) : at]):
            told.append("A bracket is closed that was not opened; it was left aside.")
            break
    if depth:
        told.append("A bracket is not closed; it was taken to close at the end.")
    return list(dict.fromkeys(told))


def _blank_phrase(match: re.Match[str]) -> str:
    return " " if match["phrase"] is not None else match[0]


def plain(text: str) -> str:
    """The words that are wanted, as typed, without operators or what must not be there."""

    def wanted(group: Group) -> list[str]:
        found = []
        for occur, node in group.clauses:
            if occur is not Occur.NOT:
                found += wanted(node) if isinstance(node, Group) else [node.text]
        return found

    return " ".join(" ".join(wanted(parse(text))).split())


def _tokens(text: str) -> list[_Token]:
    """Tokens as (kind, text); an operator that has nothing to act on is a plain word."""
    found: list[_Token] = []
    for match in _TOKEN.finditer(text.translate(_QUOTES)):
        kind = str(match.lastgroup)
        value = match[kind]
        if kind == "word" and value in ("AND", "OR", "NOT"):
            kind = value
        found.append((kind, value))
    for at in range(len(found) - 1, -1, -1):
        kind, value = found[at]
        before = found[at - 1][0] if at else "end"
        after = found[at + 1][0] if at + 1 < len(found) else "end"
        if kind in ("sign", "NOT"):
            acts = after in _OPERANDS
        elif kind == "field":
            acts = after in ("phrase", "word")
        elif kind in ("AND", "OR"):
            acts = after in (*_OPERANDS, "sign", "NOT") and before in ("phrase", "word", "close")
        else:
            continue
        if not acts:
            found[at] = ("word", value)
    return found


def _word(text: str) -> Word:
    if len(text) > LONGEST_WORD or sum(map(text.count, "*?")) > MOST_WILD:
        return Word(text)
    if _PREFIX.fullmatch(text):
        return Word(text[:-1], prefix=True)
    if _WILD.fullmatch(text):
        return Word(text, wild=True)
    if about := _ABOUT.fullmatch(text):
        return Word(about[1], distance=int(about[2] or 1))
    return Word(text)


class _Parser:
    """Recursive descent over the tokens: any-of lists of AND chains of signed atoms."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else "end"

    def group(self, depth: int) -> Group:
        clauses: list[tuple[Occur, Node]] = []
        after_or = False
        while (kind := self.peek()) != "end":
            if kind == "close":
                self.at += 1
                if depth:
                    break
                continue
            if kind == "OR" and clauses:
                self.at += 1
                after_or = True
                if _matters(clauses[-1][1]) and clauses[-1][0] is Occur.MUST:
                    clauses[-1] = (Occur.MAY, clauses[-1][1])
                continue
            occur, node = self.chain(depth)
            # A phrase was quoted because it matters: alone it must hold, beside OR it may.
            if _matters(node) and occur is Occur.MAY and not after_or:
                occur = Occur.MUST
            clauses.append((occur, node))
            after_or = False
        return Group(tuple(clauses))

    def chain(self, depth: int) -> tuple[Occur, Node]:
        """``a AND b AND NOT c``, or one signed atom."""
        parts = [self.signed(depth)]
        while self.peek() == "AND":
            self.at += 1
            parts.append(self.signed(depth))
        if len(parts) == 1:
            return parts[0]
        return Occur.MAY, Group(
            tuple((Occur.NOT if o is Occur.NOT else Occur.MUST, node) for o, node in parts)
        )

    def signed(self, depth: int) -> tuple[Occur, Node]:
        kind, value = self.tokens[self.at]
        if kind in ("sign", "NOT"):
            self.at += 1
            return Occur.MUST if value == "+" else Occur.NOT, self.atom(depth)
        return Occur.MAY, self.atom(depth)

    def atom(self, depth: int) -> Node:
        kind, value = self.tokens[self.at]
        self.at += 1
        if kind == "field":
            node = self.atom(depth)
            name = "keywords" if value.lower() == "keyword" else value.lower()
            return node if isinstance(node, Group) else replace(node, field=name)
        if kind == "phrase":
            return Phrase(value)
        if kind == "open":
            return self.group(depth + 1) if depth < DEEPEST else Word("")
        return _word(value)


def _matters(node: Node) -> bool:
    return isinstance(node, Phrase) or (isinstance(node, Word) and bool(node.field))
