"""``python -m vox_gateway`` is the command ``vox-gateway``."""

import sys

__all__: list[str] = []


def _main() -> int:
    try:
        from .cli import main
    except KeyboardInterrupt:  # Python has imported the package itself before this, and nothing can be done there
        sys.stderr.write("vox-gateway: interrupted\n")
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(_main())
