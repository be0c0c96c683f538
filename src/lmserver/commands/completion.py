"""`lmstudio completion`: scripts that complete our command line in a shell."""

import argparse
from typing import TYPE_CHECKING

from lmserver.commands.arguments import SUCCESS, command

if TYPE_CHECKING:
    from lmserver.commands.arguments import Commands

_EXAMPLES = """  source <(lmstudio completion bash)                              this shell only
  lmstudio completion bash > ~/.local/share/bash-completion/completions/lmstudio
  lmstudio completion zsh > ~/.zfunc/_lmstudio                    with ~/.zfunc in fpath
  lmstudio completion tcsh | source /dev/stdin"""


def add(commands: "Commands") -> None:
    """Add `completion` to the commands."""
    parser = command(
        commands,
        "completion",
        summary="complete these commands in a shell",
        description="Print the script by which a shell completes these commands.",
        examples=_EXAMPLES,
    )
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"])
    parser.set_defaults(command=_print)


def _print(options: argparse.Namespace) -> int:
    import shtab

    from lmserver.cli import make_parser

    print(shtab.complete(make_parser(), options.shell))
    return SUCCESS
