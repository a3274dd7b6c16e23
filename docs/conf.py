"""The site's settings. Build it with ``python -m sphinx -W docs build/docs``; nothing is fetched from anywhere."""

import argparse
import inspect
import io
import os
from contextlib import redirect_stdout

os.environ["COLUMNS"] = "100"  # what argparse makes of the help of the command
os.environ["NO_COLOR"] = "1"

import vox_gateway
from vox_gateway import cli


def help_of_the_command():
    """The help of `vox-gateway` and of each of its commands, as Markdown."""
    (commands,) = (one for one in cli._parser()._actions if isinstance(one, argparse._SubParsersAction))
    pieces = []
    for command in ["", *commands.choices]:
        said = io.StringIO()
        try:
            with redirect_stdout(said):
                cli.main([*command.split(), "--help"])
        except SystemExit:
            pieces.append(f"## `vox-gateway{' ' * bool(command)}{command}`\n\n```text\n{said.getvalue()}```\n")
    return "\n".join(pieces)


project = "vox_gateway"
version = release = vox_gateway.__version__
project_copyright = "the authors of vox_gateway"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "vox_gateway"
html_copy_source = False

myst_enable_extensions = ["substitution"]
myst_heading_anchors = 3
myst_substitutions = {"help_of_the_command": help_of_the_command()}

# Docstrings are Google's style; a name in `single quotes` is a link where it is the name of something.
default_role = "py:obj"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
strip_signature_backslash = True  # or napoleon takes `async_` for a link to a footnote
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88


def keep_whole(app, what, name, obj, options, lines):
    """Undo what napoleon makes of the docstring of a property: "The session now: ..." is no type of it."""
    if what == "property":
        lines[:] = inspect.getdoc(obj).splitlines()


def setup(app):
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", keep_whole, priority=600)  # after napoleon
