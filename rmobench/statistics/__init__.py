"""Records -> judgements. Reads tables of records (one row each) and never imports torch.

`hits` says what a trial costs; `intervals`, `ert`, `ecdf`, `profiles` and `significance` are the statistics;
`scores`, `standings`, `facts` and `leaderboard` join them; `compare` says what got worse from one store to another.
"""

from rmobench.statistics.board import Ending, Leaderboard, Row
from rmobench.statistics.compare import Change, Verdict, compare, unpaired
from rmobench.statistics.ecdf import Curve, curves
from rmobench.statistics.labels import named
from rmobench.statistics.leaderboard import leaderboard
from rmobench.statistics.scores import scores
from rmobench.statistics.winners import Winners, winners

__all__ = [
    "Change",
    "Curve",
    "Ending",
    "Leaderboard",
    "Row",
    "Verdict",
    "Winners",
    "compare",
    "curves",
    "leaderboard",
    "named",
    "scores",
    "unpaired",
    "winners",
]
