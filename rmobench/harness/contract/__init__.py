"""What every optimizer and every task keeps to, as checks that anybody can run on theirs.

`optimizer_checks` and `task_checks` are the contract, `watchful` an oracle that looks closely, `fitting` finds who goes
with whom, `examine` runs checks and turns what they raise into findings with advice. The tests of the registry run the
same checks.
"""

from rmobench.harness.contract.check import Check, Finding, examine
from rmobench.harness.contract.fitting import Pair, optimizer_for, pairs_of, task_for
from rmobench.harness.contract.optimizer_checks import OPTIMIZER_CHECKS
from rmobench.harness.contract.task_checks import TASK_CHECKS

__all__ = [
    "OPTIMIZER_CHECKS",
    "TASK_CHECKS",
    "Check",
    "Finding",
    "Pair",
    "examine",
    "optimizer_for",
    "pairs_of",
    "task_for",
]
