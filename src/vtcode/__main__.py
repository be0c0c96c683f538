"""The `vtcode` command's first door: the version is answered before anything heavy is imported."""

import sys

from vtcode import __version__


def main() -> None:
    """Run the command line and exit with its status."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"vtcode {__version__}")
        return
    from vtcode.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
