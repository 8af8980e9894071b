"""The language of words: what is an operator, and what is only text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.indexes.text.language import Group, Occur, Phrase, Word, faults, parse

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
        ("caption:nodule lung", ((MUST, Word("nodule", field="caption")), (MAY, Word("lung")))),
        ('-keyword:"a b"', ((NOT, Phrase("a b", field="keywords")),)),
        (
            "ID:x1* OR caption:b",
            ((MAY, Word("x1", True, field="id")), (MAY, Word("b", field="caption"))),
        ),
        (
            "*itis gr?y h*mor*",
            tuple((MAY, Word(w, wild=True)) for w in ("*itis", "gr?y", "h*mor*")),
        ),
        # What follows is text, not operators.
        ("T2: bright 3:1", ((MAY, Word("T2:")), (MAY, Word("bright")), (MAY, Word("3:1")))),
        (
            'caption: x caption:"',
            ((MAY, Word("caption:")), (MAY, Word("x")), (MAY, Word("caption"))),
        ),
        ("5*3 B*27 why?", ((MAY, Word("5*3")), (MAY, Word("B*27")), (MAY, Word("why?")))),
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


PIECES = st.sampled_from(
    ["AND", "OR", "NOT", "(", ")", '"', "+", "-", "*", "?", "~", ":", "caption:", " ", "a", "b1"]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join)))
def test_never_fails(text: str) -> None:
    assert isinstance(parse(text), Group)
    assert all(one.endswith(".") for one in faults(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('"ground glass', ["A quotation mark is not closed, and was left aside."]),
        ("(lung OR heart", ["A bracket is not closed; it was taken to close at the end."]),
        ("lung) heart", ["A bracket is closed that was not opened; it was left aside."]),
        ("lung AND", ["AND has nothing to join, and was read as a word."]),
        ('5" nail, a) healed b) not (arrow) or not', []),
        ("lung AND (heart OR liver) NOT spleen", []),
    ],
)
def test_what_is_malformed_is_told(text: str, told: list[str]) -> None:
    assert faults(text) == told


@pytest.mark.parametrize("text", ["(" * 5000, "NOT " * 5000, "-(" * 5000 + "x", "a AND " * 5000])
def test_deep_nonsense_is_read(text: str) -> None:
    assert isinstance(parse(text), Group)


@pytest.mark.timeout(60)  # it once took the square of their length
@pytest.mark.parametrize("text", ["pneumo" * 3000, "ab*c" * 48, "pneumo*" * 42, "a)" * 9000])
def test_what_no_word_is_like_is_plain_text_at_once(text: str) -> None:
    """Each once took a pattern minutes, or more states than the index allows."""
    assert parse(text).clauses
    faults(text)
