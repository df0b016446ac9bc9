"""Links from a page to the repository's own files.

They work where the repository is read. The site has the pages alone, so there such a link becomes its text.
"""

import re

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

LINK = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")


def unlink(_: Sphinx, __: str, source: list[str]) -> None:
    """Take the links to files above `docs/` out of a page that is about to be read.

    Args:
        source: The page's text, to be changed in place.
    """
    source[0] = LINK.sub(r"\1", source[0])


def setup(app: Sphinx) -> ExtensionMetadata:
    """Let Sphinx know of it."""
    app.connect("source-read", unlink)
    return {"parallel_read_safe": True}
