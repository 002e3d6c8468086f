"""What a page of the report holds."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any


def data_of(page: str) -> Any:
    """Return the data inside the HTML, as the page's script unpacks them."""
    packed = re.search(r'<script type="application/gzip" id="data">(.*?)</script>', page, re.DOTALL)
    assert packed is not None
    return json.loads(gzip.decompress(base64.b64decode(packed[1])))
