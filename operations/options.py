"""The options that commands share, and how spans of time are written."""

import re
from typing import Annotated

import typer

from operations.errors import OperationError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_DIGITS = 6

Stack = Annotated[str, typer.Option("--stack", metavar="STACK", help="The stack, as in Pulumi.STACK.yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def _span(text: str, units: str, option: str) -> int:
    found = re.fullmatch(rf"(\d{{1,{_LONGEST_DIGITS}}})([{units}])", text, re.ASCII)
    if not found:
        raise OperationError(
            f"{option} {text!r} is no span of time.",
            "Nothing was done.",
            f"write a number and one of {', '.join(units)}, for instance {option} {'60d' if 'd' in units else '5m'}",
        )
    return int(found[1]) * _SECONDS[found[2]]


def days(text: str, option: str) -> int:
    """A number of days, written as `60d`.

    Raises:
        OperationError: The text is no number of days.
    """
    return _span(text, "d", option) // _SECONDS["d"]


def seconds(text: str, option: str) -> int:
    """A time to wait, written as `30s`, `5m` or `1h`.

    Raises:
        OperationError: The text is no such time.
    """
    return _span(text, "smh", option)
