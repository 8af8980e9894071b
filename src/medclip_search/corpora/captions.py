"""Captions: cleaned of what no text should hold, and told from placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from medclip_search.cases import Case
from medclip_search.corpora import reasons
from medclip_search.corpora.base import Skipped
from medclip_search.corpora.seen import SeenIds

UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

FIGURE = r"(?:fig(?:ure|\.)?|image|img|picture|pic|photo)"
TEXT = r"(?:caption|description|legend|title|text|comment|label)"
PLACEHOLDER = re.compile(
    rf"""
      (?: supplementary\s+ )? {FIGURE} s? (?: [\s:#.]* s? \d+ \s? [a-z]? )?  # Figure 1. | image
    | {FIGURE} [\s-]* {TEXT} | {TEXT} s?                                   # image caption
    | (?: no|missing|without|add|enter|insert|edit|your|empty|blank|default|sample ) \s+
      (?: an?\s+|the\s+|your\s+ )? (?: {FIGURE} \s+ )? {TEXT} s?
      (?: \s+ (?: here|yet|available|given|provided|found|exists?|text ) )*
    | {TEXT} s? \s+ (?: (?: is|was ) \s+ )?
      (?: not|un|to\s+be|goes|pending|missing|unavailable|here|n/a ) [\s-]*
      (?: yet\s+ )? (?: available|given|provided|found|added|written|known|here|done )?
    | n\s*[./]?\s*a\.? | nil | none | null | nan | unknown | undefined | untitled | unnamed | blank
    | not\s+(?: yet\s+ )? (?: available|applicable|provided|given|specified )
    | none\s+(?: available|provided|given )
    | t\.?b\.?[adc]\.? | to\s+(?: be|do ) (?: \s+(?: added|done|written|determined ) )? | todo
    | (?: work\s+ )? in\s+progress | pending | coming\s+soon | under\s+construction
    | placeholder (?: \s+ (?: {TEXT} | {FIGURE} ) )? | xx+ | asdf+ | lorem\s+ipsum .{{0,400}}
    | [a-z]
    | replace\s+(?: this|me|with ) \b (?: (?=.*\b{TEXT}\b) .{{0,100}} )?
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
"""The whole of a caption that says nothing. Words that could be findings (``normal``, ``CT``,
``pelvis``) are not here: to lose a real caption is worse than to keep an empty one."""

LONGEST_PLACEHOLDER = 450
EDGES = " \t\r\n.,:;!?-–—_*#<>()[]{}\"'"


def clean(text: str) -> str:
    """The text without control characters (tab and line ends stay) and lone surrogates."""
    if UNFIT.search(text):
        text = UNFIT.sub(lambda found: "�" if found[0] >= "\ud800" else "", text)
    return text


def one_line(text: str, longest: int = 120) -> str:
    """A name as it may stand in a report: cleaned, without line ends, cut where it is long."""
    text = clean(re.sub(r"[\r\n\t]", " ", text))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def is_placeholder(caption: str) -> bool:
    """Whether a caption stands where a caption should be: ``Figure 1.``, ``N/A``, ``-``, …

    Only a caption that is nothing else counts, whatever brackets and full stops are round it.
    """
    if len(caption) > LONGEST_PLACEHOLDER:
        return False
    core = caption.strip(EDGES)
    if not any(c.isalpha() for c in core):
        return True
    return PLACEHOLDER.fullmatch(core) is not None


def checked_caption(raw: str, where: str) -> tuple[str, Skipped | None]:
    """A caption ready to be kept (empty if it says nothing), and the report if it was not."""
    caption = clean(raw).strip()
    if not caption:
        return "", Skipped(where, reasons.EMPTY_CAPTION, dropped=False)
    if is_placeholder(caption):
        return "", Skipped(where, reasons.PLACEHOLDER_CAPTION, dropped=False)
    return caption, None


class Gate:
    """The last check before a case leaves its reader: something to show, and an id of its own."""

    def __init__(self) -> None:
        self._seen = SeenIds()

    def admit(
        self, case: Case, where: str, problems: list[Skipped], remedy: str = ""
    ) -> Iterator[Case | Skipped]:
        """The reports about a case and then the case, unless nothing of it is left.

        Of several entries with one id the first that is usable wins. ``remedy`` is what the
        user can do about a duplicate.
        """
        if case.id in self._seen:
            yield Skipped(f"{where} ({one_line(case.id)})", reasons.DUPLICATE_ID, remedy)
            return
        if case.image is None and not case.caption:
            *parts, last = problems or [Skipped(where, reasons.NOTHING_LEFT)]
            yield from parts
            concealed = any(problem.reason in reasons.CONCEALING for problem in problems)
            yield replace(last, dropped=True, incomplete=concealed)
            return
        self._seen.add(case.id)
        yield from problems
        yield case

    def __contains__(self, case_id: str) -> bool:
        return case_id in self._seen
