"""What a licence lets one do with a figure, in a sentence, on the careful side."""

from __future__ import annotations

import re
from enum import Enum

from medclip_search.cases import Case


class Sharing(Enum):
    """Whether a figure may be passed on."""

    FREE = "free"
    COMMERCIAL = "commercial"
    NONCOMMERCIAL = "noncommercial"
    ASK = "ask"


def sharing(case: Case) -> Sharing:
    """By the class of the licence; without one, or under one that no program knows, ``ASK``."""
    if case.licence_class == "noncommercial":
        return Sharing.NONCOMMERCIAL
    if case.licence_class != "commercial":
        return Sharing.ASK
    free = re.search(r"\bCC0\b|public domain", case.licence or "", re.IGNORECASE)
    return Sharing.FREE if free else Sharing.COMMERCIAL


def sharing_sentence(case: Case) -> str:
    """What one may do, plainly: not a lawyer's advice, and the licence itself is what counts."""
    kind = sharing(case)
    if kind is Sharing.ASK:
        known = f"Licence {case.licence}" if case.licence else "No licence known"
        return f"{known}: do not pass on without asking the owner"
    if kind is Sharing.FREE:
        return "May be passed on"
    terms = ["naming authors and licence"]
    name = (case.licence or "").upper()
    terms += ["unchanged"] if re.search(r"\bND\b", name) else []
    terms += ["under the same licence"] if re.search(r"\bSA\b", name) else []
    use = "for non-commercial use only" if kind is Sharing.NONCOMMERCIAL else "also commercially"
    return f"May be passed on {use}, {', '.join(terms)}"
