from __future__ import annotations

import base64
import hashlib
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgcycle.report.comparisons import Missing
from imgcycle.report.gallery import Gallery
from tests.report.pages import ODD, plain, report_page


class Page(HTMLParser):
    """Everything a browser would find in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in ("img", "input", "meta", "link"):
            self._open.append(tag)
            self.words.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.words[self._open[-1]][-1] += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        found = (attrs for name, attrs in self.elements if name == tag)
        return [attrs for attrs in found if all(attrs.get(key.rstrip("_")) == value for key, value in wanted.items())]


def written(
    titles: list[str], styles: tuple[str, ...] = ("monet",), missing: tuple[Missing, ...] = ()
) -> tuple[str, Page]:
    out = io.BytesIO()
    of = report_page(titles, styles)
    page = Gallery(out, of)
    for n, comparison in enumerate(of.comparisons):
        page.add(comparison, [plain(10 + n), *(plain(100 + n) for _ in styles)])
    page.finish(missing)
    text = out.getvalue().decode("utf-8")
    return text, Page(text)


def test_names_are_words_and_nothing_else() -> None:
    text, page = written(ODD, missing=tuple(Missing(name, f"because {name}") for name in ODD))
    assert len(page.all("script")) == 1
    assert len(page.all("img")) == 2 * len(ODD)
    assert not [attrs for _, attrs in page.elements if any(key.startswith("on") for key in attrs)]
    sliders = page.all("input", type="range")
    assert [s["aria-label"].partition(": divider")[0] for s in sliders] == ODD
    assert [image["alt"] for image in page.all("img", class_="before")] == [f"{name}, before" for name in ODD]
    assert page.words["li"] == [f"{name}: because {name}" for name in ODD]
    assert "CC0 & <free>" in page.words["p"][2]
    assert "alert(1)" not in re.sub(r"&lt;.*?alert\(1\)", "", text)


@given(st.text(max_size=30))
def test_any_name_leaves_the_page_whole(name: str) -> None:
    clean = name.replace("\r", " ").replace("\0", " ")
    text, page = written([clean], missing=(Missing(clean, clean),))
    assert [tag for tag, _ in page.elements] == [
        tag for tag, _ in written(["plain"], missing=(Missing("", ""),))[1].elements
    ]
    assert page.all("img", class_="before")[0]["alt"] == f"{clean}, before"
    assert text.endswith("</html>\n")


def test_it_holds_everything_and_may_fetch_nothing() -> None:
    text, page = written(["a.png", "b.png"], ("monet", "vangogh"))
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    digest = base64.b64encode(hashlib.sha256(page.words["script"][0].encode()).digest()).decode()
    assert policy["content"] == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    links = [value for _, attrs in page.elements for key, value in attrs.items() if key in ("src", "href", "srcset")]
    assert all(link.startswith("data:") for link in links)
    assert "url(" not in text
    assert "http:" not in text.replace("http-equiv", "")
    assert "https:" not in text
    images = page.all("img")
    assert len(images) == 6
    for image, value in zip(images, [100, 100, 10, 101, 101, 11], strict=True):
        data = base64.b64decode(image["src"].removeprefix("data:image/webp;base64,"))
        pixels = np.asarray(Image.open(io.BytesIO(data)))
        assert (str(pixels.shape[1]), str(pixels.shape[0])) == (image["width"], image["height"])
        assert np.abs(pixels.astype(int) - value).max() <= 2
        assert image["decoding"] == "async"
    assert ["hidden" in image for image in images] == [False, True, False] * 2


def test_several_styles_are_chosen_among_by_radios() -> None:
    _, page = written(["a.png", "b.png"], ("monet", "vangogh"))
    radios = page.all("input", type="radio")
    assert [r["name"] for r in radios] == ["style-1"] * 2 + ["style-2"] * 2
    assert ["checked" in r for r in radios] == [True, False] * 2
    assert page.words["label"] == ["monet", "vangogh"] * 2
    assert not written(["a.png"])[1].all("input", type="radio")


@pytest.mark.parametrize("missing", [(), (Missing("bad.png", "not an image"),)])
def test_whose_style_it_is_and_what_is_missing_stand_below(missing: tuple[Missing, ...]) -> None:
    _, page = written(["a.png"], missing=missing)
    said = "photograph → painting; work size 384, detail 0.4; learnt from paintings; CC0 & <free>; weights abababababab"
    assert f"monet: {said}" in page.words["p"]
    assert page.words.get("li", []) == [f"{one.title}: {one.reason}" for one in missing]
