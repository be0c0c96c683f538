"""`vtcode completion`: scripts that complete our command line in a shell."""

import argparse

from vtcode.commands.arguments import Invocation, describe

_EXAMPLES = """  source <(vtcode completion bash)                              this shell only
  vtcode completion bash > ~/.local/share/bash-completion/completions/vtcode
  vtcode completion zsh > ~/.zfunc/_vtcode                      with ~/.zfunc in fpath
  vtcode completion tcsh | source /dev/stdin"""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `completion`."""
    describe(parser, "Print the script by which a shell completes these commands.", _EXAMPLES)
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"])
    parser.set_defaults(command=_print)


def _print(invocation: Invocation) -> int:
    import shtab

    from vtcode.cli import make_parser

    print(shtab.complete(make_parser(), invocation.options.shell))
    return 0
