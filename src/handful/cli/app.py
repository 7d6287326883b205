"""The command line: `handful COMMAND`. Each command is a file; nothing heavy is imported before it runs."""

from __future__ import annotations

import io
import json
import sys
from typing import Annotated

import typer

from handful.cli import (
    apply,
    compare,
    dataset,
    defects,
    export,
    gate,
    generators,
    inspect,
    inspectors,
    photos,
    plan,
    relight,
    report,
    review,
    sample,
    score,
    scores,
    station,
    train,
    weights,
    withdraw,
)
from handful.core.errors import UserError, nearest_name

# The parser's own class, wherever this version of typer keeps it.
_USAGE_ERROR: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "UsageError")

app = typer.Typer(
    name="handful",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Many images from a handful of inspection photos, and an honest word on how good they are.",
    epilog="The stages, in flow order: photos, dataset, train, sample, score, report. `compare` runs them all.",
)

for name, module in {
    "compare": compare,
    "photos": photos,
    "plan": plan,
    "dataset": dataset,
    "train": train,
    "sample": sample,
    "apply": apply,
    "defects": defects,
    "score": score,
    "gate": gate,
    "report": report,
    "generators": generators,
    "scores": scores,
    "inspectors": inspectors,
    "inspect": inspect,
    "review": review,
    "weights": weights,
    "station": station,
    "relight": relight,
    "withdraw": withdraw,
    "export": export,
}.items():
    app.command(name, epilog=f"Example: {module.EXAMPLE}")(module.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        print(metadata.version("handful"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Holds the options of `handful` itself."""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command. Exit status: 0 done, 1 a bug (with its traceback), 2 a user's error, 130 interrupted."""
    words = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):  # photo names may hold what a terminal or a redirect cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(app(words, prog_name="handful", standalone_mode=False) or 0)
    except UserError as error:
        return _fail(error, words)
    except _USAGE_ERROR as error:
        return _fail(_explain_usage(error), words)
    except (KeyboardInterrupt, typer.Abort):
        print("Interrupted. What is finished is kept; the same command goes on from there.", file=sys.stderr)
        return 130


def _fail(error: UserError, words: list[str]) -> int:
    print(error, file=sys.stderr)
    if "--json" in words:
        print(json.dumps({"error": {"what": error.what, "allowed": error.allowed, "do": error.do}}))
    return 2


def _explain_usage(error: Exception) -> UserError:
    """The parser's complaint as a three-line error."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "handful"
    if (wrong_value := _explain_value(error, path)) is not None:
        return wrong_value
    known = [option for item in getattr(getattr(context, "command", None), "params", []) for option in item.opts]
    known += list(getattr(getattr(context, "command", None), "commands", {}))
    message = getattr(error, "message", "") or str(error)
    wrong = getattr(error, "option_name", None) or (message.split("'")[1] if "No such command" in message else None)
    near = nearest_name(wrong, known) if wrong else None
    return UserError(
        f"{path}: {message.rstrip('.')}.",
        f"Allowed here: {', '.join(known)}." if known else "The command's own --help lists what is allowed.",
        f"Did you mean '{near}'?" if near else f"Run `{path} --help`.",
    )


def _explain_value(error: Exception, path: str) -> UserError | None:
    """The error for a value that its option does not take; None where the complaint is about something else."""
    from pydantic import ValidationError

    from handful.core.config import allowed_value

    parameter = getattr(error, "param", None)
    if parameter is None or not isinstance(error.__cause__, ValidationError):
        return None
    name = max(parameter.opts, key=len)
    failure = error.__cause__.errors()[0]
    return UserError(
        f"{path}: {name if name.startswith('-') else name.upper()} is {failure['input']!r}.",
        allowed_value(failure),
        f"Correct it; `{path} --help` explains it.",
    )


if __name__ == "__main__":
    sys.exit(main())
