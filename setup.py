"""Builds the optional module in C; setup.cfg has everything else."""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

version: dict[str, str] = {}
exec(Path("vox_gateway/_version.py").read_text(encoding="utf-8"), version)  # noqa: S102

speedups = Extension(
    "vox_gateway._speedups",
    ["vox_gateway/_speedups.c"],
    define_macros=[("VOX_GATEWAY_VERSION", f'"{version["__version__"]}"')],
    optional=True,  # without a compiler, the functions in Python are used
)
wanted = sys.implementation.name == "cpython" and not os.environ.get("VOX_GATEWAY_PURE")
setup(ext_modules=[speedups] if wanted else [])
