"""Pages in a headless Chromium; everything here is skipped, with the reason, where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import chromium

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a browser where there is none."""
    reason = chromium.why_not()
    for item in items:
        if reason and HERE in item.path.parents and "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=reason))
