"""Sphinx configuration.

Sphinx rather than MkDocs: the message tables are directives of a few lines over ``pytio.wire``, and ``-n -W`` turns
every dead reference into a failed build.
"""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "pytio"
author = "the pytio authors"
project_copyright = "the pytio authors, Apache-2.0"
release = version = metadata.version("pytio")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "message_tables"]
exclude_patterns = ["_build", "changes", "README.md"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
# References into pytio have to resolve. Other projects' names do not: an offline build has no inventories to look in.
nitpick_ignore_regex = [("py:.*", r"(?!pytio\b).*")]

html_theme = "furo"
html_title = f"pytio {release}"
html_show_sphinx = False
