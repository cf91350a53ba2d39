"""Sphinx configuration.

Sphinx rather than MkDocs: the message tables are directives of a few lines over ``pytio.wire``, and ``-n -W`` turns
every dead reference into a failed build. MyST-NB rather than nbsphinx for notebooks: its parser reads the other pages
already, and it needs no pandoc.
"""

import shutil
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# Notebooks live in examples/; Sphinx wants its sources in one folder.
(HERE / "notebooks").mkdir(exist_ok=True)
for notebook in (HERE.parent / "examples").glob("*.ipynb"):
    shutil.copy2(notebook, HERE / "notebooks")

project = "pytio"
author = "the pytio authors"
project_copyright = "the pytio authors, Apache-2.0"
release = version = metadata.version("pytio")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "message_tables", "state_diagrams"]
exclude_patterns = ["_build", "changes", "README.md"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Notebooks are kept without outputs, and run when they are rendered; one that fails fails the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
# References into pytio have to resolve. Other projects' names do not: an offline build has no inventories to look in.
# Nor do type variables, which no page describes.
nitpick_ignore_regex = [("py:.*", r"(?!pytio\b).*"), ("py:(obj|class)", r"pytio\..*\.[A-Z]")]

html_theme = "furo"
html_title = f"pytio {release}"
html_show_sphinx = False
