"""Run a benchmark, and put what it prints where docs/benchmarks.md tells of it.

    python -m benchmarks.report benchmarks.rivals DIR/library

It replaces what stands between ``<!-- begin rivals -->`` and ``<!-- end rivals -->``: tables in
Markdown and pictures as they are, other lines as they were printed. Where the benchmark fails, the
document stays as it was.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def replaced(document: str, name: str, told: str) -> str:
    """A document with what a benchmark tells between its marks; exits where these are not."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{name}: the document has no '{begin}' with '{end}' after it; add both")
    return f"{before}{begin}\n{told}{end}{after}"


def markdown(lines: Iterable[str]) -> str:
    """Printed lines: what is Markdown as it is, all else indented, which keeps it as printed."""
    told: list[str] = []
    before = ""
    for line in lines:
        kind = line[:1] if line[:1] in ("|", "!", "") else "printed"
        if kind and kind != before:
            told.append("")
        before = kind
        if line:
            told.append(f"    {line}" if kind == "printed" else line)
    return "\n".join([*told, "", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--document", type=Path, default=DOCUMENT)
    parser.add_argument("benchmark", help="its module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    name = given.benchmark.rpartition(".")[2]
    replaced(given.document.read_text(), name, "")  # rather now than after hours
    command = [sys.executable, "-m", given.benchmark, *given.arguments]
    printed = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            printed.append(line.rstrip())
    if process.returncode != 0:
        raise SystemExit(process.returncode)
    told = replaced(given.document.read_text(), name, markdown(printed))
    given.document.write_text(told)


if __name__ == "__main__":
    main()
