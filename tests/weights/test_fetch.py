"""Published styles: fetched once, pinned, kept as weights of ours, and nothing kept of what is not right."""

from __future__ import annotations

import errno
import hashlib
import shutil
import threading
from pathlib import Path

import pytest
import torch

from imgcycle.errors import DownloadError, StyleNotHere, UnknownStyle, UsageError, WeightsError
from imgcycle.jobs.translators import load_translator
from imgcycle.weights import fetch
from imgcycle.weights.description import digest
from imgcycle.weights.download import MIRROR, Limits
from imgcycle.weights.events import Asking, Event, Kept, Received, Refused, Waiting
from imgcycle.weights.fetch import check_origin, get_style
from imgcycle.weights.find import find_style
from imgcycle.weights.index import read_index, read_pins
from imgcycle.weights.native import load_generator
from imgcycle.weights.user_styles import add_style, remove_style
from tests.styles import save_style
from tests.weights.importers import plain
from tests.weights.importers.plain import lively
from tests.weights.published import Server, body, checkpoint, status, write_index

GOOD, OTHER = checkpoint(0), checkpoint(1)
TIGHT = Limits(most=10_000_000, idle=60.0, whole=600.0)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Path:
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(MIRROR, raising=False)
    write_index(tmp_path / "home", server.base)
    return tmp_path / "home"


