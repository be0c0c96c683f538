"""The `lmstudio` command's first door: the version is answered before anything heavy is imported."""

import sys

from lmserver import __version__


def main() -> None:
    """Run the command line and exit with its status."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"lmstudio {__version__}")
        return
    try:
        from lmserver.cli import run

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        # Ctrl-C while all is still being imported.
        sys.exit(130)


if __name__ == "__main__":
    main()
