"""Checks what is installed on this machine."""

from __future__ import annotations

import importlib.metadata
import platform
import ssl

from ..._version import __version__
from ...accelerators import speedups
from .finding import Finding, ok

__all__ = ["check_speedups", "check_versions"]

_PACKAGES = ("websocket-client", "simplejson", "pyee")


def check_versions() -> Finding:
    """Report the versions of the library and its dependencies."""
    packages = ", ".join(f"{package} {_version(package)}" for package in _PACKAGES)
    return ok(
        "versions",
        f"vox_gateway {__version__}, {platform.python_implementation()} {platform.python_version()} on "
        f"{platform.system()}, {ssl.OPENSSL_VERSION}, {packages}",
    )


def check_speedups(found: dict[str, str] | None = None) -> Finding:
    """Report the optional accelerators.

    Args:
        found: the result of `speedups`; None to call it.
    """
    found = speedups() if found is None else found
    used = ", ".join(f"{what}: {name or 'none'}" for what, name in found.items())
    slow = found["json"] == "json" or found["zlib"] == "zlib" or not found["zstd"]
    return ok("speedups", used + ('. For a busy bot: pip install "vox-gateway[speed]"' if slow else ""))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:  # installed without metadata
        return "of unknown version"
