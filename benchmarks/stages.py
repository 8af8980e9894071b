"""Work measured stage by stage: seconds, pace, and the most private memory that it held."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from medclip_search.progress import Advance

_EVERY = 0.05  # seconds between two looks at the memory


def memory(pid: int | str = "self") -> dict[str, float]:
    """The memory of a process in MB: ``RssAnon`` is its own, ``RssFile`` are mapped pages."""
    status = Path(f"/proc/{pid}/status").read_text()
    return {name: int(kb) / 1024 for name, kb in re.findall(r"(\w+):\s+(\d+) kB", status)}


@dataclass(frozen=True)
class Spent:
    """What a stage took: seconds, and the most MB of private memory."""

    seconds: float
    peak: float


class Stages:
    """A ``Progress`` that prints each stage as it ends; to be entered, for it looks at memory.

    ``spent`` is what each stage took that has ended.
    """

    def __init__(self) -> None:
        self.spent: dict[str, Spent] = {}
        self._peak = self._whole_peak = 0.0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    @property
    def peak(self) -> float:
        """The most private memory since it was entered, in MB."""
        return self._whole_peak

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()
        print(_line("in all", time.perf_counter() - self._began, 0, "", self._whole_peak))

    @contextmanager
    def __call__(self, stage: str, total: int | None, unit: str) -> Iterator[Advance]:
        done, began = 0, time.perf_counter()
        self._peak = memory()["RssAnon"]

        def advance(count: int) -> None:
            nonlocal done
            done += count

        yield advance
        spent = self.spent[stage] = Spent(time.perf_counter() - began, self._peak)
        print(_line(stage, spent.seconds, done or total or 0, unit, spent.peak), flush=True)

    def _look(self) -> None:
        while not self._over.wait(_EVERY):
            self._peak = max(self._peak, memory()["RssAnon"])
            self._whole_peak = max(self._whole_peak, self._peak)


def _line(stage: str, seconds: float, count: int, unit: str, peak: float) -> str:
    if unit == "B":
        count, unit = count // 1_000_000, "MB"
    pace = (
        f"{count:,} {unit}{'' if unit == 'MB' else 's'}, {count / seconds:,.0f} a second"
        if count
        else ""
    )
    return f"  {stage:24} {seconds:8.1f} s  {pace:42} private memory at most {peak:,.0f} MB"
