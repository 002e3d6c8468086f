"""One HTML page that needs nothing else: no network, no other file.

`selections` makes the boards of every combination of filters, `figures` turns curves into few digits, `tables` is what
the page says without a filter, `poses` are motions to be shown, `render` writes the page. The page's script only shows
what is in it: it computes nothing.
"""

from rmobench.report.page.poses import Clip, read_clips
from rmobench.report.page.render import Material, render
from rmobench.report.page.selections import ALL, Selection, board_of, selections

__all__ = ["ALL", "Clip", "Material", "Selection", "board_of", "read_clips", "render", "selections"]
