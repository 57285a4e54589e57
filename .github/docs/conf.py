"""Build the site: sphinx-build -W -n .github/docs DIR."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import click

import pandas_numberactive
from pandas_numberactive._cli.main import cli

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

# The notebooks live at the top of the repository; the site shows copies of them.
for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
    (HERE / "tutorial").mkdir(exist_ok=True)
    shutil.copy(notebook, HERE / "tutorial" / notebook.name)


def helps(command: click.Command, name: str) -> Iterator[str]:
    """Yield the help of a command and of the commands below it, as Markdown."""
    context = click.Context(command, info_name=name, max_content_width=90)
    yield f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"
    for word, inner in sorted(getattr(command, "commands", {}).items()):
        yield from helps(inner, f"{name} {word}")


# The page of the command line is what --help prints.
page = "# Command line\n\n`python -m pandas_numberactive` is the same command.\n\n"
(HERE / "reference" / "command-line.md").write_text(page + "\n".join(helps(cli, "numberactive")))

project = "pandas-numberactive"
author = "pandas-numberactive maintainers"
copyright = author
version = release = pandas_numberactive.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
]
exclude_patterns = ["_build"]
default_role = "code"  # single backticks, as the docstrings have them for help()
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = "pandas-numberactive"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "icon_links": [
        {
            "name": "Source",
            "url": "https://github.com/pandas-numberactive/pandas-numberactive",
            "icon": "fa-brands fa-github",
        }
    ],
}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_excludepatterns = ["howto/*", "explanation/*", "reference/*", "*.md"]

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False

# Nitpicky for our own names: what another project documents is not looked up, so that the build
# needs no network.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!pandas_numberactive).*")]
suppress_warnings = ["mystnb.unknown_mime_type"]
