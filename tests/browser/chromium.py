"""A headless Chromium that is installed, for pages that are files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
    "--hide-scrollbars",
)


def why_not() -> str | None:
    """Why there is no browser to test with, or None."""
    try:
        import selenium  # noqa: F401  # asked whether it is there
    except ImportError:
        return "needs the package selenium: pip install 'rmobench[browser]'"
    if not any(map(shutil.which, CHROMIUM)):
        return f"needs a browser: none of {', '.join(CHROMIUM)} is installed (apt-get install chromium chromium-driver)"
    return None if shutil.which("chromedriver") else "needs chromedriver (apt-get install chromium-driver)"


@contextmanager
def browser(profile: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator:
    """Start one with its own profile, and end it."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = next(path for path in map(shutil.which, CHROMIUM) if path)
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        yield driver
    finally:
        driver.quit()


def requested(driver) -> list[str]:
    """Every address that the page asked for since this was asked last."""
    events = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


def complaints(driver) -> list[str]:
    """What the console has said since this was asked last."""
    return [f"{entry['level']}: {entry['message']}" for entry in driver.get_log("browser")]
