"""`expiry`: how many days each secret has left. It reads the stack's state and file, and nothing in the tenant."""

from operations import clock, lifetime, registration, stack_file
from operations.report import Json, Report


def expiry(stack: str, warn: int) -> Report:
    """Count the days left.

    Args:
        stack: The stack.
        warn: The number of days below which a secret needs attention.

    Raises:
        OperationError: The stack has registered nothing, or cannot be read.
    """
    file, today = stack_file.read(stack), clock.today()
    known = registration.load(file)
    newest = {one.connection: known.newest(one.connection).expires for one in known.secrets}
    report = Report(
        {}, title=f"Client secrets of {known.display_name}", columns=("connection", "expires", "days left", "state")
    )
    listed: list[Json] = []
    rows = []
    for secret in known.secrets:
        left = (secret.expires - today).days
        is_newest = secret.expires == newest[secret.connection]
        what = f"The secret of {secret.connection} until {secret.expires}"
        state = "handed out" if secret.handed_out else "older" if not is_newest else "not handed out"
        if lifetime.is_past(secret.expires, today):
            state = "expired"
            report.findings.append(f"{what} has expired.")
        elif left < warn:
            report.findings.append(f"{what} has {left} days left.")
        if left < warn or lifetime.is_past(secret.expires, today):
            verb = "rotate" if is_newest else "retire"
            step = f"python -m operations {verb} --stack {stack}"
            report.next_steps += [step] if step not in report.next_steps else []
        rows.append((secret.connection, secret.expires.isoformat(), str(left), state))
        listed.append(
            {
                "connection": secret.connection,
                "expires": secret.expires.isoformat(),
                "daysLeft": left,
                "state": state,
                "keyId": secret.key_id,
            }
        )
    live = {one.connection for one in known.secrets if not lifetime.is_past(one.expires, today)}
    report.findings += [
        f"{connection} has no live secret." for connection in known.agent_settings if connection not in live
    ]
    applied = {secret.expires for secret in known.secrets}
    waiting = [day for day in file.dates if day not in applied]
    report.said += [f"The secret of {day} in {file.path.name} is not applied yet." for day in waiting]
    report.next_steps += [f"pulumi up --stack {stack}"] if waiting else []
    report.rows = rows
    report.facts = {"secrets": listed, "notApplied": [day.isoformat() for day in waiting], "warnDays": warn}
    if not report.findings:
        report.said.insert(0, f"No secret ends within {warn} days.")
    return report
