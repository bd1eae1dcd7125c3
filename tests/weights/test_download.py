"""Downloads from a server that does everything wrong, one thing at a time."""

from __future__ import annotations

import hashlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from imgcycle.errors import DownloadError, UsageError
from imgcycle.weights import download as downloads
from imgcycle.weights.download import Downloaded, Limits, check_address, download
from imgcycle.weights.events import Asking, Event, Received, Refused
from tests.weights.published import Answer, Server, body, pieces, redirect, serving, status

DATA = bytes(range(256)) * 800
TIGHT = Limits(most=300_000, idle=60.0, whole=600.0, hops=3)
IMPATIENT = Limits(most=300_000, idle=0.3, whole=600.0, hops=3)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with serving() as made:
        yield made


def refusal(server: Server, path: Path, answer: Answer, limits: Limits = TIGHT) -> str:
    """Why nothing comes of an answer."""
    server.answers["/x.pth"] = answer
    with pytest.raises(DownloadError) as caught:
        download("x", [f"{server.base}/x.pth"], path / "x.pth", limits=limits)
    assert "\n" not in str(caught.value)
    prefix = f"x could not be fetched: {server.base}/x.pth "
    assert caught.value.message.startswith(prefix)
    return caught.value.message.removeprefix(prefix)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.mark.parametrize("answer", [body(DATA), body(DATA, None)], ids=["with a length", "without"])
def test_a_whole_file_comes_with_its_digest(server: Server, tmp_path: Path, answer: Answer) -> None:
    server.answers["/x.pth"] = answer
    events: list[Event] = []
    url = f"{server.base}/x.pth"
    came = download("x", [url], tmp_path / "x.pth", events.append, TIGHT)
    assert came == Downloaded(hashlib.sha256(DATA).hexdigest(), len(DATA), url)
    assert (tmp_path / "x.pth").read_bytes() == DATA
    assert events[0] == Asking("x", url)
    last = events[-1]
    assert isinstance(last, Received)
    assert last.done == len(DATA)
    received = [event.done for event in events if isinstance(event, Received)]
    assert received == sorted(received)


def test_chunks_are_put_together(server: Server, tmp_path: Path) -> None:
    server.answers["/x.pth"] = pieces(itertools.chain([DATA[:100], DATA[100:]], [b""]))
    assert download("x", [f"{server.base}/x.pth"], tmp_path / "x.pth", limits=TIGHT).size == len(DATA)
    assert (tmp_path / "x.pth").read_bytes() == DATA


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (body(DATA, len(DATA) + 1), f"broke off after {len(DATA)} of {len(DATA) + 1} bytes"),
        (pieces(iter([DATA])), "broke off"),
        (body(b""), "gave an empty file"),
        (body(b"", 300_001), "has 300001 bytes, more than the 300000 allowed"),
        (body(DATA * 2, None), "goes on after the 300000 bytes allowed"),
        (pieces(itertools.repeat(DATA)), "goes on after the 300000 bytes allowed"),
        (body(b"<html>sign in</html>", Content_Type="text/html; charset=utf-8"), "gives a web page, not a file"),
        (body(DATA, Content_Encoding="gzip"), "answers in the coding gzip, which was not asked for"),
        (status(404), "answers 404 Not Found"),
        (status(503), "answers 503 Service Unavailable"),
        (status(204), "answers 204 No Content"),
        (status(301), "answers 301 Moved Permanently"),
        (redirect("/x.pth"), "redirects more than 3 times"),
        (redirect("file:///etc/hostname"), "redirects to 'file:///etc/hostname', which is not followed"),
        (redirect("ftp://127.0.0.1/x"), "redirects to 'ftp://127.0.0.1/x', which is not followed"),
        (redirect("data:text/plain,x"), "redirects to 'data:text/plain,x', which is not followed"),
        (redirect("http://me:secret@127.0.0.1/x"), "which is not followed"),
        (redirect("http://[/x"), "which is not followed"),
    ],
)
def test_what_is_no_whole_file_is_refused_in_one_line(
    server: Server, tmp_path: Path, answer: Answer, words: str
) -> None:
    assert words in refusal(server, tmp_path, answer)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"HTTP/1.1 404 \x1b]0;mine\x07\x9b2J", r"answers 404 \x1b]0;mine\x07\x9b2J"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: \x1b[31m", r"in the coding \x1b[31m, which"),
        (b"HTPP \x1b[31m", r"did not answer (HTPP \x1b[31m)"),
        (b"HTTP/1.1 404 " + b"x" * 9000, f"answers 404 {'x' * 188}"),
    ],
)
def test_a_server_has_no_say_over_the_terminal(server: Server, tmp_path: Path, head: bytes, words: str) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(head + b"\r\nContent-Length: 3\r\n\r\nabc")

    reason = refusal(server, tmp_path, answer)
    assert words in reason
    assert reason.isprintable()
    assert len(reason) <= 200


def test_a_circle_of_redirects_ends(server: Server, tmp_path: Path) -> None:
    refusal(server, tmp_path, redirect("/x.pth"))
    assert server.asked == ["/x.pth"] * 4


