"""The `vtcode` command's first door: the version is answered before anything heavy is imported."""

import contextlib
import os
import sys

from vtcode import __version__


def main() -> None:
    """Run the command line and exit with its status."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"vtcode {__version__}")
        return
    try:
        from vtcode.cli import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        # Ctrl-C while all is still being imported.
        status = 130
    for stream in (sys.stdout, sys.stderr):
        # None where it was closed before we began.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    # All is closed and written. Taking the interpreter apart would take another sixth of a short run's time.
    os._exit(status)


if __name__ == "__main__":
    main()
