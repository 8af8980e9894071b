"""Rows of a table in CSV, TSV, JSON lines, a JSON array or Parquet: streamed past any damage."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow
import pyarrow.parquet

from medclip_search.corpora import reasons
from medclip_search.corpora.base import Skipped
from medclip_search.corpora.files import file_fault, unread
from medclip_search.corpora.lines import (
    ESCAPED,
    MAX_LINE,
    UTF8_REMEDY,
    Line,
    estimate_lines,
    open_bytes,
    read_lines,
    repair,
    why_unreadable,
)
from medclip_search.errors import CorpusError
from medclip_search.images.parquet import open_parquet

RECORD_LINES = 500
"""A quoted field may hold this many lines; a quote left open is looked after no further."""

BATCH = 512
"""Rows of Parquet decoded at a time."""

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}

csv.field_size_limit(MAX_LINE)  # the module's own limit, 128 KiB, makes an error of a long field


class Row(NamedTuple):
    """One row: ``where`` it stands for reports, its ``number`` there, and its columns."""

    where: str
    number: int
    values: Mapping[str, object]

    def get(self, name: str) -> object:
        """What stands in a column, its name in any case and spacing; ``None`` without one."""
        if name in self.values:
            return self.values[name]
        same = (column for column in self.values if column.strip().lower() == name.lower())
        return next((self.values[column] for column in same), None)


def table_format(path: Path) -> str:
    """``csv``, ``tsv``, ``json`` or ``parquet`` by the file's name; raises ``CorpusError``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    kind = FORMATS.get(suffixes[-1]) if suffixes else None
    if kind is None:
        raise CorpusError(f"{path}: not a table by its name; use one of {', '.join(FORMATS)}")
    return kind


def read_rows(path: Path, wanted: Collection[str] = ()) -> Iterator[Row | Skipped]:
    """The rows of a table in their order, and a report for each that cannot be read.

    ``wanted`` names the columns that must be read although they hold bytes (Parquet alone:
    others that do, such as embedded images, are left where they are). An empty file, as a
    download that broke off leaves behind, is reported too: nobody knows what it would have held.
    """
    kind = table_format(path)
    if kind != "parquet" and _is_blank(path):
        remedy = reasons.REMEDIES[reasons.EMPTY_FILE]
        empty = Skipped(path.name, reasons.EMPTY_FILE, remedy, dropped=False, incomplete=True)
        return iter([empty])
    if kind == "parquet":
        return _parquet_rows(path, wanted)
    if kind == "json":
        return _array_rows(path) if _starts_array(path) else _json_line_rows(path)
    return _separated_rows(path, tabs=kind == "tsv")


def count_rows(path: Path) -> int | None:
    """About how many rows; ``None`` where only reading would tell."""
    kind = table_format(path)
    try:
        if kind == "parquet":
            return int(pyarrow.parquet.read_metadata(path).num_rows)
        if kind == "json" and _starts_array(path):
            return None
        lines = estimate_lines(path)
    except (OSError, pyarrow.ArrowException):
        return None
    return lines if kind == "json" or lines is None else max(0, lines - 1)


def _fault(where: str, fault: str) -> Skipped:
    if fault == reasons.NOT_UTF8:
        return Skipped(where, fault, UTF8_REMEDY, dropped=False)
    return unread(where, fault)


# ---------------------------------------------------------------------------- CSV and TSV


class _Records:
    """CSV records out of lines, past damage.

    Python's csv module would let one quote left open swallow the rest of the file. Here a
    record that does not parse, or has not as many fields as the header, costs its first line
    only: reading goes on with the next.
    """

    def __init__(self, path: Path, tabs: bool) -> None:
        self._lines = read_lines(path)
        self._held: deque[Line] = deque()
        self._tabs = tabs
        self.delimiter = "\t" if tabs else ","

    def next_line(self) -> Line | None:
        return self._held.popleft() if self._held else next(self._lines, None)

    def record(self, first: Line, width: int | None) -> list[str] | None:
        """The fields of the record that starts with a line; ``None`` if it is damaged.

        ``width`` is the number of fields it must have; empty ones too many do not count.
        """
        taken = [first]
        try:
            fields = next(csv.reader(self._feed(taken), delimiter=self.delimiter, strict=True))
        except (csv.Error, StopIteration):
            fields = None
        if fields is not None and (fitted := _fit(fields, width)) is not None:
            return fitted
        self._held.extendleft(reversed(taken[1:]))
        if self._tabs:  # many programs write tab-separated text with no quoting at all
            return _fit(first.text.rstrip("\n").split("\t"), width)
        return None

    def _feed(self, taken: list[Line]) -> Iterator[str]:
        yield taken[0].text
        size = 0
        while len(taken) < RECORD_LINES and size < MAX_LINE:
            line = self.next_line()
            if line is None:
                return
            if line.fault and not line.text:
                self._held.appendleft(line)
                return
            taken.append(line)
            size += len(line.text)
            yield line.text


def _fit(fields: list[str], width: int | None) -> list[str] | None:
    if width is None or len(fields) == width:
        return fields
    return fields[:width] if len(fields) > width and not any(fields[width:]) else None


def _separated_rows(path: Path, tabs: bool) -> Iterator[Row | Skipped]:
    records = _Records(path, tabs)
    header: list[str] | None = None
    while (line := records.next_line()) is not None:
        where = f"{path.name}:{line.number}"
        if line.fault:
            yield _fault(where, line.fault)
        if not line.text.strip():
            continue
        if header is None and not tabs:
            counts = {mark: line.text.count(mark) for mark in (",", ";", "\t")}
            records.delimiter = max(counts, key=lambda mark: counts[mark])
        fields = records.record(line, None if header is None else len(header))
        if fields is None:
            yield Skipped(where, reasons.BAD_ROW, incomplete=line.is_cut)
        elif header is None:
            header = _distinct(fields)
        else:
            yield Row(where, line.number, dict(zip(header, fields, strict=True)))


