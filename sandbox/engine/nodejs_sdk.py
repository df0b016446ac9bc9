"""Writes a package's SDK for Node.js: `python -m sandbox.engine.nodejs_sdk FOLDER`, the schema on standard input.

`pulumi package add` leaves the writing to the language host, and the pinned one for Node.js is too old for it. Owns the
command that does it instead, with the engine's own code generator.
"""

import sys
from pathlib import Path

from sandbox import engine
from sandbox.engine import languages

GENERATOR = engine.GoCommand(
    "pulumi-nodejs-sdk",
    Path(__file__).resolve().parent / "cli",
    "identity-manager/sandbox/engine/cli/nodejs_sdk",
    engine.ENGINE_VERSION,
)

if __name__ == "__main__":
    languages.become(GENERATOR, sys.argv[1:])
