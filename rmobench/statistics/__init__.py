"""Records -> judgements. Reads tables of records (one row each) and never imports torch.

`hits` says what a trial costs; `intervals`, `ert`, `ecdf`, `profiles` and `significance` are the statistics;
`scores`, `standings`, `facts` and `leaderboard` join them; `compare` says what got worse from one store to another;
`failures`, `trajectory` and `breaking` say how a trial fares at a low precision, and `robustness` joins them.
"""

from rmobench.statistics.board import Ending, Leaderboard, Row
from rmobench.statistics.breaking import Breaking, breaking
from rmobench.statistics.compare import Change, Verdict, compare, unpaired
from rmobench.statistics.ecdf import Curve, curves
from rmobench.statistics.failures import Failure
from rmobench.statistics.labels import named
from rmobench.statistics.leaderboard import leaderboard
from rmobench.statistics.robustness import PrecisionBoard, Robustness, robustness
from rmobench.statistics.scores import scores
from rmobench.statistics.winners import Winners, winners

__all__ = [
    "Breaking",
    "Change",
    "Curve",
    "Ending",
    "Failure",
    "Leaderboard",
    "PrecisionBoard",
    "Robustness",
    "Row",
    "Verdict",
    "Winners",
    "breaking",
    "compare",
    "curves",
    "leaderboard",
    "named",
    "robustness",
    "scores",
    "unpaired",
    "winners",
]
