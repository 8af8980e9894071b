"""References in BibTeX, for LaTeX and for reference managers.

Texts are ASCII wherever LaTeX has a command for a character (pylatexenc), so that the oldest
BibTeX sorts and prints them; scripts without any stay as they are, in UTF-8. A DOI or an address is
left alone, as ``\\url`` and biblatex want it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.exports.citations import Reference

if TYPE_CHECKING:
    from pylatexenc.latexencode import UnicodeToLatexEncoder


def to_bibtex(references: Sequence[Reference]) -> str:
    """The references as a ``.bib`` file: ``@article`` where journal and title are known."""
    notice = f"% {NOT_FOR_DIAGNOSIS} Made by MedClip Search.\n"
    return "\n".join([notice, *map(_entry, references)])


def _entry(one: Reference) -> str:
    kind = "article" if one.journal and one.title else "misc"
    fields = {
        "author": " and ".join(_author(name) for name in one.authors),
        # Twice in braces, lest a style make "CT" small.
        "title": f"{{{_latex(one.named)}}}",
        "journal" if kind == "article" else "howpublished": _latex(one.journal),
        "year": "" if one.year is None else str(one.year),
        "volume": _latex(one.volume),
        "number": _latex(one.issue),
        "pages": _latex(one.pages).replace(r"{\textendash}", "--"),
        "doi": _verbatim(one.doi),
        "pmid": _latex(one.pmid),
        "pmcid": _latex(one.article),
        "url": _verbatim(one.link),
        "note": _latex(" ".join(map(str, one.figures))),
        "annote": _latex(" ".join(figure.note for figure in one.figures if figure.note)),
    }
    lines = [f"  {name} = {{{value}}},\n" for name, value in fields.items() if value]
    return f"@{kind}{{{one.key},\n{''.join(lines)}}}\n"


def _author(name: str) -> str:
    """A name that BibTeX parts into family and given names; one it cannot, in braces."""
    family, _, given = name.partition(", ")
    if given and "," not in given:
        return f"{_latex(family)}, {_latex(given)}"
    whole = _latex(name)
    return f"{{{whole}}}" if "," in name or " " not in name else whole


def _latex(text: str) -> str:
    return str(_encoder().unicode_to_latex(text))


def _verbatim(text: str) -> str:
    """An address or DOI, with what would upset the braces escaped as addresses do."""
    return quote(text, safe="/:;()<>[]@!$&'*+,=?#%~_.-")


@functools.cache
def _encoder() -> UnicodeToLatexEncoder:
    # Imported when used: a third of a second that a search need not wait for.
    from pylatexenc import latexencode

    # BibTeX counts braces with a backslash before them, too: a lone one would end the field.
    braces = {ord("{"): r"\textbraceleft", ord("}"): r"\textbraceright"}
    return latexencode.UnicodeToLatexEncoder(
        conversion_rules=[
            latexencode.UnicodeToLatexConversionRule(latexencode.RULE_DICT, braces),
            "defaults",
        ],
        replacement_latex_protection="braces-all",
        unknown_char_policy="keep",
        unknown_char_warning=False,
    )