def files(home: Path) -> set[str]:
    """What lies in the user's folder, but for locks."""
    return {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_what_is_fetched_is_kept_as_weights_of_ours(home: Path, server: Server) -> None:
    events: list[Event] = []
    kept = get_style("tiny", (), events.append, TIGHT)
    assert kept == events[-1]
    assert (kept.fresh, kept.trusted_now) == (True, True)
    assert kept.sha256 == hashlib.sha256(GOOD).hexdigest()
    assert (kept.url, kept.size) == (f"{server.base}/tiny.pth", len(GOOD))
    assert files(home) == {"index.toml", "tiny.safetensors", ".imgcycle/index"}
    entry = read_index(home)["tiny"]
    assert (entry.licence, entry.data, entry.method, entry.work_size, entry.detail) == (
        "CC0-1.0", "noise", "dice", 32, 0.25,
    )  # fmt: skip
    assert entry.sha256 == digest(kept.path)
    pin = read_pins(home)["tiny"]
    assert (pin.sha256, pin.url) == (kept.sha256, kept.url)
    net, about = load_generator(kept.path)
    assert about.card["source_sha256"] == kept.sha256
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(net(x), lively(plain.Resnet(1), 0)(x), atol=1e-5)
    style = load_translator("tiny").style
    assert (style.name, style.work_size, style.detail) == ("tiny", 32, 0.25)
    check_origin(find_style("tiny"))


def test_what_is_here_is_not_fetched_again(home: Path, server: Server) -> None:
    first = get_style("tiny")
    again = get_style("tiny")
    assert (again.fresh, again.trusted_now, again.sha256, again.path) == (False, False, first.sha256, first.path)
    assert server.asked == ["/tiny.pth"]


def test_what_is_here_is_found_where_nothing_can_be_written(home: Path, server: Server) -> None:
    get_style("tiny")
    shutil.rmtree(home / ".imgcycle")
    (home / ".imgcycle").touch()  # no folder for locks, even for root
    assert not get_style("tiny").fresh
    (home / "tiny.safetensors").unlink()
    with pytest.raises(DownloadError, match="cannot be written"):
        get_style("tiny")
    assert server.asked == ["/tiny.pth"]


def test_later_downloads_must_be_what_the_first_was(home: Path, server: Server) -> None:
    get_style("tiny")
    remove_style("tiny")
    with pytest.raises(StyleNotHere):
        find_style("tiny")
    server.answers["/tiny.pth"] = body(OTHER)
    with pytest.raises(DownloadError) as caught:
        get_style("tiny")
    said = str(caught.value)
    assert "\n" not in said
    assert f"{server.base}/tiny.pth is not the file it should be" in said
    assert hashlib.sha256(GOOD).hexdigest()[:16] in said
    assert hashlib.sha256(OTHER).hexdigest()[:16] in said
    assert f"delete [pin.tiny] from {home / 'index.toml'}" in said
    assert files(home) == {"index.toml", ".imgcycle/index"}
    server.answers["/tiny.pth"] = body(GOOD)
    assert not get_style("tiny").trusted_now


def test_a_digest_the_index_knows_counts_from_the_first_time(home: Path, server: Server) -> None:
    write_index(home, server.base, sha256=hashlib.sha256(OTHER).hexdigest())
    with pytest.raises(DownloadError, match="of the index"):
        get_style("tiny")
    assert read_pins(home) == {}
    write_index(home, server.base, sha256=hashlib.sha256(GOOD).hexdigest())
    assert not get_style("tiny").trusted_now


def test_weights_that_are_not_from_the_pinned_file_are_found_out(home: Path) -> None:
    get_style("tiny")
    index = home / "index.toml"
    pinned = hashlib.sha256(GOOD).hexdigest()
    index.write_text(index.read_text().replace(pinned, "0" * 64))
    with pytest.raises(WeightsError, match="fetched first"):
        check_origin(find_style("tiny"))


@pytest.mark.parametrize("kind", ["discriminator", "words", "cut"])
def test_what_is_no_generator_is_neither_kept_nor_trusted(
    home: Path, server: Server, tmp_path: Path, kind: str
) -> None:
    torch.save(plain.Discriminator().state_dict(), tmp_path / "discriminator")
    given = {
        "discriminator": (tmp_path / "discriminator").read_bytes(),
        "words": b"come back tomorrow",
        "cut": GOOD[:-100],
    }[kind]
    # Without a length nothing but the file itself tells that it is cut.
    server.answers["/tiny.pth"] = body(given, None)
    with pytest.raises(DownloadError) as caught:
        get_style("tiny")
    assert str(caught.value).startswith(f"what {server.base}/tiny.pth gives is no style: ")
    assert str(home) not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files(home) == {"index.toml"}
    assert read_pins(home) == {}
    server.answers["/tiny.pth"] = body(GOOD)
    assert get_style("tiny").trusted_now


def test_an_interruption_leaves_nothing_that_counts(home: Path, server: Server) -> None:
    def interrupted(event: Event) -> None:
        if isinstance(event, Received):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get_style("tiny", (), interrupted)
    assert files(home) == {"index.toml"}
    assert get_style("tiny").fresh


def test_what_a_kill_left_half_done_is_begun_again(home: Path) -> None:
    (home / ".imgcycle" / "tiny.part").mkdir(parents=True)
    (home / ".imgcycle" / "tiny.part" / "tiny.pth").write_bytes(GOOD[:100])
    (home / ".imgcycle" / "tiny.lock").touch()
    with pytest.raises(StyleNotHere):
        find_style("tiny")
    assert get_style("tiny").sha256 == hashlib.sha256(GOOD).hexdigest()
    assert not (home / ".imgcycle" / "tiny.part").exists()


def test_weights_no_index_names_do_not_count_and_do_not_hinder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fetch, "add_entry", killed)
        with pytest.raises(KeyboardInterrupt):
            get_style("tiny")
    assert (home / "tiny.safetensors").exists()
    with pytest.raises(StyleNotHere):
        find_style("tiny")
    get_style("tiny")
    assert find_style("tiny").path == home / "tiny.safetensors"


def test_a_disk_that_fills_up_is_one_line_and_nothing_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(DownloadError, match=r"home cannot be written: the disk is full \(make room\)"):
            get_style("tiny")
    assert files(home) == {"index.toml"}
    assert get_style("tiny").trusted_now


def test_a_file_of_the_users_own_is_never_replaced(home: Path, server: Server, tmp_path: Path) -> None:
    mine = save_style(home / "tiny.safetensors")
    before = mine.read_bytes()
    with pytest.raises(UsageError, match="in the way"):
        get_style("tiny")
    mine.unlink()
    add_style(str(save_style(tmp_path / "x.safetensors")), "tiny")
    assert not get_style("tiny").fresh
    mine.write_bytes(before + b"x")
    with pytest.raises(UsageError, match="of your own"):
        get_style("tiny")
    assert mine.read_bytes() == before + b"x"
    assert server.asked == []
    remove_style("tiny")
    get_style("tiny")
    remove_style("tiny")
    add_style(str(tmp_path / "x.safetensors"), "tiny")
    save_style(mine, seed=7)  # under a name that was fetched once
    before = mine.read_bytes()
    with pytest.raises(UsageError, match="of your own"):
        get_style("tiny")
    assert mine.read_bytes() == before


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_damaged_weights_are_fetched_again(home: Path, damage: str) -> None:
    kept = get_style("tiny").path
    before = kept.read_bytes()
    kept.unlink() if damage == "gone" else kept.write_bytes(before[:-1])
    assert get_style("tiny").fresh
    assert kept.read_bytes() == before
    assert list(read_index(home)) == ["tiny"]


