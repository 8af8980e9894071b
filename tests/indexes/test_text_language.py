"""The language of words: what is an operator, and what is only text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.indexes.text.language import Group, Occur, Phrase, Word, parse

MAY, MUST, NOT = Occur.MAY, Occur.MUST, Occur.NOT


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("lung nodule", ((MAY, Word("lung")), (MAY, Word("nodule")))),
        ('"ground glass" lung', ((MUST, Phrase("ground glass")), (MAY, Word("lung")))),
        ("“ground glass”", ((MUST, Phrase("ground glass")),)),
        ('"a b" OR "c d"', ((MAY, Phrase("a b")), (MAY, Phrase("c d")))),
        ("+ct -mr", ((MUST, Word("ct")), (NOT, Word("mr")))),
        ('lung -"ground glass"', ((MAY, Word("lung")), (NOT, Phrase("ground glass")))),
        ("lung NOT nodule", ((MAY, Word("lung")), (NOT, Word("nodule")))),
        ("a AND NOT b", ((MAY, Group(((MUST, Word("a")), (NOT, Word("b"))))),)),
        ("pneumo*", ((MAY, Word("pneumo", prefix=True)),)),
        ("pnuemonia~ lug~2", ((MAY, Word("pnuemonia", distance=1)), (MAY, Word("lug", False, 2)))),
        # What follows is text, not operators.
        ("-10 mmHg", ((MAY, Word("-10")), (MAY, Word("mmHg")))),
        ("T1-weighted", ((MAY, Word("T1-weighted")),)),
        ("and or not", ((MAY, Word("and")), (MAY, Word("or")), (MAY, Word("not")))),
        ("AND lung OR", ((MAY, Word("AND")), (MAY, Word("lung")), (MAY, Word("OR")))),
        ('5" nail', ((MAY, Word("5")), (MAY, Word("nail")))),
        ("lung )", ((MAY, Word("lung")),)),
        ("", ()),
    ],
)
def test_reads(text: str, clauses: tuple[tuple[Occur, object], ...]) -> None:
    assert parse(text).clauses == clauses


def test_brackets_group() -> None:
    ((occur, node),) = parse("(lung OR heart) AND ct").clauses
    assert occur is MAY
    assert isinstance(node, Group)
    lung_or_heart = Group(((MAY, Word("lung")), (MAY, Word("heart"))))
    assert node.clauses == ((MUST, lung_or_heart), (MUST, Word("ct")))


PIECES = st.sampled_from(["AND", "OR", "NOT", "(", ")", '"', "+", "-", "*", "~", " ", "a", "b1"])


@given(st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join)))
def test_never_fails(text: str) -> None:
    assert isinstance(parse(text), Group)


@pytest.mark.parametrize("text", ["(" * 5000, "NOT " * 5000, "-(" * 5000 + "x", "a AND " * 5000])
def test_deep_nonsense_is_read(text: str) -> None:
    assert isinstance(parse(text), Group)
