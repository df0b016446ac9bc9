"""`python -m sandbox.tenant --home DIR`: serve the embedded tenant of a folder."""

import argparse
import sys
from pathlib import Path

from sandbox.tenant.server import run


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.tenant", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the sandbox's folder")
    parser.add_argument("--stop-when-unused", action="store_true", help="stop when nobody holds DIR/users.lock")
    arguments = parser.parse_args()
    return run(arguments.home.absolute(), stop_when_unused=arguments.stop_when_unused)


if __name__ == "__main__":
    sys.exit(main())
