"""Asking a browser what it did, and typing into it."""

from __future__ import annotations

from typing import Any

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains


def asked(browser: webdriver.Chrome, script: str, *arguments: Any) -> Any:
    driver: Any = browser
    return driver.execute_script(script, *arguments)


def logged(browser: webdriver.Chrome, name: str) -> list[dict[str, Any]]:
    driver: Any = browser
    return list(driver.get_log(name))


def press(browser: webdriver.Chrome, *keys: str) -> None:
    ActionChains(browser, duration=0).send_keys(*keys).perform()
