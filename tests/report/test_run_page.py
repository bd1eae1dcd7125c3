"""The page of a run: all of it is there, names are words and nothing else, nothing is fetched."""

from __future__ import annotations

import dataclasses
import re

import pytest

from imgcycle.report.run_page import run_page
from tests.report.pages import ODD
from tests.report.runs import run_view
from tests.report.test_gallery import Page


@pytest.mark.parametrize("name", ODD)
def test_names_are_words_and_nothing_else(name: str) -> None:
    text = run_page(run_view(name=name))
    page = Page(re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL))
    assert len(page.all("script")) == 1
    assert not [attrs for _, attrs in page.elements if any(key.startswith("on") for key in attrs)]
    assert page.words["h1"] == [name]
    assert page.words["title"] == [f"{name} · step 1,000 of 4,000"]
    assert f"imgcycle train -o '{name}' --resume" in page.words["code"]
    assert [words for words in page.words["td"] if words == name] == [name, name]
    links = [value for _, attrs in page.elements for key, value in attrs.items() if key in ("src", "href", "srcset")]
    assert all(link.startswith("data:") for link in links)
    assert "default-src 'none'" in page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]


def test_every_picture_is_there_once_and_the_newest_is_seen_without_a_script() -> None:
    page = Page(re.sub(r"<svg.*?</svg>", "", run_page(run_view()), flags=re.DOTALL))
    after = page.all("img", class_="after")
    marks = [(image["data-kind"], image.get("data-moment"), "hidden" not in image) for image in after]
    assert marks == [
        ("0", "0", False), ("0", "1", False), ("0", "2", True), ("1", "0", False), ("1", "1", False), ("1", "2", False),
        ("0", "1", False), ("0", "2", True), ("1", None, False),
    ]  # fmt: skip
    assert [image["alt"] for image in after][-3:] == [
        "late, translated at step 500", "late, translated at step 1,000", "late, wanted",
    ]  # fmt: skip
    assert len(page.all("img", class_="before")) == 2
    assert page.words["legend"] == ["Shown", "Shown"]


def test_a_run_that_has_nothing_yet_says_so() -> None:
    bare = dataclasses.replace(
        run_view("running"), moments=(), pictures=(), curves=(), findings=(), settings=(), commands=()
    )
    text = run_page(bare)
    assert "The first samples are yet to come." in text
    assert "Nothing looks wrong so far." in text
    assert "Curves" not in text
    assert 'id="follow"' in text
    assert 'id="follow"' not in run_page(run_view("finished"))
