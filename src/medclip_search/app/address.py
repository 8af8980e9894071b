"""The query in the page's address, so that a search is bookmarked, shared, and gone back to.

    ?q=nodule&not=calcified&image=case:ROCO_1&weights=2,1&modality=CT&year=2010-2015&page=2

``image=part:X,Y,W,H:ROCO_1`` is a part of a figure, in fractions. Of an uploaded picture there is a
name out of chance (``image=upload:1f3c09ab``): by it this tab knows whether it still holds the
picture, and nobody else can tell anything from it. An address is anybody's input: what cannot be
read of it is left out, and a sentence says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from medclip_search.api import Library
from medclip_search.app.filters import FIELDS, chosen, known_values, narrow
from medclip_search.app.layout import laid_out, lay
from medclip_search.app.query_images import figure_of
from medclip_search.app.reading import PAGE, Reading
from medclip_search.app.session import MOST_PARTS, QueryImage, QueryWords, Session
from medclip_search.errors import FilterError, MedClipError, QueryError, UsageError
from medclip_search.indexes.map import Area
from medclip_search.search.areas import read_area
from medclip_search.search.engine import DEEPEST
from medclip_search.search.filters import parse_filter
from medclip_search.search.query import LONGEST_TEXT
from medclip_search.search.regions import Region, written
from medclip_search.search.sort import SORTS, Sort
from medclip_search.server.shared import Shared
from medclip_search.state import PastSearch

Address = dict[str, list[str]]
"""Each parameter of an address with its values."""

WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""What a part of a query can weigh in the app."""

_LONGEST_AREA = 200  # characters
_CASE, _PART, _UPLOAD = "case:", "part:", "upload:"
_UNREAD = "Left out of this address: {}. It is not well formed, or names what this library lacks."
_UPLOADED = (
    "This search also had a picture that was dropped or pasted. No link carries it, and it is no "
    "longer in memory: drop it again to search with it too."
)


def current_address() -> Address:
    """The page's, as the browser has it."""
    return {name: st.query_params.get_all(name) for name in st.query_params}


def follow_address(shared: Shared, library: Library, session: Session) -> None:
    """Ask what the address says where the browser went to another one: a link, back, forward.

    A gesture may come with an address that the browser has yet to replace by what was written last:
    that counts for nothing.
    """
    context = get_script_run_ctx()
    went = context is not None and context.is_history_navigation
    address = current_address()
    # Another page of the app has no parameters; whoever comes from there finds the search again.
    arrived = session.address is None and bool(address)
    if (went or arrived) and address != session.address:
        restore(shared, library, session, address)
        session.address = address


def write_address(session: Session) -> None:
    """Make the address say what is asked: a new entry of the browser's history where it differs."""
    address = _address(session, session.images)
    session.address = address
    if address != current_address():
        st.query_params.from_dict(address)


def link(session: Session) -> str:
    """The address of this search as others can open it: without what was uploaded."""
    address = _address(session, [one for one in session.images if one.case_id is not None])
    page = (st.context.url or "").rstrip("/")
    return f"{page}/?{urlencode(address, doseq=True)}"


def _address(session: Session, images: Sequence[QueryImage]) -> Address:
    narrowed = chosen()
    years = narrowed.pop("year", [])
    said = {
        "q": [one.text for one in session.texts if not one.unwanted],
        "image": [_name(one) for one in images if not one.unwanted],
        "not": [one.text for one in session.texts if one.unwanted],
        "not_image": [_name(one) for one in images if one.unwanted],
        "weights": _written(
            [one.weight for one in session.texts if not one.unwanted]
            + [one.weight for one in images if not one.unwanted]
            + [one.weight for one in images if one.unwanted]
        ),
        **narrowed,
        "year": ["-".join(years)] if years else [],
        "area": [written(session.area)] if session.area else [],
    }
    if any(said.values()):
        sort, stacked = laid_out()
        page = Reading.current().page
        said["sort"] = [sort] if sort != "relevance" else []
        said["stack"] = [] if stacked else ["no"]
        said["page"] = [str(page)] if page > 1 else []
    return {name: values for name, values in said.items() if values}


def past_address(search: PastSearch) -> Address:
    """The address of a search of the history."""
    weights: list[float] = []
    for part, there in (
        ("words", search.words),
        ("image", search.cases),
        ("not-image", search.not_cases),
    ):
        weights += search.weights.get(part, [1.0] * len(there))
    address = {
        "q": list(search.words),
        "image": [f"{_CASE}{one}" for one in search.cases],
        "not": list(search.not_words),
        "not_image": [f"{_CASE}{one}" for one in search.not_cases],
        "weights": _written(weights),
    }
    for text in search.where:
        try:
            one = parse_filter(text)
        except FilterError:
            continue
        if one.ranged and one.low is not None and one.high is not None:
            address["year"] = [f"{one.low:.0f}-{one.high:.0f}"]
        else:
            address[one.field] = list(one.values)
    return {name: values for name, values in address.items() if values}


