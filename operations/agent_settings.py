"""`agent-settings`: the agent's connections in the form wanted, into a file, or into the agent's own.

Owns where the text goes. A text with a secret goes only into a file that its owner alone may read, or into the file
that the agent reads already; never to a screen or a log.
"""

import os
from pathlib import Path

from operations import agent_forms, files, json_merge, precedence, registration, stack_file
from operations.agent_forms import Form
from operations.errors import OperationError
from operations.registration import AgentSettings
from operations.report import Report

_FOR_EVERYBODY = 0o007


def agent_settings(
    stack: str, form: Form | None, *, output: Path | None, merge: Path | None, with_secret: bool
) -> Report:
    """Write the agent's settings.

    Args:
        stack: The stack.
        form: The form; JSON where none is said.
        output: The file to write.
        merge: The agent's file to put the settings into.
        with_secret: Whether the secret is among them.

    Raises:
        OperationError: The settings cannot be read, or the file cannot be used.
    """
    if merge is not None and (output is not None or form not in (None, Form.JSON)):
        raise OperationError(
            "--merge puts JSON into the agent's own file, so it goes with neither --output nor another --form.",
            "Nothing was changed.",
            f"python -m operations agent-settings --stack {stack} --merge {merge}",
        )
    form = form or Form.JSON
    file = stack_file.read(stack)
    known = registration.load(file)
    settings = known.agent_settings if with_secret else agent_forms.without_secret(known.agent_settings)
    facts = {"form": form.value, "connections": list(settings), "secretExpiresOn": str(known.secret_expires_on)}
    report = Report({**facts, "file": None, "precedence": list(precedence.ORDER)}, said=[precedence.SAID])
    if merge is not None:
        _merge(merge, settings, report)
        report.next_steps.append("Restart the agent, then check the connection in the user interface.")
    elif output is not None:
        files.refuse_links(output)
        files.write_whole(output, agent_forms.text(form, settings))
        report.facts["file"] = str(output)
        report.said.append(f"{output} holds the settings; only its owner may read it.")
    elif agent_forms.has_secret(form, settings):
        raise OperationError(
            "The settings hold a secret, which is not printed.",
            "It would stay on the screen or in a log.",
            f"python -m operations agent-settings --stack {stack} --form {form} --output FILE (or --without-secret)",
        )
    else:
        report.text = agent_forms.text(form, settings)
        report.facts["text"] = report.text
    newest = max(file.dates, default=None)
    if with_secret and newest != known.secret_expires_on:
        report.findings.append(
            f"The secret handed out ends on {known.secret_expires_on}, the newest in {file.path.name} on {newest}."
        )
        report.next_steps.insert(0, f"pulumi up --stack {stack}")
    return report


def _merge(path: Path, settings: AgentSettings, report: Report) -> None:
    before = files.read_plain(path, f"create {path} with the content {{}}, or name the agent's file")
    try:
        after = json_merge.merged(before, settings)
    except json_merge.MalformedError as error:
        raise OperationError(
            f"{path} is no settings file: {error}.", "Nothing was changed.", f"correct {path}, then repeat the command"
        ) from None
    backup = path.with_name(f"{path.name}.bak")
    if after == before:
        report.said.append(f"{path} holds the settings already.")
    else:
        files.refuse_links(backup)
        files.write_whole(backup, before, like=path)
        files.write_whole(path, after, like=path)
        report.said.append(f"{path} holds the settings; what was there before is in {backup.name}.")
        report.facts["backup"] = str(backup)
    report.facts["file"] = str(path)
    report.findings += precedence.warnings(path, settings, os.environ)
    if agent_forms.has_secret(Form.JSON, settings) and path.stat().st_mode & _FOR_EVERYBODY:
        report.next_steps.append(f"Everybody on this machine may use {path}, which holds a secret: chmod 600 {path}")
