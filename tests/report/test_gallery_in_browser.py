"""The page as a person meets it: in a real browser, by keyboard, mouse and touch, at a desk and on a phone."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.interaction import POINTER_TOUCH
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from imgcycle.cli.app import run
from tests.media.pictures import encoded, scene
from tests.report.browsing import asked, logged, press
from tests.report.pages import ODD
from tests.styles import settle

NAMES = [*ODD, "line\nbreak.png"]
SHOWN = [*ODD, "line\\nbreak.png"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures under bad names in two styles, and one that is none, as `convert` puts them on a page."""
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "photos").mkdir()
    for n, name in enumerate(NAMES):
        (folder / "photos" / name).write_bytes(encoded(scene(200, 300, n), "PNG"))
    (folder / "photos" / "bad.png").write_bytes(b"bad")
    with pytest.MonkeyPatch.context() as patch:
        settle(patch, folder / "home", "one", "two")
        made = folder / 'a "page" #1?.html'
        assert run(["convert", str(folder / "photos"), "--to", "all", "-q", "--gallery", str(made)]) == 1
    return made


def sliders(browser: webdriver.Chrome) -> list[WebElement]:
    return browser.find_elements(By.CSS_SELECTOR, "input[type=range]")


def value(browser: webdriver.Chrome, number: int = 0) -> float:
    return float(str(sliders(browser)[number].get_property("value")))


def divider(browser: webdriver.Chrome, number: int = 0) -> float:
    """Where it is drawn, in per cent of its picture's width."""
    found = asked(
        browser,
        "const box = (name) => document.querySelectorAll(name)[arguments[0]].getBoundingClientRect();"
        "const [view, line] = [box('.view'), box('.divider')];"
        "return 100 * (line.left + line.width / 2 - view.left) / view.width",
        number,
    )
    return float(found)


def focused(browser: webdriver.Chrome) -> int:
    """Which slider has the focus; -1 when none has."""
    active = browser.switch_to.active_element
    return next((n for n, slider in enumerate(sliders(browser)) if slider == active), -1)


