"""The served process: its address, its guards, its end."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from medclip_search.errors import MedClipError, NotALibraryError
from medclip_search.server.main import serve

if TYPE_CHECKING:
    from tests.app.conftest import Served


def test_page_and_api_are_one_process_and_end_on_ctrl_c(served: Served) -> None:
    assert served.address.startswith("http://127.0.0.1:")
    page = httpx2.get(served.address)
    assert page.status_code == 200
    assert page.headers["x-content-type-options"] == "nosniff"
    health = httpx2.get(f"{served.address}/api/v1/health").json()
    assert (health["status"], health["cases"]) == ("ok", 12)
    answer = httpx2.post(f"{served.address}/api/v1/search", json={"words": "nodule", "k": 2})
    hit = answer.json()["hits"][0]
    assert hit["thumbnail"].startswith("/api/v1/thumbnails/")
    assert httpx2.get(served.address + hit["thumbnail"]).status_code == 200
    assert httpx2.get(served.address + hit["image"]).status_code == 200
    assert httpx2.get(f"{served.address}/api/v1/docs").status_code == 200
    assert served.stop() == (0, "")


def test_another_name_for_this_machine_is_not_answered(served: Served) -> None:
    for path in ("/", "/api/v1/health", "/_stcore/health"):
        answer = httpx2.get(served.address + path, headers={"host": "evil.example"})
        assert answer.status_code == 400


def test_a_port_in_use_is_one_line(
    built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MEDCLIP_STATE", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MedClipError, match=f"port {port}.*in use") as caught:
            serve(built, port=port)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("127.0.0.1", 99999)])
def test_an_address_that_cannot_be_is_one_line(
    built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, port: int
) -> None:
    monkeypatch.setenv("MEDCLIP_STATE", str(tmp_path))
    with pytest.raises(MedClipError) as caught:
        serve(built, host=host, port=port)
    assert "\n" not in str(caught.value)


def test_no_library_is_said_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(NotALibraryError):
        serve(tmp_path / "nothing", port=0)


def test_serving_the_network_is_warned_of(built: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from medclip_search.server import main; "
        "main._announce('library', '0.0.0.0', 8501)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    address, warning = printed.splitlines()
    assert "http://0.0.0.0:8501" in address
    assert "without a login" in warning
