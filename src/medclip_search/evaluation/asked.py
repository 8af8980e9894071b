"""From topics to queries: what a topic asks by, and which cases must not answer it.

A topic's image is a case of the library, named by its source's id, or else a file, its path
relative to the file of topics. Where it is a case, that case would be its own best answer, even to
words that were written about it: in every mode it is left out of the ranking and of the judgements,
and so are those that share its value in the column to leave out (its article, its patient).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from medclip_search.api import Library
from medclip_search.cases import Case
from medclip_search.corpora.files import file_fault
from medclip_search.errors import EvaluationError, UsageError
from medclip_search.evaluation.names import Names
from medclip_search.evaluation.topics import Topic, read_topics
from medclip_search.search.query import Query

Mode = Literal["words", "image", "both"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: its words, the cases or files whose pictures it asks by, the cases it is."""

    id: str
    text: str = ""
    images: tuple[Case | Path, ...] = ()
    own: tuple[Case, ...] = ()
    group: str = ""

    def query(self, library: Library, settings: Mapping[str, Any]) -> Query:
        """The query, its pictures decoded; ``settings`` are further fields of ``Query``.

        Duplicates are not folded unless the settings say so: each is judged by itself.
        """
        images = [library.image(one.id) if isinstance(one, Case) else one for one in self.images]
        return Query(**{"text": self.text, "image": images, "fold": False, **settings})


def topics_of(
    queries: str | Path | Sequence[Topic],
) -> tuple[list[Topic], Path]:
    """Topics of a file, or as they were read, and the folder that their images are relative to."""
    if not isinstance(queries, str | Path):
        return list(queries), Path()
    path = Path(queries).expanduser()
    return read_topics(path), path if path.is_dir() else path.parent


def ask(
    library: Library, topics: Sequence[Topic], mode: Mode, folder: Path, corpus: str = ""
) -> list[Asked]:
    """What each topic asks in a mode. Raises ``EvaluationError`` where it has nothing to ask by."""
    check_mode(mode)
    named: dict[str, tuple[str, ...]] = {}
    for topic in topics:
        if mode != "image" and not topic.text:
            raise EvaluationError(f"query {topic.id}: has no words; ask it by --mode image")
        # By tabs, a query of two columns has its image in the second.
        in_text = (topic.text,) if mode == "image" and topic.text else ()
        named[topic.id] = topic.images or in_text
        if mode != "words" and not named[topic.id]:
            raise EvaluationError(
                f"query {topic.id}: has no image; name a file or a case, or ask by --mode words"
            )
    cases = Names(library, (one for each in named.values() for one in each), corpus).cases
    asked = []
    for topic in topics:
        own = tuple(cases[one] for one in named[topic.id] if one in cases)
        images: tuple[Case | Path, ...] = ()
        if mode != "words":
            images = tuple(cases.get(one) or _file(folder, one, topic) for one in named[topic.id])
        text = "" if mode == "image" else topic.text
        asked.append(Asked(topic.id, text, images, own, topic.group))
    return asked


def _file(folder: Path, name: str, topic: Topic) -> Path:
    path = folder / Path(name).expanduser()
    if fault := file_fault(path):
        raise EvaluationError(
            f"query {topic.id}: {name} is no case of the library, and no image at {path} ({fault})"
        )
    return path


def check_mode(mode: str) -> None:
    """Raise ``UsageError`` for what is no mode."""
    if mode not in MODES:
        raise UsageError(f"--mode {mode}: choose one of: {', '.join(MODES)}")


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise ``UsageError`` where one is no field of a query, or one that topics give."""
    given = ("text", "image", "vector", "space", "like", "dislike", "where", "not_id")
    known = [one.name for one in dataclasses.fields(Query) if one.name not in given]
    for name in settings:
        if name not in known:
            raise UsageError(f"--set {name}: no setting of a query; there are: {', '.join(known)}")


def made_of(case: Case, mode: Mode) -> Asked:
    """The query that a case is: its picture, its caption, or both."""
    text = "" if mode == "image" else case.caption
    return Asked(case.id, text, () if mode == "words" else (case,), (case,))


class LeftOut:
    """Which cases must not answer a query: those it is made of, and their groups.

    ``column`` is what groups them (``""``: each case is a group).
    """

    def __init__(self, library: Library, asked: Iterable[Asked], column: str = "") -> None:
        field = library.field(column) if column else ""
        self._members: dict[str, set[str]] = defaultdict(set)
        self._labels: dict[str, frozenset[str]] = {}
        own = {one.id: one.own for one in asked if one.own}
        if field and own:
            for case in library.cases():
                for label in library.labels(field, case):
                    self._members[label].add(case.id)
            self._labels = {
                qid: frozenset(one for case in cases for one in library.labels(field, case))
                for qid, cases in own.items()
            }
        self._own = {qid: {case.id for case in cases} for qid, cases in own.items()}

    def ids(self, qid: str) -> set[str]:
        """The cases that must not answer a query."""
        groups = (self._members[label] for label in self._labels.get(qid, ()))
        return self._own.get(qid, set()).union(*groups)

    def group(self, qid: str) -> str:
        """What a query belongs to, for intervals; ``""`` where it is alone."""
        return min(self._labels.get(qid, ()), default="")