def looks(browser: webdriver.Chrome) -> Any:
    """The first picture's upper third as it is drawn, above the divider's handle and the tags; (h, w, 3)."""
    view = browser.find_element(By.CSS_SELECTOR, ".view")
    pixels = np.asarray(Image.open(io.BytesIO(view.screenshot_as_png)).convert("RGB"), np.int16)
    return pixels[: len(pixels) // 3]


def phone(browser: webdriver.Chrome, dark: bool = False) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def test_it_asks_nobody_and_every_picture_decodes(browser: webdriver.Chrome, page: Path) -> None:
    entries = [json.loads(entry["message"])["message"] for entry in logged(browser, "performance")]
    urls = {e["params"]["request"]["url"] for e in entries if e["method"] == "Network.requestWillBeSent"}
    assert page.as_uri() in urls
    assert [url for url in urls if not url.startswith(("data:", "chrome:", page.as_uri()))] == []
    sizes = asked(browser, "return [...document.images].map((i) => [i.complete, i.naturalWidth, i.naturalHeight])")
    assert sizes == [[True, 300, 200]] * (3 * len(NAMES))
    assert logged(browser, "browser") == []


def test_names_stand_there_as_they_are(browser: webdriver.Chrome) -> None:
    captions = [caption.text for caption in browser.find_elements(By.CSS_SELECTOR, "figcaption > span")]
    assert sorted(captions) == sorted(SHOWN)
    assert browser.title == "photos · one, two"
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 1
    missing = [item.text.partition(": ")[0] for item in browser.find_elements(By.CSS_SELECTOR, ".missing li")]
    assert missing == ["bad.png (one)", "bad.png (two)"]
    slider = sliders(browser)[0]
    assert slider.aria_role == "slider"
    assert slider.accessible_name == f"{captions[0]}: divider between before and after"
    assert slider.get_attribute("aria-valuetext") == "50 % before, 50 % after"


def test_by_keyboard(browser: webdriver.Chrome) -> None:
    press(browser, Keys.TAB)
    assert focused(browser) == 0
    assert browser.find_element(By.CSS_SELECTOR, ".view").value_of_css_property("outline-style") == "solid"
    for keys, wanted in (([Keys.ARROW_RIGHT] * 3, 56), ([Keys.ARROW_LEFT], 54), ([Keys.END], 100), ([Keys.HOME], 0)):
        press(browser, *keys)
        assert value(browser) == wanted
        assert divider(browser) == pytest.approx(wanted, abs=0.2)
    ActionChains(browser, duration=0).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    assert value(browser) == 10
    assert sliders(browser)[0].get_attribute("aria-valuetext") == "10 % before, 90 % after"
    press(browser, "nn")
    assert focused(browser) == 2
    press(browser, "p")
    assert focused(browser) == 1
    assert value(browser, 1) == 50
    # From a slider Tab leads to the choice of its style, and from there to the next picture.
    press(browser, Keys.TAB, Keys.ARROW_RIGHT)
    figure = browser.find_elements(By.TAG_NAME, "figure")[1]
    assert [image.is_displayed() for image in figure.find_elements(By.CSS_SELECTOR, ".after")] == [False, True]
    assert figure.find_element(By.CSS_SELECTOR, ".tag.right").text == "two"
    press(browser, Keys.TAB)
    assert focused(browser) == 2


def test_by_mouse_and_what_is_seen_then(browser: webdriver.Chrome) -> None:
    view = browser.find_element(By.CSS_SELECTOR, ".view")
    width = view.rect["width"]
    chain = ActionChains(browser, duration=0).move_to_element(view).click_and_hold()
    for share in (0.1, 0.2, 0.25):
        chain.move_to_element_with_offset(view, round(share * width), 20)
    chain.perform()
    assert value(browser) == pytest.approx(75, abs=0.2)
    # It is held beyond the picture as well, and let go for good.
    chain = ActionChains(browser, duration=0).move_to_element_with_offset(view, round(0.25 * width), -300).release()
    chain.move_to_element_with_offset(view, round(-0.4 * width), 0).perform()
    assert divider(browser) == pytest.approx(75, abs=0.2)
    assert focused(browser) == 0
    both = looks(browser)
    press(browser, Keys.END)
    before = looks(browser)
    press(browser, Keys.HOME)
    after = looks(browser)
    edge = round(0.75 * both.shape[1])
    clear = 12
    assert np.abs(both[:, clear : edge - clear] - before[:, clear : edge - clear]).max() == 0
    assert np.abs(both[:, edge + clear : -clear] - after[:, edge + clear : -clear]).max() == 0
    assert np.abs(before[:, clear:-clear] - after[:, clear:-clear]).mean() > 5


def test_by_touch(browser: webdriver.Chrome) -> None:
    phone(browser)
    inputs: Any = PointerInput
    finger = inputs(POINTER_TOUCH, "finger")
    view = browser.find_element(By.CSS_SELECTOR, ".view")
    drag: Any = ActionBuilder(browser, mouse=finger, duration=20)
    drag.pointer_action.move_to(view).pointer_down()
    for share in (-0.1, -0.2, -0.3):
        drag.pointer_action.move_to(view, round(share * 390), 0)
    drag.pointer_action.pointer_up()
    drag.perform()
    assert divider(browser) == pytest.approx(20, abs=1)
    tap: Any = ActionBuilder(browser, mouse=finger, duration=20)
    tap.pointer_action.move_to(view, 117, 10).pointer_down().pointer_up()
    tap.perform()
    assert divider(browser) == pytest.approx(80, abs=1)
    # A finger that goes upwards scrolls the page, and leaves the divider alone.
    top = asked(browser, "return arguments[0].getBoundingClientRect().top", view)
    points = [{"x": 60 + n % 3, "y": top + 200 - 10 * n} for n in range(25)]
    for kind, at in (("touchStart", points[:1]), *(("touchMove", [point]) for point in points[1:]), ("touchEnd", [])):
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
    WebDriverWait(browser, 5).until(lambda _: asked(browser, "return scrollY") > 150)
    assert divider(browser) == pytest.approx(80, abs=1)


def test_a_picture_is_as_large_as_the_window_lets_it_be_seen_whole(browser: webdriver.Chrome) -> None:
    figure, view = (browser.find_element(By.CSS_SELECTOR, name) for name in ("figure", ".view"))
    assert view.rect["width"] == pytest.approx(704, abs=1), "a small one is enlarged so far that it can be dragged on"
    for wide, size in ((1600, (1000, 700)), (1600, (700, 1400)), (300, (1400, 500))):
        asked(browser, "arguments[0].style.setProperty('--wide', arguments[1] + 'px')", figure, wide)
        screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        found = view.rect
        assert found["width"] == pytest.approx(1.5 * found["height"], abs=1.5)
        room = asked(browser, "return document.querySelector('main').clientWidth")
        assert room > 0.9 * size[0]
        limits = (room, 0.86 * size[1] * 1.5, max(wide, 704))
        assert found["width"] == pytest.approx(min(limits), abs=1.5)


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(browser: webdriver.Chrome, dark: bool) -> None:
    phone(browser, dark)
    assert asked(browser, "return document.documentElement.scrollWidth") == 390
    assert asked(browser, "return document.querySelector('.view').getBoundingClientRect().width") == 390
    channels = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert (int(channels.split("(")[1].split(",")[0]) < 40) == dark


def test_without_a_script_both_lie_side_by_side(browser: webdriver.Chrome, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(page.as_uri())
        before, one, two = (
            browser.find_element(By.CSS_SELECTOR, name).rect for name in (".before", ".after", ".after + .after")
        )
        assert before["y"] == one["y"] == two["y"]
        assert before["x"] < one["x"] < two["x"]
        assert before["width"] > 200
        assert not sliders(browser)[0].is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
