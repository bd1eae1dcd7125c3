"""The page of a run as a person meets it: time by slider, keyboard and play, in both colour schemes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from imgcycle.report.run_page import run_page
from tests.report.browsing import asked, logged, press
from tests.report.runs import run_view


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "index.html"
    path.write_text(run_page(run_view("running")), "utf-8")
    return path


def shown(browser: webdriver.Chrome) -> list[int]:
    """The level of what is seen at the right of each picture, where its result is."""
    found = []
    for view in browser.find_elements(By.CSS_SELECTOR, ".view"):
        # Not below what stays on top as the page goes by.
        asked(browser, "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", view)
        pixels = np.asarray(Image.open(io.BytesIO(view.screenshot_as_png)).convert("L"))
        found.append(round(float(np.median(pixels[5:25, -25:-5])) / 5) * 5)
    return found


def test_it_asks_nobody_and_says_no_error(browser: webdriver.Chrome, page: Path) -> None:
    entries = [json.loads(entry["message"])["message"] for entry in logged(browser, "performance")]
    # A browser that has just begun looks at pages of its own.
    urls = {e["params"]["request"]["url"] for e in entries if e["method"] == "Network.requestWillBeSent"}
    assert [url for url in urls if not url.startswith(("data:", "chrome:", page.as_uri()))] == []
    assert logged(browser, "browser") == []
    sizes = "return [...document.images].map((image) => image.complete && image.naturalWidth)"
    WebDriverWait(browser, 20).until(lambda _: set(asked(browser, sizes)) == {60})


def test_time_by_slider_and_by_keys(browser: webdriver.Chrome) -> None:
    assert shown(browser) == [200, 205]
    slider = browser.find_element(By.ID, "time")
    assert slider.get_attribute("aria-valuetext") == "step 1,000"
    slider.send_keys(Keys.ARROW_LEFT)
    assert shown(browser) == [150, 155]
    assert browser.find_element(By.CSS_SELECTOR, ".time output").text == "500"
    assert browser.find_element(By.CSS_SELECTOR, ".chart output").text == "3 at 500"
    assert browser.find_element(By.CSS_SELECTOR, ".dot").is_displayed()
    slider.send_keys(Keys.HOME)
    assert shown(browser)[0] == 100
    # From anywhere on the page.
    browser.find_element(By.CSS_SELECTOR, ".view input").send_keys(".")
    assert shown(browser) == [150, 155]
    press(browser, ".")
    press(browser, ".")
    assert shown(browser) == [200, 205]
    assert browser.find_element(By.CSS_SELECTOR, ".chart output").text == "2"
    assert not browser.find_element(By.CSS_SELECTOR, ".dot").is_displayed()
    press(browser, ",")
    assert slider.get_attribute("aria-valuetext") == "step 500"


def test_what_is_shown_is_chosen_and_stays_chosen_along_time(browser: webdriver.Chrome) -> None:
    labels = browser.find_elements(By.CSS_SELECTOR, ".kinds label")
    assert [label.text for label in labels] == ["Translated", "Brought back", "Translated", "Wanted"]
    labels[1].click()
    labels[3].click()
    assert shown(browser) == [210, 30]
    assert browser.find_element(By.CSS_SELECTOR, ".tag.right").text == "Brought back"
    press(browser, ",")
    assert shown(browser) == [160, 30]


def test_play_goes_from_the_first_to_the_last_and_can_be_stopped(browser: webdriver.Chrome) -> None:
    button = browser.find_element(By.ID, "play")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert browser.find_element(By.CSS_SELECTOR, ".time output").text == "0"
    WebDriverWait(browser, 20).until(lambda _: button.get_attribute("aria-pressed") == "false")
    assert browser.find_element(By.CSS_SELECTOR, ".time output").text == "1,000"
    assert button.text == "Play"
    button.send_keys(Keys.ENTER)
    button.send_keys(Keys.SPACE)
    assert button.get_attribute("aria-pressed") == "false"


def test_a_divider_compares_with_the_source(browser: webdriver.Chrome) -> None:
    browser.find_element(By.CSS_SELECTOR, ".view input").send_keys(Keys.END)
    assert shown(browser)[0] == 10


def test_pointing_at_a_chart_tells_its_values(browser: webdriver.Chrome) -> None:
    drawn = browser.find_element(By.CSS_SELECTOR, ".chart svg")
    asked(browser, "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", drawn)
    ActionChains(browser, duration=0).move_to_element(drawn).perform()
    assert browser.find_element(By.CSS_SELECTOR, ".chart output").text == "3 at 500"
    ActionChains(browser, duration=0).move_to_element(browser.find_element(By.TAG_NAME, "h2")).perform()
    assert browser.find_element(By.CSS_SELECTOR, ".chart output").text == "2"


def test_read_again_it_looks_as_it_did(browser: webdriver.Chrome) -> None:
    browser.find_elements(By.CSS_SELECTOR, ".kinds label")[1].click()
    browser.find_element(By.CSS_SELECTOR, ".view input").send_keys(Keys.HOME)
    press(browser, ",")
    browser.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    asked(browser, "remember(); window.before = true; location.reload()")
    anew = "return !window.before && document.readyState === 'complete'"
    WebDriverWait(browser, 20).until(lambda _: asked(browser, anew))
    assert browser.find_elements(By.CSS_SELECTOR, "details[open]")
    assert shown(browser)[0] == 160
    assert str(browser.find_element(By.CSS_SELECTOR, ".view input").get_property("value")) == "0"
    assert browser.find_element(By.CSS_SELECTOR, ".time output").text == "500"


@pytest.mark.parametrize(("scheme", "least", "most"), [("light", 230, 255), ("dark", 0, 40)])
def test_light_and_dark_and_narrow(browser: webdriver.Chrome, scheme: str, least: int, most: int) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    pixels = np.asarray(Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("L"))
    assert least <= np.median(pixels) <= most
    assert asked(browser, "return document.documentElement.scrollWidth") <= 390
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
