"""Files of queries, judgements and runs as numbered lines; what cannot be read is an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medclip_search.corpora import reasons
from medclip_search.corpora.files import file_fault
from medclip_search.corpora.lines import read_lines
from medclip_search.errors import EvaluationError


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1; raises ``EvaluationError``."""
    check_readable(path)
    for line in read_lines(path):
        if line.fault and not line.text:
            remedy = reasons.REMEDIES.get(line.fault, "give another file")
            raise EvaluationError(f"{path}:{line.number}: {line.fault}; {remedy}")
        if text := line.text.strip("\ufeff\r\n "):
            yield line.number, text


def check_readable(path: Path) -> None:
    """Raise ``EvaluationError`` where a path is not a file that can be opened."""
    if fault := file_fault(path):
        fault = "no such file" if fault == reasons.ABSENT else fault
        raise EvaluationError(f"{path}: {fault}; {reasons.REMEDIES.get(fault, 'give a file')}")


def fields(text: str) -> list[str]:
    """The fields of a line: by tabs where it has any (ids may then hold spaces), else by space."""
    return [one.strip() for one in text.split("\t")] if "\t" in text else text.split()


def malformed(path: Path, number: int, what: str, remedy: str) -> EvaluationError:
    """The error of one line that is not what it should be."""
    return EvaluationError(f"{path}:{number}: {what}; {remedy}")