def _distinct(names: list[str]) -> list[str]:
    """Column names without a name twice: the second ``x`` is ``x.2``, an empty one ``column 3``."""
    distinct: list[str] = []
    for place, name in enumerate(names, start=1):
        name = name.strip() or f"column {place}"
        again, numbered = 2, name
        while numbered in distinct:
            numbered, again = f"{name}.{again}", again + 1
        distinct.append(numbered)
    return distinct


# ---------------------------------------------------------------------------- JSON


def _json_line_rows(path: Path) -> Iterator[Row | Skipped]:
    for line in read_lines(path):
        where = f"{path.name}:{line.number}"
        if line.fault:
            yield _fault(where, line.fault)
        if not line.text.strip():
            continue
        try:
            values = json.loads(line.text)
        except (ValueError, RecursionError):
            yield Skipped(where, reasons.BAD_JSON, incomplete=line.is_cut)
            continue
        if isinstance(values, dict):
            yield Row(where, line.number, values)
        else:
            yield Skipped(where, reasons.NOT_AN_OBJECT)


def _is_blank(path: Path) -> bool:
    """Whether a file that can be read holds nothing but white space."""
    try:
        with open_bytes(path) as stream:
            start = stream.read(4096)
    except (OSError, EOFError, zlib.error):
        return False
    return len(start) < 4096 and not start.translate(None, b"\xef\xbb\xbf\xfe\xff\0").strip()


def _starts_array(path: Path) -> bool:
    try:
        with open_bytes(path) as stream:
            return stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["
    except (OSError, EOFError, zlib.error):
        return False


def _array_rows(path: Path) -> Iterator[Row | Skipped]:
    """The objects of one JSON array, in memory one at a time.

    A damaged one ends the reading, since nothing tells where the next begins.
    """
    decoder = json.JSONDecoder()
    buffer, number, whole, ended = "", 0, True, False
    try:
        with (
            open_bytes(path) as stream,
            io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape") as reader,
        ):
            size = 65536
            at = 0
            while True:
                while (
                    at < len(buffer)
                    and buffer[at] in " \t\r\n,["
                    and not (buffer[at] == "[" and number)
                ):
                    at += 1
                if at < len(buffer):
                    if buffer[at] == "]":
                        return
                    try:
                        values, end = decoder.raw_decode(buffer, at)
                    except (ValueError, RecursionError):
                        if ended or len(buffer) - at > MAX_LINE:
                            break
                    else:
                        number += 1
                        where = f"{path.name}, item {number}"
                        at = end
                        if isinstance(values, dict):
                            yield Row(where, number, values)
                        else:
                            yield Skipped(where, reasons.NOT_AN_OBJECT)
                        continue
                elif ended:
                    break
                chunk = reader.read(max(size, len(buffer) - at))
                ended = not chunk
                if ESCAPED.search(chunk):
                    chunk = repair(chunk)
                    if whole:
                        whole = False
                        yield _fault(path.name, reasons.NOT_UTF8)
                buffer, at = buffer[at:] + chunk, 0
    except (OSError, EOFError, zlib.error) as error:
        yield unread(f"{path.name}, item {number + 1}", why_unreadable(path, error))
        return
    yield Skipped(
        f"{path.name}, item {number + 1}",
        reasons.BAD_JSON,
        "the rest of the file was not read",
        incomplete=True,
    )


# ---------------------------------------------------------------------------- Parquet


def _parquet_rows(path: Path, wanted: Collection[str]) -> Iterator[Row | Skipped]:
    number = 0
    try:
        if fault := file_fault(path):
            raise OSError(fault)
        file = open_parquet(path)
    except (OSError, pyarrow.ArrowException) as error:
        yield unread(path.name, why_unreadable(path, error))
        return
    with file:
        columns = _readable(file.schema_arrow, wanted)
        for group in range(file.num_row_groups):
            end = number + file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(BATCH, row_groups=[group], columns=columns):
                    for at in range(batch.num_rows):
                        number += 1
                        where = f"{path.name}, row {number}"
                        try:
                            values = batch.slice(at, 1).to_pylist()[0]
                        except UnicodeDecodeError:
                            yield Skipped(where, reasons.NOT_UTF8)
                        else:
                            yield Row(where, number, values)
            except (OSError, ValueError, pyarrow.ArrowException):
                number = min(number, end - 1)
            if number < end:  # of a file cut short while it is read, pyarrow may say nothing
                yield unread(f"{path.name}, row {number + 1}", reasons.UNREADABLE)
            number = end


def _readable(schema: pyarrow.Schema, wanted: Collection[str]) -> list[str]:
    """Leaf columns that hold no bytes, or are wanted although they do."""
    found: list[str] = []
    stack = [(field.name, field.type) for field in reversed(list(schema))]
    while stack:
        name, kind = stack.pop()
        if pyarrow.types.is_struct(kind):
            stack.extend(
                (f"{name}.{kind.field(i).name}", kind.field(i).type)
                for i in reversed(range(kind.num_fields))
            )
        elif name in wanted or not (
            pyarrow.types.is_binary(kind)
            or pyarrow.types.is_large_binary(kind)
            or pyarrow.types.is_fixed_size_binary(kind)
        ):
            found.append(name)
    return found
