"""The `lmstudio` command's first door: the version is answered before anything heavy is imported."""

import sys

from lmserver import __version__


def main() -> None:
    """Run the command line and exit with its status."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"lmstudio {__version__}")
        return
    from lmserver.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