def test_redirects_are_followed(server: Server, tmp_path: Path) -> None:
    server.answers |= {"/x.pth": redirect("a/b", 307), "/a/b": redirect(f"{server.base}/c"), "/c": body(DATA)}
    came = download("x", [f"{server.base}/x.pth"], tmp_path / "x.pth", limits=TIGHT)
    assert came.url == f"{server.base}/x.pth"
    assert server.asked == ["/x.pth", "/a/b", "/c"]


def test_a_redirect_to_letters_that_addresses_lack_is_followed(server: Server, tmp_path: Path) -> None:
    server.answers |= {"/x.pth": redirect("/a b/é%20.pth"), "/a%20b/%E9%20.pth": body(DATA)}
    download("x", [f"{server.base}/x.pth"], tmp_path / "x.pth", limits=TIGHT)
    assert (tmp_path / "x.pth").read_bytes() == DATA


def test_no_redirect_leads_from_https_to_http() -> None:
    assert downloads._redirected("http://a/x", "https://b/y") == "https://b/y"
    assert downloads._redirected("https://a/x", "/y") == "https://a/y"
    with pytest.raises(downloads._NotGiven, match="from https to http://b/y"):
        downloads._redirected("https://a/x", "http://b/y")


def test_silence_ends(server: Server, tmp_path: Path) -> None:
    over = threading.Event()

    def silent(handler: object) -> None:
        over.wait(300)

    try:
        assert refusal(server, tmp_path, silent, IMPATIENT) == "was silent for 0.3 s"
    finally:
        over.set()


def test_a_trickle_ends(server: Server, tmp_path: Path) -> None:
    """Never silent for long, and never done."""

    def drops() -> Iterator[bytes]:
        while True:
            time.sleep(0.05)
            yield b"x"

    assert "took longer than 0.4 s" in refusal(server, tmp_path, pieces(drops()), Limits(idle=300.0, whole=0.4))


def test_the_next_address_is_asked_and_the_reason_heard(server: Server, tmp_path: Path) -> None:
    """A server that speaks no https, then a mirror without the file, then the file."""
    server.answers["/b/x.pth"] = body(DATA)
    urls = [
        f"https://127.0.0.1:{server.server.server_port}/b/x.pth",
        f"http://127.0.0.1:{closed_port()}/x.pth",
        f"{server.base}/a/x.pth",
        f"{server.base}/b/x.pth",
        f"{server.base}/c/x.pth",
    ]
    events: list[Event] = []
    assert download("x", urls, tmp_path / "x.pth", events.append, TIGHT).url == urls[3]
    refused = [event for event in events if isinstance(event, Refused)]
    assert [(event.url, event.then) for event in refused] == list(itertools.pairwise(urls[:4]))
    assert "did not answer" in refused[0].reason
    assert "refused" in refused[1].reason
    assert refused[2].reason == "answers 404 Not Found"
    assert (tmp_path / "x.pth").read_bytes() == DATA


def test_a_later_address_does_not_add_to_an_earlier_ones_half(server: Server, tmp_path: Path) -> None:
    server.answers |= {"/a": body(b"half", 1000), "/b": body(DATA)}
    download("x", [f"{server.base}/a", f"{server.base}/b"], tmp_path / "x.pth", limits=TIGHT)
    assert (tmp_path / "x.pth").read_bytes() == DATA


def test_when_none_gives_it_each_is_named_with_its_reason(server: Server, tmp_path: Path) -> None:
    urls = [f"{server.base}/a", f"{server.base}/b"]
    server.answers["/b"] = status(500)
    with pytest.raises(DownloadError) as caught:
        download("x", urls, tmp_path / "x.pth", limits=TIGHT, hint="do that")
    answers = f"{urls[0]} answers 404 Not Found; {urls[1]} answers 500 Internal Server Error"
    assert str(caught.value) == f"x could not be fetched: {answers} (do that)"
    assert caught.value.exit_code == 1


def test_one_reason_is_said_once(server: Server, tmp_path: Path) -> None:
    urls = [f"{server.base}/a", f"{server.base}/b"]
    with pytest.raises(DownloadError) as caught:
        download("x", urls, tmp_path / "x.pth", limits=TIGHT)
    assert str(caught.value) == f"x could not be fetched: {urls[0]} answers 404 Not Found, likewise {urls[1]}"


def test_no_room_is_said_before_anything_is_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/x.pth"] = body(DATA)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2 * len(DATA)}))
    with pytest.raises(DownloadError, match="has no room"):
        download("x", [f"{server.base}/x.pth"], tmp_path / "x.pth", limits=TIGHT)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_not_blamed_on_the_server(server: Server, tmp_path: Path) -> None:
    server.answers |= {"/x.pth": body(DATA), "/y.pth": body(DATA)}
    (tmp_path / "x.pth").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match="the disk is full"):
        download("x", [f"{server.base}/x.pth", f"{server.base}/y.pth"], tmp_path / "x.pth", limits=TIGHT)
    assert server.asked == ["/x.pth"]


@pytest.mark.parametrize(
    "url", ["ftp://a/x", "file:///x", "a/x", "https:///x", "http://me:secret@a/x", "", "http://[::1"]
)
def test_only_plain_http_and_https_are_addresses(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_address(url)
    assert "secret" not in str(caught.value)
