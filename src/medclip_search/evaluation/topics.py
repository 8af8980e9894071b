"""Topics: the queries of a judged collection, in the forms in which they are published.

TREC      <top> <num> Number: 401 <title> foreign minorities, Germany … </top>
          or <topic number="1"> <query> … </topic>; <image> names a picture
tabs      QID <tab> words, or QID <tab> words <tab> image
BEIR      queries.jsonl with _id and text; image names a picture, group what belongs together
a table   CSV or Parquet with the same columns
SMART     .I 1 .W words, as MED.QRY
a folder  of BEIR or SMART, with the queries in it
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.beir import BeirCorpus
from medclip_search.corpora.rows import FORMATS, Row, read_rows
from medclip_search.corpora.trec import BEGIN, TrecCorpus, read_documents
from medclip_search.errors import CorpusError, EvaluationError
from medclip_search.evaluation.lines import check_readable, malformed, numbered_lines

_TOPIC = re.compile(r"<(top|topic)\b([^>]*)>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)
_ELEMENT = re.compile(r"<([a-z][\w-]*)[^>]*>((?:[^<]|<(?![a-z/!?]))*)", re.IGNORECASE)
_NUMBER = re.compile(r"""\b(?:number|id)\s*=\s*["']([^"']+)["']""", re.IGNORECASE)
_LABEL = re.compile(r"\s*(?:Number|Topic|Description)\s*:", re.IGNORECASE)
_IDS = ("num", "id", "number")
_WORDS = ("title", "query", "summary", "description", "desc", "en-description")
"""The elements that hold a topic's words, the first of them that it has."""
_FORMS = (
    "write '<top> <num> 1 <title> words </top>', 'QID<tab>words', or JSON lines with _id and text"
)


@dataclass(frozen=True, slots=True)
class Topic:
    """One query: its id, its words, its images (paths, or ids of cases).

    ``group`` is what it belongs to, such as an article: topics of one group are drawn together
    where intervals are estimated.
    """

    id: str
    text: str = ""
    images: tuple[str, ...] = ()
    group: str = ""


def read_topics(path: str | Path) -> list[Topic]:
    """The topics of a file, in their order. Raises ``EvaluationError``, naming file and line."""
    path = Path(path).expanduser()
    topics: dict[str, Topic] = {}
    for place, topic in _read(path):
        if topic.id in topics:
            raise EvaluationError(f"{place}: a second query {topic.id}; give each its own id")
        topics[topic.id] = topic
    if not topics:
        raise EvaluationError(f"{path}: no query in it; {_FORMS}")
    return list(topics.values())


def _read(path: Path) -> Iterator[tuple[str, Topic]]:
    """Topics with their places."""
    if path.is_dir():
        yield from _read(_in_folder(path))
        return
    check_readable(path)
    kind = FORMATS.get(Path(path.name.removesuffix(".gz")).suffix.lower())
    if kind in ("json", "csv", "parquet"):
        yield from _rows(path)
        return
    _, first = next(numbered_lines(path), (0, ""))
    if first.startswith("<"):
        yield from _sgml(path)
    elif BEGIN.fullmatch(first):
        yield from _smart(path)
    else:
        yield from _tabs(path)


def _in_folder(folder: Path) -> Path:
    try:
        if any((folder / name).exists() for name in ("corpus.jsonl", "corpus.jsonl.gz")):
            found = BeirCorpus(CorpusSpec("beir", folder, "beir")).queries
        else:
            found = TrecCorpus(CorpusSpec("trec", folder, "trec")).queries
    except CorpusError as error:
        raise EvaluationError(str(error)) from None
    if found is None:
        raise EvaluationError(f"{folder}: no queries in it; give the file of queries")
    return found


