"""What is installed here."""

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
    """Of the library and of what it stands on."""
    packages = ", ".join(f"{package} {_version(package)}" for package in _PACKAGES)
    return ok(
        "versions",
        f"vox_gateway {__version__}, {platform.python_implementation()} {platform.python_version()} on "
        f"{platform.system()}, {ssl.OPENSSL_VERSION}, {packages}",
    )


def check_speedups(found: dict[str, str] | None = None) -> Finding:
    """Of the packages that make it faster and change nothing else.

    Args:
        found: what `speedups` says, which is asked when None.
    """
    found = speedups() if found is None else found
    used = ", ".join(f"{what}: {name or 'none'}" for what, name in found.items())
    slow = found["json"].startswith("simplejson") or found["zlib"] == "zlib" or not found["zstd"]
    return ok("speedups", used + ('. For a busy bot: pip install "vox-gateway[speed]"' if slow else ""))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:  # put there without pip
        return "of unknown version"
