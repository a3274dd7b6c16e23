"""The site's settings. Build it with ``python -m sphinx -W docs build/docs``; nothing is fetched from anywhere."""

import argparse
import inspect
import io
import os
import re
import shutil
from contextlib import redirect_stdout
from typing import ClassVar

os.environ["COLUMNS"] = "100"  # what argparse makes of the help of the command
os.environ["NO_COLOR"] = "1"

from docutils.parsers.rst import Directive, directives

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


#: draws the pictures; the site is built without them where it is not installed
HAS_GRAPHVIZ = shutil.which("dot") is not None

project = "vox_gateway"
version = release = vox_gateway.__version__
project_copyright = "the authors of vox_gateway"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
if HAS_GRAPHVIZ:
    extensions.append("sphinx.ext.graphviz")
graphviz_output_format = "svg"
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "vox_gateway"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]

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


class OmittedPicture(Directive):
    """A `graphviz` directive where Graphviz is not installed: only the text beside the picture remains."""

    required_arguments = 1
    option_spec: ClassVar = {"alt": directives.unchanged, "align": directives.unchanged}

    def run(self):
        """Called by docutils."""
        return []


def label_pictures(app, pagename, templatename, context, doctree):
    """Give pictures their alternative text, which Sphinx writes only for browsers that cannot show an SVG."""
    picture = r'<object (data="[^"]+" type="image/svg\+xml"[^>]*>\s*<p class="warning">([^<]+)</p>)'
    context["body"] = re.sub(picture, r'<object role="img" aria-label="\2" \1', context.get("body", ""))


def setup(app):
    """Called by Sphinx."""
    if not HAS_GRAPHVIZ:
        app.add_directive("graphviz", OmittedPicture)
    app.connect("autodoc-process-docstring", keep_whole, priority=600)  # after napoleon
    app.connect("html-page-context", label_pictures)
