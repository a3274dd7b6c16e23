"""Run the tests that reach the C extension with AddressSanitizer and UndefinedBehaviorSanitizer.

    python tools/sanitize_speedups.py [PYTEST-ARGUMENT...]

builds `_speedups` with both in a copy of the package, and runs pytest on it: by default the fuzz and the integration
tests. The first error of a sanitizer ends the run. Needs GCC on Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ["tests/test_speedups.py", "tests/encoding", "tests/network", "tests/dispatch", "tests/integration"]
FLAGS = "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
#: CPython itself leaks at exit, and loads libraries that an own memory allocator would hide from the sanitizer
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "PYTHONMALLOC": "malloc",
}


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("vox_gateway", "tests", "examples", "docs", "tools", "benchmarks"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("*.so", "__pycache__", ".env"))
        for path in ROOT.iterdir():
            if path.is_file():
                shutil.copy(path, copy)
        build(copy)
        libraries = " ".join(found(name) for name in ("libasan.so", "libubsan.so"))
        environment = {**os.environ, **ENVIRONMENT, "LD_PRELOAD": libraries, "PYTHONPATH": folder}
        # A sanitizer writes its report to the descriptor, which pytest must not capture.
        options = ["-q", "-p", "no:cacheprovider", "--capture=sys"]
        command = [sys.executable, "-m", "pytest", *options, *(arguments or TESTS)]
        return subprocess.run(command, cwd=copy, env=environment, check=False).returncode


def build(copy: Path) -> None:
    """Build the extension in place; fails if that is not possible."""
    flags = f"{sysconfig.get_config_var('CFLAGS') or ''} {FLAGS}"
    environment = {**os.environ, "CC": "gcc", "CFLAGS": flags, "LDFLAGS": "-fsanitize=address,undefined"}
    environment.pop("VOX_GATEWAY_PURE", None)
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=copy, env=environment, check=True)
    if not list(copy.glob("vox_gateway/_speedups.*.so")):
        sys.exit("the extension was not built")


def found(library: str) -> str:
    """Return the path of one of GCC's libraries."""
    command = ["gcc", f"-print-file-name={library}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
