"""The command line: arguments -> calls. The only room that imports every other; each command imports what it needs.

A file holds a command, or the commands about one thing, or what several commands share; this one puts the commands in
the order of `rmobench --help`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from rmobench.cli.check import check_
from rmobench.cli.claims import claims_
from rmobench.cli.data import data_app
from rmobench.cli.doctor import doctor
from rmobench.cli.leaderboard import leaderboard_
from rmobench.cli.listing import list_
from rmobench.cli.metatrain import metatrain
from rmobench.cli.precision import precision_
from rmobench.cli.report import report_
from rmobench.cli.run import run
from rmobench.cli.stores import compare, merge_, publish_
from rmobench.cli.tune import tune
from rmobench.errors import InputError

app = typer.Typer(
    help="Who reaches the target first: optimizers on problems with geometry.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
)
app.command("list")(list_)
app.command("run")(run)
app.command("leaderboard")(leaderboard_)
app.command("compare")(compare)
app.command("precision")(precision_)
app.command("claims")(claims_)
app.command("tune")(tune)
app.command("metatrain")(metatrain)
app.command("report")(report_)
app.command("check")(check_)
app.command("publish")(publish_)
app.command("merge")(merge_)
app.command("doctor")(doctor)
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the program: user errors print without traceback and exit with 2."""
    sys.path.append(str(Path.cwd()))  # a user's own module, named in a selector
    try:
        app()
    except InputError as error:
        typer.secho(f"rmobench: {error}", err=True, fg="red")
        sys.exit(2)
