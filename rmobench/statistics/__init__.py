"""Records -> judgements. Reads tables of records (one row each) and never imports torch.

`hits` says what a trial costs; `intervals`, `ert`, `ecdf`, `profiles` and `significance` are the statistics;
`scores`, `standings`, `facts` and `leaderboard` join them; `compare` says what got worse from one store to another;
`failures`, `trajectory` and `breaking` say how a trial fares at a low precision, and `robustness` joins them; `choice`
says which records count, `bands` and `courses` are the curves of figures, `pathologies` what makes a task ill, `search`
what tuning is worth.
"""

from rmobench.statistics.bands import Band, ecdf_bands, profile_bands
from rmobench.statistics.board import Ending, Leaderboard, Row
from rmobench.statistics.breaking import Breaking, breaking
from rmobench.statistics.choice import RULESETS, chosen, newest, of_cells, rulesets
from rmobench.statistics.compare import Change, Verdict, compare, unpaired
from rmobench.statistics.courses import Course, courses
from rmobench.statistics.ecdf import Curve, curves
from rmobench.statistics.facts import Place, places
from rmobench.statistics.failures import Failure
from rmobench.statistics.labels import named
from rmobench.statistics.leaderboard import leaderboard
from rmobench.statistics.pathologies import PATHOLOGIES, Ill, pathologies
from rmobench.statistics.robustness import PrecisionBoard, Robustness, robustness
from rmobench.statistics.scores import scores
from rmobench.statistics.search import Search, searches
from rmobench.statistics.winners import Winners, winners

__all__ = [
    "PATHOLOGIES",
    "RULESETS",
    "Band",
    "Breaking",
    "Change",
    "Course",
    "Curve",
    "Ending",
    "Failure",
    "Ill",
    "Leaderboard",
    "Place",
    "PrecisionBoard",
    "Robustness",
    "Row",
    "Search",
    "Verdict",
    "Winners",
    "breaking",
    "chosen",
    "compare",
    "courses",
    "curves",
    "ecdf_bands",
    "leaderboard",
    "named",
    "newest",
    "of_cells",
    "pathologies",
    "places",
    "profile_bands",
    "robustness",
    "rulesets",
    "scores",
    "searches",
    "unpaired",
    "winners",
]
