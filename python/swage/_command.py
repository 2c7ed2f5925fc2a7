"""_command.py -- the command `swage` of the wheel."""

import os
import sys


def main() -> None:
    """Becomes the command that the wheel holds."""
    command = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "swage")
    try:
        os.execv(command, ["swage", *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"swage: {command}: {error.strerror}; install the package with pip")