def restore(
    shared: Shared,
    library: Library,
    session: Session,
    address: Mapping[str, Sequence[str]],
) -> None:
    """Ask what an address says."""
    unread: list[str] = []
    raw = [
        (name, value)
        for name in ("q", "image", "not_image", "not")
        for value in _several(address, name, unread)
    ]
    weights = _weights(address, sum(name != "not" for name, _ in raw), unread)
    weights += [1.0] * (len(raw) - len(weights))
    texts: list[QueryWords] = []
    images: list[QueryImage] = []
    held = {one.token: one for one in session.images if one.case_id is None}
    notice = ""
    for (name, value), weight in zip(raw, weights, strict=True):
        unwanted = name.startswith("not")
        if name in ("q", "not"):
            texts.append(QueryWords(value, weight, unwanted))
            continue
        try:
            if value.startswith(_UPLOAD):
                image = held.get(value.removeprefix(_UPLOAD))
            else:
                image = _figure(library, value)
        except MedClipError:
            unread.append("a figure")
            continue
        if image is None:
            notice = _UPLOADED
            continue
        images.append(replace(image, weight=weight, unwanted=unwanted))
    session.ask()
    session.texts, session.images, session.notice = texts, images, notice
    session.area = _area(address, unread)
    narrow(_narrowed(shared, library, address, unread))
    _lay(session, address, unread)
    session.opened = None
    if unread:
        session.troubles.append(_UNREAD.format(", ".join(dict.fromkeys(unread))))


def _name(image: QueryImage) -> str:
    if image.case_id is None:
        return f"{_UPLOAD}{image.token}"
    if image.region is not None:
        return f"{_PART}{written(image.region)}:{image.case_id}"
    return f"{_CASE}{image.case_id}"


def _figure(library: Library, value: str) -> QueryImage:
    """The figure, or the part of one, that an address names. Raises ``MedClipError``."""
    if value.startswith(_CASE):
        return figure_of(library, value.removeprefix(_CASE))
    box, _, case_id = value.removeprefix(_PART).partition(":")
    try:
        x, y, width, height = (float(one) for one in box.split(","))
    except ValueError:
        raise UsageError(f"{value}: no figure") from None
    image = figure_of(library, case_id)
    return image.by_region(Region(image.picture, (x, y, width, height)).box)


def _area(address: Mapping[str, Sequence[str]], unread: list[str]) -> Area | tuple[()]:
    try:
        return read_area("".join(address.get("area", ())[:1])[:_LONGEST_AREA])
    except QueryError:
        unread.append("an area of the map")
        return ()


def _written(weights: Sequence[float]) -> list[str]:
    return [",".join(f"{one:g}" for one in weights)] if set(weights) - {1.0} else []


def _several(address: Mapping[str, Sequence[str]], name: str, unread: list[str]) -> list[str]:
    """The values of a parameter that are not blank: so many, and so long, as are asked with."""
    values = [value.strip() for value in address.get(name, ()) if value.strip()]
    read = [value for value in values if len(value) <= LONGEST_TEXT][:MOST_PARTS]
    if len(read) < len(values):
        unread.append("words" if name in ("q", "not") else "a figure")
    return read


def _weights(address: Mapping[str, Sequence[str]], count: int, unread: list[str]) -> list[float]:
    """The weights, each as the nearest that can be chosen; none where they cannot be read."""
    if not (written := "".join(address.get("weights", ())[:1])):
        return []
    try:
        numbers = [float(one) for one in written.split(",", count)]
        if len(numbers) != count or not all(map(math.isfinite, numbers)):
            raise ValueError(written)
    except ValueError:
        unread.append("weights")
        return []
    return [min(WEIGHTS, key=lambda one: abs(one - number)) for number in numbers]


def _narrowed(
    shared: Shared, library: Library, address: Mapping[str, Sequence[str]], unread: list[str]
) -> dict[str, list[str]]:
    """The filters, of those that this library's side can show."""
    found: dict[str, list[str]] = {}
    for name in FIELDS:
        values = address.get(name, ())
        found[name] = [
            one for one in dict.fromkeys(values) if one in known_values(shared, library, name)
        ]
        if len(found[name]) < len(values):
            unread.append(FIELDS[name].lower())
    if years := "".join(address.get("year", ())[:1]):
        known = sorted(int(year) for year in known_values(shared, library, "year"))
        read = re.fullmatch(r"(\d{1,4})-(\d{1,4})", years, re.ASCII)
        if read and known and int(read[1]) <= int(read[2]):
            low, high = max(int(read[1]), known[0]), min(int(read[2]), known[-1])
            if low <= high:
                if (low, high) != (known[0], known[-1]):
                    found["year"] = [str(low), str(high)]
                return found
        unread.append("years")
    return found


def _lay(session: Session, address: Mapping[str, Sequence[str]], unread: list[str]) -> None:
    sort = "".join(address.get("sort", ())[:1]) or "relevance"
    if sort not in SORTS:
        unread.append("the order")
        sort = "relevance"
    lay(cast("Sort", sort), stacked=list(address.get("stack", ())) != ["no"])
    page = "".join(address.get("page", ())[:1]) or "1"
    if re.fullmatch(r"[1-9]\d?", page, re.ASCII) and (int(page) - 1) * PAGE < DEEPEST:
        session.turn_to = int(page)
    else:
        unread.append("the page")
