"""The command line: `python -m operations COMMAND --stack STACK`.

Owns options, output and exit status: 0 good, 1 needs attention, 2 could not run.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from operations import options
from operations.adopt import adopt
from operations.agent_forms import Form
from operations.agent_settings import agent_settings
from operations.comment import comment
from operations.deliver import deliver
from operations.difference import difference
from operations.errors import OperationError
from operations.expiry import expiry
from operations.report import Report, Status, refuse
from operations.retire import remove_unknown, retire
from operations.rotate import rotate
from operations.verify import verify

app = typer.Typer(
    help="Everyday work around a registration. Exit status: 0 good, 1 needs attention, 2 could not run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _run(command: Callable[[], Report], *, as_json: bool) -> None:
    try:
        report = command()
    except OperationError as error:
        refuse(error, as_json=as_json)
        raise typer.Exit(Status.COULD_NOT_RUN) from None
    report.show(as_json=as_json)
    raise typer.Exit(report.status)


@app.command("rotate")
def _rotate(
    stack: options.Stack,
    days: Annotated[int, typer.Option(help="How many days the new secret lives.")] = 365,
    if_due: Annotated[
        str | None, typer.Option(metavar="DAYS", help="Only where the newest ends within, for instance, 60d.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Add a client secret to Pulumi.STACK.yaml; the next `pulumi up` makes it, beside the older one."""
    _run(
        lambda: rotate(stack, days, None if if_due is None else options.days(if_due, "--if-due")),
        as_json=as_json,
    )


@app.command("retire")
def _retire(
    stack: options.Stack,
    force: Annotated[bool, typer.Option("--force", help="Without the proof that the newest signs in.")] = False,
    orphans: Annotated[
        bool, typer.Option("--orphans", help="Instead, remove from Entra what an interrupted `pulumi up` left.")
    ] = False,
    made_by_hand: Annotated[
        bool, typer.Option("--made-by-hand", help="Instead, remove from Entra what people made, once the newest works.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Take the older client secrets out of Pulumi.STACK.yaml, once the newest is proven to sign in."""

    def command() -> Report:
        if force + orphans + made_by_hand > 1:
            raise OperationError(
                "--force, --orphans and --made-by-hand are three different things.",
                "Nothing was changed.",
                f"python -m operations retire --stack {stack} --made-by-hand",
            )
        if orphans or made_by_hand:
            return remove_unknown(stack, made_by_hand=made_by_hand)
        return retire(stack, force=force)

    _run(command, as_json=as_json)


@app.command("verify")
def _verify(
    stack: options.Stack,
    wait: Annotated[str, typer.Option(metavar="TIME", help="Wait for replication, for instance 5m.")] = "0s",
    as_json: options.AsJson = False,
) -> None:
    """Sign in with each secret, compare permissions, read the directory, find what the stack does not know."""

    def command() -> Report:
        seconds = options.seconds(wait, "--wait")
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("Checking", total=seconds or None)
            return verify(
                stack,
                seconds,
                lambda left, why: progress.update(task, completed=seconds - left, description=f"Waiting. {why}"),
            )

    _run(command, as_json=as_json)


@app.command("expiry")
def _expiry(
    stack: options.Stack,
    warn: Annotated[str, typer.Option(metavar="DAYS", help="Attention below so many days.")] = "60d",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pipeline's summary.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show how many days each client secret has left."""

    def command() -> Report:
        report = expiry(stack, options.days(warn, "--warn"))
        return Report(report.facts, findings=report.findings, text=report.markdown()) if markdown else report

    _run(command, as_json=as_json)


@app.command("adopt")
def _adopt(
    stack: options.Stack,
    application_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The Application (client) ID, or the object id; the stack's own by default."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Write the ids of a registration made by hand into Pulumi.STACK.yaml; the next `pulumi up` takes it over."""
    _run(lambda: adopt(stack, application_id), as_json=as_json)


@app.command("agent-settings")
def _agent_settings(  # noqa: PLR0913, PLR0917 - one parameter per option
    stack: options.Stack,
    form: Annotated[Form | None, typer.Option(help="The form; json by default.")] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write this file, for its owner alone.")] = None,
    merge: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Put them into this appsettings.agent.json, a backup beside it.")
    ] = None,
    without_secret: Annotated[
        bool, typer.Option("--without-secret", help="Leave the secret out, for what may be committed.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Write the agent's connections in the form wanted; a secret goes into files only."""
    _run(
        lambda: agent_settings(stack, form, output=output, merge=merge, with_secret=not without_secret),
        as_json=as_json,
    )


@app.command("deliver")
def _deliver(
    stack: options.Stack,
    vault: Annotated[str, typer.Option(metavar="VAULT", help="The vault's name, or its https:// address.")],
    as_json: options.AsJson = False,
) -> None:
    """Put the agent's connections into an Azure Key Vault, each secret with its expiry date."""
    _run(lambda: deliver(stack, vault), as_json=as_json)


@app.command("comment")
def _comment(
    stack: options.Stack,
    events: Annotated[Path, typer.Argument(metavar="FILE", help="The preview's event log; - for standard input.")],
    as_json: options.AsJson = False,
) -> None:
    """Turn the event log of `pulumi preview` into one Markdown comment: changes in words, risks first."""
    _run(lambda: comment(stack, events), as_json=as_json)


@app.command("diff")
def _diff(
    stack: options.Stack,
    base: Annotated[str, typer.Option(metavar="REF", help="The commit to compare the working tree with.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the Markdown comment.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show what a change declares, against the base commit in a sandbox: no Azure, no state, no secret."""
    _run(lambda: difference(stack, base, as_markdown=markdown), as_json=as_json)


if __name__ == "__main__":
    app(prog_name="python -m operations")