def test_mirrors_come_first_and_the_published_addresses_after(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_index(home, f"https://127.0.0.1:{server.server.server_port}/p", f"{server.base}/p")
    server.answers = {"/p/tiny.pth": body(GOOD), "/a/tiny.pth": status(500)}
    monkeypatch.setenv(MIRROR, f" {server.base}/b/  {server.base}/c")
    events: list[Event] = []
    kept = get_style("tiny", [f"{server.base}/a"], events.append, TIGHT)
    asked = [event.url for event in events if isinstance(event, Asking)]
    https = f"https://127.0.0.1:{server.server.server_port}/p/tiny.pth"
    assert asked == [
        *(f"{server.base}/{place}/tiny.pth" for place in ("a", "b", "c")), https, f"{server.base}/p/tiny.pth",
    ]  # fmt: skip
    assert [event.url for event in events if isinstance(event, Refused)] == asked[:-1]
    assert kept.url == asked[-1]


def test_a_mirror_with_another_file_is_not_passed_over_in_silence(home: Path, server: Server) -> None:
    get_style("tiny")
    remove_style("tiny")
    server.answers["/m/tiny.pth"] = body(OTHER)
    with pytest.raises(DownloadError, match=r"/m/tiny\.pth is not the file it should be"):
        get_style("tiny", [f"{server.base}/m"])


@pytest.mark.parametrize("mirror", ["ftp://a/", "/srv/mirror", "https://me:secret@a/"])
def test_a_mirror_is_an_address(home: Path, server: Server, mirror: str) -> None:
    with pytest.raises(UsageError):
        get_style("tiny", [mirror])
    assert server.asked == []


def test_offline_it_says_what_to_fetch_and_where_to_put_it(home: Path, server: Server) -> None:
    server.answers.clear()
    with pytest.raises(DownloadError) as caught:
        get_style("tiny")
    laid = home / "tiny.pth"
    assert caught.value.hint == (
        f"offline? fetch {server.base}/tiny.pth elsewhere, put it at {laid}, then: imgcycle models get tiny"
    )
    laid.write_bytes(GOOD)
    server.asked.clear()
    kept = get_style("tiny")
    assert (kept.sha256, kept.url) == (hashlib.sha256(GOOD).hexdigest(), str(laid))
    assert server.asked == []
    assert laid.exists()  # whoever put it there takes it away
    remove_style("tiny")
    laid.write_bytes(OTHER)
    with pytest.raises(DownloadError, match="fetched first"):
        get_style("tiny")


def test_two_at_once_fetch_once(home: Path, server: Server) -> None:
    """The second hears that it waits, and only then does the server answer the first."""
    waiting, begun = threading.Event(), threading.Event()

    def slow(handler: object) -> None:
        begun.set()
        assert waiting.wait(300)
        body(GOOD)(handler)  # type: ignore[arg-type]

    server.answers["/tiny.pth"] = slow
    kept: list[Kept] = []
    first = threading.Thread(target=lambda: kept.append(get_style("tiny")))
    first.start()
    assert begun.wait(300)

    def listen(event: Event) -> None:
        if isinstance(event, Waiting):
            waiting.set()

    second = get_style("tiny", (), listen)
    first.join()
    assert (kept[0].fresh, second.fresh) == (True, False)
    assert server.asked == ["/tiny.pth"]


def test_only_published_names_can_be_had(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UnknownStyle, match=r"known: tiny\*"):
        get_style("tinny")
    save_style(tmp_path / "mine.safetensors")
    with pytest.raises(UnknownStyle, match="no style that is published"):
        get_style(str(tmp_path / "mine.safetensors"))
    add_style(str(tmp_path / "mine.safetensors"), "mine")
    assert not get_style("mine").fresh
    (home / "mine.safetensors").unlink()
    with pytest.raises(UnknownStyle, match="published nowhere"):
        get_style("mine")
