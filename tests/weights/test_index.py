"""What the index says of styles that others publish."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgcycle.errors import WeightsError
from imgcycle.weights.index import Pin, RemoteEntry, read_index, read_pins, sound_remote

PRETRAINED = Path(__file__).parents[2] / "pretrained"
PUBLISHED = [
    *("apple2orange", "orange2apple", "summer2winter_yosemite", "winter2summer_yosemite", "horse2zebra"),
    *("zebra2horse", "monet2photo", "style_monet", "style_cezanne", "style_ukiyoe", "style_vangogh", "sat2map"),
    *("map2sat", "cityscapes_photo2label", "cityscapes_label2photo", "facades_photo2label", "facades_label2photo"),
    "iphone2dslr_flower",
]
SOURCE = """schema = 1
[source.s]
bases = ["https://a.example/x", "http://a.example/x/"]
licence = "CC0-1.0"
method = "dice"
"""


def read_remote(folder: Path) -> dict[str, RemoteEntry]:
    found = sound_remote(folder)
    if found.damage:
        raise found.damage[0]
    return dict(found.entries)


def test_the_published_generators_are_known_by_their_names() -> None:
    remote = read_remote(PRETRAINED)
    assert sorted(remote) == sorted(PUBLISHED)
    for name, entry in remote.items():
        address = f"efrosgans.eecs.berkeley.edu/cyclegan/pretrained_models/{name}.pth"
        assert entry.urls == (f"https://{address}", f"http://{address}")
        assert entry.sha256 == ""  # nobody published one
        assert "→" in entry.direction
        assert "BSD" in entry.licence
        assert entry.data
        assert entry.method
        assert entry.work_size is not None
        assert entry.detail is not None
        assert 0 <= entry.detail <= 1
        if entry.inverse:
            assert remote[entry.inverse].inverse == name
    assert not remote.keys() & read_index(PRETRAINED).keys()


def test_a_remote_style_has_its_sources_addresses(tmp_path: Path) -> None:
    text = SOURCE + '[remote.zebra]\nsource = "s"\nfile = "z.pth"\ndata = "noise"\n[pin.zebra]\nsha256 = "ab"\n'
    (tmp_path / "index.toml").write_text(text)
    bases = ("https://a.example/x", "http://a.example/x/")
    entry = RemoteEntry("zebra", "z.pth", bases, "CC0-1.0", "noise", method="dice")
    assert read_remote(tmp_path) == {"zebra": entry}
    assert entry.urls == ("https://a.example/x/z.pth", "http://a.example/x/z.pth")
    assert read_pins(tmp_path) == {"zebra": Pin("ab")}
    assert read_index(tmp_path) == {}


@pytest.mark.parametrize(
    "text",
    [
        '[remote.z]\nsource = "t"\nfile = "z"\ndata = ""',
        '[remote.z]\nsource = "s"\ndata = ""',
        '[remote.z]\nsource = "s"\nfile = "../z"\ndata = ""',
        '[remote.".."]\nsource = "s"\nfile = "z"\ndata = ""',
        '[remote."a/b"]\nsource = "s"\nfile = "z"\ndata = ""',
        '[remote.z]\nsource = "s"\nfile = "z"\ndata = ""\nlicence = "x"',
        '[source.e]\nbases = []\nlicence = ""\n[remote.z]\nsource = "e"\nfile = "z"\ndata = ""',
        '[source.e]\nbases = [1]\nlicence = ""\n[remote.z]\nsource = "e"\nfile = "z"\ndata = ""',
        "[pin]\nz = 1",
        "[pin.z]\nsha256 = 1",
        "[[remote]]\na = 1",
    ],
)
def test_a_damaged_index_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.toml").write_text(f"{SOURCE}{text}\n")
    with pytest.raises(WeightsError, match=r"index\.toml"):
        read_remote(tmp_path), read_pins(tmp_path)
