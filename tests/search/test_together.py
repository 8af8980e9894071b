"""Parts of a search that are done at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from medclip_search.search.together import Once, together


def test_parts_run_at_the_same_time_and_keep_their_order() -> None:
    meeting = threading.Barrier(2, timeout=20)  # one alone would wait for the other for good

    def part(name: str) -> str:
        meeting.wait()
        return name

    assert together([lambda: part("words"), lambda: part("vector")]) == ["words", "vector"]


def test_what_a_part_raises_is_raised() -> None:
    def fails() -> str:
        raise ValueError("no such space")

    with pytest.raises(ValueError, match="no such space"):
        together([lambda: "words", fails])


def test_when_a_part_fails_no_other_is_at_work_any_more() -> None:
    begun, ended = threading.Event(), threading.Event()

    def fails() -> None:
        assert begun.wait(20)
        raise ValueError("no such space")

    def reads() -> None:
        begun.set()
        time.sleep(0.2)
        ended.set()

    with pytest.raises(ValueError, match="no such space"):
        together([fails, reads, reads])
    assert ended.is_set()


def test_what_several_parts_need_is_found_out_once() -> None:
    meeting, asked = threading.Barrier(3, timeout=20), []

    def find() -> object:
        asked.append(threading.get_ident())
        time.sleep(0.1)
        return object()

    needed = Once(find)

    def part() -> object:
        meeting.wait()
        return needed()

    found = together([part, part, part] if (os.cpu_count() or 1) > 1 else [needed, needed])
    assert len(asked) == 1
    assert all(one is found[0] for one in found)


def test_what_could_not_be_found_out_is_asked_for_again() -> None:
    tries = iter([None, "found"])

    def find() -> str:
        if (found := next(tries)) is None:
            raise ValueError("not yet")
        return found

    needed = Once(find)
    with pytest.raises(ValueError, match="not yet"):
        needed()
    assert needed() == needed() == "found"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_that_was_forked_off_has_threads_of_its_own() -> None:
    code = (
        "import os, signal\n"
        "from medclip_search.search.together import together\n"
        "together([int, int])\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.alarm(20)\n"
        "    os._exit(together([int, lambda: 7])[1])\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "7"


def test_one_part_is_done_by_the_calling_thread() -> None:
    assert together([threading.get_ident]) == [threading.get_ident()]
    assert together([]) == []