def _rows(path: Path) -> Iterator[tuple[str, Topic]]:
    for row in read_rows(path):
        if isinstance(row, Skipped):
            if row.dropped:
                raise EvaluationError(f"{path.parent / str(row)}; {_FORMS}")
            continue
        qid = _cell(row, "_id", "id", "qid", "query_id", "query-id")
        if not qid:
            raise EvaluationError(f"{path.parent / row.where}: a query without _id; {_FORMS}")
        image = row.get("image")
        images = [str(one) for one in image] if isinstance(image, list) else [_cell(row, "image")]
        yield (
            row.where,
            Topic(
                qid,
                _one_line(_cell(row, "text", "query", "title")),
                tuple(one for one in images if one),
                _cell(row, "group"),
            ),
        )


def _cell(row: Row, *names: str) -> str:
    found = (row.get(name) for name in names)
    return next((str(value).strip() for value in found if value not in (None, "")), "")


def _sgml(path: Path) -> Iterator[tuple[str, Topic]]:
    """TREC's topics. They are no XML: elements of the older ones are not closed."""
    text, starts = "", []
    for number, line in numbered_lines(path):
        starts.append((len(text), number))
        text += line + "\n"
    for match in _TOPIC.finditer(text):
        place = max(number for start, number in starts if start <= match.start())
        parts: dict[str, list[str]] = {}
        for name, content in _ELEMENT.findall(match[3]):
            content = html.unescape(_LABEL.sub("", content, count=1))
            parts.setdefault(name.lower(), []).append(_one_line(content))
        qid = next((parts[name][0] for name in _IDS if name in parts), "")
        qid = qid or (found[1].strip() if (found := _NUMBER.search(match[2])) else "")
        if not qid:
            raise malformed(path, place, "a topic without a number", _FORMS)
        words = next((one for name in _WORDS for one in parts.get(name, []) if one), "")
        images = tuple(one for one in parts.get("image", []) if one)
        yield f"{path}:{place}", Topic(qid, words, images)


def _smart(path: Path) -> Iterator[tuple[str, Topic]]:
    for entry in read_documents(path):
        if isinstance(entry, Skipped):
            raise EvaluationError(f"{path.parent / str(entry)}")
        yield entry.place, Topic(entry.number, entry.text)


def _tabs(path: Path) -> Iterator[tuple[str, Topic]]:
    for at, (number, line) in enumerate(numbered_lines(path)):
        cells = [cell.strip() for cell in line.split("\t")]
        if not 2 <= len(cells) <= 3 or not cells[0]:
            raise malformed(path, number, "not QID<tab>words (<tab>image)", _FORMS)
        if at == 0 and cells[0].lower() in ("qid", "query_id", "query-id", "_id", "id"):
            continue
        images = (cells[2],) if len(cells) == 3 and cells[2] else ()
        yield f"{path}:{number}", Topic(cells[0], _one_line(cells[1]), images)


def write_topics(path: str | Path, topics: Iterable[Topic]) -> None:
    """Write topics: as BEIR's (``.jsonl``), by tabs (``.tsv``), else as TREC's.

    Groups are kept by the first alone; by tabs a topic has one image at most, else
    ``EvaluationError`` is raised.
    """
    path = Path(path)
    form = {".jsonl": _json_line, ".tsv": _tab_row}.get(path.suffix, _element)
    path.write_text("".join(map(form, topics)), encoding="utf-8")


def _json_line(topic: Topic) -> str:
    more = {"image": list(topic.images), "group": topic.group}
    line = {"_id": topic.id, "text": topic.text} | {k: v for k, v in more.items() if v}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _tab_row(topic: Topic) -> str:
    if len(topic.images) > 1:
        raise EvaluationError(f"query {topic.id}: has several images; write TREC topics instead")
    return "\t".join((topic.id, _one_line(topic.text), *topic.images)) + "\n"


def _element(topic: Topic) -> str:
    def line(name: str, label: str, text: str) -> str:
        # A label is written where the text itself would be taken for one.
        shown = f"{label}: {text}" if _LABEL.match(text) else text
        return f"<{name}> {html.escape(_one_line(shown), quote=False)}\n"

    images: Sequence[str] = [line("image", "Topic", one) for one in topic.images]
    words = line("title", "Topic", topic.text)
    return f"<top>\n{line('num', 'Number', topic.id)}{words}{''.join(images)}</top>\n\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())
