"""How Sphinx builds the site from these pages. `make docs` calls it, with every warning as an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "Identity Manager in Microsoft Entra ID"
author = "The project's contributors"
project_copyright = author
extensions = ["myst_parser", "docs.repository_links"]
exclude_patterns = ["_build"]
nitpicky = True
# A quotation mark in a text may be part of what a program takes or prints.
smartquotes = False

myst_enable_extensions = ["attrs_inline"]
# Every heading down to this level can be linked to by its text, as on a repository's own pages.
myst_heading_anchors = 4

html_theme = "furo"
html_title = "Identity Manager<br>in Entra ID"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
pygments_style = "tango"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b5cad",
        "color-brand-content": "#0b5cad",
        "color-brand-visited": "#5b3fa0",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7cb8f5",
        "color-brand-content": "#7cb8f5",
        "color-brand-visited": "#b9a3f0",
    },
}

# For `make docs-links`, which needs the network.
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_anchors = False
