"""`rotate`: one more expiry date in the stack's file.

Owns the date and what comes next. It leaves the tenant alone: the new secret comes with the next `pulumi up`, as a
reviewed plan, and the older one keeps working beside it.
"""

from datetime import timedelta

from operations import clock, lifetime, stack_file
from operations.errors import OperationError
from operations.report import Report

MOST_DAYS = 731


def rotate(stack: str, days: int, if_due: int | None) -> Report:
    """Add a secret to the stack's file.

    Args:
        stack: The stack.
        days: How long the new secret is to live.
        if_due: Add it only where the newest one ends within so many days.

    Raises:
        OperationError: The secret would live too long or not at all, or would not become the newest.
    """
    file, today = stack_file.read(stack), clock.today()
    newest = max(file.dates, default=None)
    facts = {"file": str(file.path), "secrets": [day.isoformat() for day in file.dates], "added": None}
    if newest is not None and if_due is not None and (newest - today).days > if_due:
        return Report(
            {**facts},
            said=[f"Not due: the newest secret of {stack} ends on {newest}, in {(newest - today).days} days."],
        )
    wanted = today + timedelta(days=days) if 0 < days <= MOST_DAYS else None
    reason = f"A life of {days} days is none." if wanted is None else lifetime.refusal(wanted, today)
    if wanted is None or reason is not None:
        raise OperationError(
            f"{reason} A secret lives from 1 day to {lifetime.LONGEST_YEARS} years.",
            "Nothing was changed.",
            f"python -m operations rotate --stack {stack} --days 365",
        )
    if newest == wanted:
        return Report({**facts}, said=[f"{file.path.name} has a secret until {wanted} already."])
    if newest is not None and newest > wanted:
        raise OperationError(
            f"A secret until {wanted} would end before the newest, {newest}.",
            "It would never be handed out, so nothing was changed.",
            f"python -m operations rotate --stack {stack} --days {min((newest - today).days + 1, MOST_DAYS)}",
        )
    dead = [day for day in file.dates if lifetime.is_past(day, today)]
    kept = [day for day in file.dates if day not in dead]
    file.write(file.with_dates([*kept, wanted]))
    said = [f"{file.path.name} has a new secret, until {wanted}."]
    said += [f"The secret of {day} is taken out: it has not worked since that day." for day in dead]
    return Report(
        {
            "file": str(file.path),
            "secrets": [day.isoformat() for day in (*kept, wanted)],
            "added": wanted.isoformat(),
            "takenOut": [day.isoformat() for day in dead],
        },
        said=said,
        next_steps=[
            f"Review and commit {file.path.name}, then: pulumi up --stack {stack}",
            f"Prove it: python -m operations verify --stack {stack} --wait 5m",
            f"Hand it to the agent: python -m operations agent-settings --stack {stack} --merge appsettings.agent.json",
            "Restart the agent.",
            *([f"When the agent holds it: python -m operations retire --stack {stack}"] if kept else []),
        ],
    )
