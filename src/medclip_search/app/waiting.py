"""Searching beside the script, so that a gesture is answered while an encoder is at work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from streamlit.delta_generator import DeltaGenerator

T = TypeVar("T")

THREAD = "Search"
"""What the threads' names begin with."""

_LOOK_UP_S = 0.05  # so often is looked whether something else was clicked
_SAY_AFTER = 8  # looks
_SEARCHING = '<div class="medclip-waiting" role="status">Searching …</div>'


class Task(Generic[T]):
    """One piece of work in a thread of its own; it begins when ``after`` has ended.

    What is given up before it began does not begin.
    """

    def __init__(self, key: object, work: Callable[[], T], after: Task[T] | None) -> None:
        self.key = key
        self.ended = threading.Event()
        self._work: Callable[[], T] | None = work
        self._after = after
        self._found: T | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._run, name=f"{THREAD} {id(self)}", daemon=True).start()

    def give_up(self) -> None:
        """Do not begin, if it has not begun."""
        self._work = None

    def result(self) -> T:
        """What the work gave, or raised."""
        if self._error is not None:
            raise self._error
        assert self._found is not None
        return self._found

    def _run(self) -> None:
        if self._after is not None:
            self._after.ended.wait()
            self._after = None
        work, self._work = self._work, None
        try:
            if work is not None:
                self._found = work()
        except Exception as error:  # the script's thread raises it
            self._error = error
        finally:
            self.ended.set()


def begun(tasks: list[Task[T]], key: object, work: Callable[[], T]) -> Task[T]:
    """The task for ``key``: the last of a tab's, if it is for that and under way, or a new one.

    Whatever a tab asks, no more than two of its tasks are at work: one that nobody waits for any
    more, which cannot be stopped, and the one that counts.
    """
    tasks[:] = [one for one in tasks if not one.ended.is_set()]
    if tasks and tasks[-1].key == key:
        return tasks[-1]
    for one in tasks:
        one.give_up()
    tasks.append(Task(key, work, tasks[0] if len(tasks) > 1 else None))
    return tasks[-1]


def awaited(task: Task[T], place: DeltaGenerator) -> T:
    """What the task gives, or raises, once it has ended; ``place`` says so where it takes long.

    Whatever is clicked meanwhile ends this run of the script, as at any call of Streamlit's, and
    the page stays as it is until the next one draws.
    """
    looks = 0
    while not task.ended.wait(_LOOK_UP_S):
        looks += 1
        if looks < _SAY_AFTER:
            place.empty()
        else:
            place.html(_SEARCHING)
    place.empty()
    return task.result()
