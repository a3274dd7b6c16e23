"""The site's settings. Build it with ``python -m sphinx -W docs build/docs``; nothing is fetched from anywhere."""

import argparse
import importlib
import inspect
import io
import os
import pkgutil
import re
import shutil
from contextlib import redirect_stdout
from typing import ClassVar

os.environ["COLUMNS"] = "100"  # what argparse makes of the help of the command
os.environ["NO_COLOR"] = "1"

from docutils.parsers.rst import Directive, directives
from sphinx.domains.python import PyObject

import vox_gateway
from vox_gateway import CloseCode, Intents, cli, events, intents, payloads
from vox_gateway.opcodes import Remedy, fatal_error


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


def table_of_intents():
    """The intents, and the events that each of them enables, as Markdown."""
    rows = ["| intent | bit | events |", "|---|---|---|"]
    for intent in Intents:
        notes = ["*privileged*"] if intent & Intents.privileged() else []
        names = [f"`{event}`" for event in sorted(intents.KNOWN_EVENTS) if intents.intents_for(event) & intent]
        names = names or ["no event, but the content of messages"]
        rows.append(f"| `{intent.name}` | {intent.bit_length() - 1} | {', '.join(notes + names)} |")
    return "\n".join(rows)


def table_of_close_codes():
    """The close codes, and what the client does after each, as Markdown."""
    remedies = {Remedy.RESUME: "resumes", Remedy.NEW_SESSION: "starts a new session"}
    rows = ["| code | name | what the client does |", "|---|---|---|"]
    for code in CloseCode:
        error = type(fatal_error(code, "")).__name__
        what = remedies.get(code.remedy, f"raises {{py:class}}`~vox_gateway.errors.{error}`")
        rows.append(f"| {code:d} | `{code.name}` | {what} |")
    return "\n".join([*rows, "| any other, or none | | resumes |"])


def table_of_events():
    """The constants of `vox_gateway.events`, in the order of the module, with their types and intents, as Markdown."""
    rows = ["| name, data | intents |", "|---|---|"]
    for name, hint in events.__annotations__.items():
        by_name = {"ERROR": "the exception, and the name of the event"}
        carried = "nothing" if hint == "SignalName[[]]" else by_name.get(name)
        if carried is None:
            carried = f"`{hint.removeprefix('EventName[').removesuffix(']').removeprefix('p.')}`"
        text = getattr(events, name)
        needed = intents.intents_for(text) if text in events.DISPATCHES else Intents.none()
        rows.append(f"| `{name}`<br>{carried} | {'<br>'.join(f'`{one.name}`' for one in Intents if one & needed)} |")
    return "\n".join(rows)


def types_of_payloads():
    """The definitions of `vox_gateway.payloads`, one block a module, as Markdown."""
    pieces = []
    for module in pkgutil.iter_modules(payloads.__path__):
        source = inspect.getsource(importlib.import_module(f"{payloads.__name__}.{module.name}"))
        definitions = re.split(r"^__all__ = \[.*?\]\n", source, flags=re.DOTALL | re.MULTILINE)[1].strip("\n")
        pieces.append(f"### {module.name.replace('_', ' ').capitalize()}\n\n```py\n{definitions}\n```\n")
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
myst_substitutions = {
    "help_of_the_command": help_of_the_command(),
    "table_of_intents": table_of_intents(),
    "table_of_close_codes": table_of_close_codes(),
    "table_of_events": table_of_events(),
    "types_of_payloads": types_of_payloads(),
}

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
for field in PyObject.doc_field_types:
    if field.name == "variable":
        field.label = "Attributes"


def omit_docstring_of_type(app, what, name, obj, options, lines):
    """Omit the docstring that a constant has from its type, such as `int`."""
    if what in ("data", "attribute") and "\n".join(lines).strip() == inspect.getdoc(type(obj)):
        lines.clear()


def omit_constructor(app, what, name, obj, options, signature, return_annotation):
    """Show how a class is constructed only if its docstring has the arguments: the other objects are made for users."""
    if what in ("class", "exception") and "\nArgs:\n" not in (inspect.getdoc(obj) or ""):
        return "", None
    return None


def keep_whole(app, what, name, obj, options, lines):
    """Undo what napoleon makes of the docstring of a property: "The session now: ..." is not its type."""
    if what == "property":
        lines[:] = inspect.getdoc(obj).splitlines()


def type_of_attribute(cls, attribute):
    """The type of an attribute: from an annotation, a property, the constructor or a value; None if unknown."""
    for base in cls.__mro__:
        value = vars(base).get(attribute)
        if attribute in (annotations := vars(base).get("__annotations__", {})):
            return annotations[attribute]
        if isinstance(value, property):
            return value.fget.__annotations__.get("return")
        if attribute in (annotations := getattr(vars(base).get("__init__"), "__annotations__", {})):
            return annotations[attribute]
        if isinstance(value, (bool, int, str)):
            return type(value).__name__
    return None


def add_types(app, what, name, obj, options, lines):
    """Add the types of the attributes that a docstring lists."""
    if what in ("class", "exception"):
        for index, line in reversed([*enumerate(lines)]):
            if (match := re.match(r":ivar (\w+):", line)) and (found := type_of_attribute(obj, match[1])):
                lines.insert(index, f":vartype {match[1]}: {found}")


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
    app.connect("autodoc-process-docstring", omit_docstring_of_type, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", keep_whole, priority=600)  # after napoleon
    app.connect("autodoc-process-docstring", add_types, priority=600)
    app.connect("autodoc-process-signature", omit_constructor)
    app.connect("html-page-context", label_pictures)
