"""Starts the policy pack; the engine runs this folder as a program.

The folder may have any name here: Pulumi Cloud unpacks a published pack where it likes.
"""

import importlib.util
import sys
from pathlib import Path


def main() -> None:
    """Make the modules beside this file the package `policy`, and serve the pack."""
    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "policy", here / "__init__.py", submodule_search_locations=[str(here)]
    )
    if spec is None:
        raise ImportError(f"{here} holds no policy pack")
    sys.modules["policy"] = importlib.util.module_from_spec(spec)

    from policy.pack import serve  # noqa: PLC0415 - there is no such package before the line above

    serve()


if __name__ == "__main__":
    main()
