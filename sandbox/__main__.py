"""The sandbox's command line: `python -m sandbox exec [--as IDENTITY] -- COMMAND...`."""

import argparse
import os
import signal
import subprocess
import sys

from sandbox import engine, environment
from sandbox.azuread import selection


def main(arguments: list[str]) -> int:
    """Run a command in the sandbox.

    Args:
        arguments: The command line without the program's name.

    Returns:
        The command's exit status; 128 and its number where a signal ended it; 2 where the sandbox could not run.
    """
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Runs Pulumi with no Azure at hand.")
    commands = parser.add_subparsers(dest="verb", required=True)
    run = commands.add_parser("exec", help="run a command in an environment where plain `pulumi` works")
    run.add_argument("--as", dest="identity", default="deploy", metavar="IDENTITY", help="deploy, preview or admin")
    run.add_argument("command", nargs="+", metavar="COMMAND", help="the command and its arguments, after --")
    parsed = parser.parse_args(arguments)
    home = environment.home_folder(os.environ)
    environment.keep_salts_out(environment.PROJECT)
    try:
        with environment.entered(home, parsed.identity, os.environ) as variables:
            return _run(parsed.command, variables)
    except (environment.SandboxError, engine.EngineError, selection.PluginError, OSError) as error:
        engine.say(str(error))
        return 2
    finally:
        environment.keep_salts_out(environment.PROJECT)


def _run(command: list[str], variables: dict[str, str]) -> int:
    process = subprocess.Popen(command, env=variables)
    # An interrupt at the terminal reaches the command as well: it decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: process.send_signal(received))
    status = process.wait()
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
