"""The client is one class that checks and delegates."""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import dataclass

from vox_gateway import Client
from vox_gateway.dispatch.emitter import Emitter

#: statements of a method, nested ones included, without its docstring and imports
MAX_STATEMENTS = 6


def test_the_client_is_an_emitter_and_nothing_else() -> None:
    assert Client.__bases__ == (Emitter,)


def test_the_methods_of_the_client_delegate() -> None:
    (client,) = ast.parse(textwrap.dedent(inspect.getsource(Client))).body
    assert isinstance(client, ast.ClassDef)
    for method in client.body:
        if isinstance(method, ast.FunctionDef):
            statements = [
                node
                for node in ast.walk(method)
                if isinstance(node, ast.stmt) and not isinstance(node, ast.ImportFrom) and node is not method
            ]
            docstring = ast.get_docstring(method) is not None
            assert len(statements) - docstring <= MAX_STATEMENTS, method.name


def test_a_subclass_may_be_a_dataclass_which_is_not_hashable() -> None:
    @dataclass
    class Bot(Client):
        greeting: str

        def __post_init__(self) -> None:
            super().__init__(token="t")

    bot = Bot(greeting="hello")
    assert bot.greeting == "hello"
    bot.close()
