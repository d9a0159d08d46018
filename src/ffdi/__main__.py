"""The command `ffdi`, or `python -m ffdi`: Ctrl-C ends it without a traceback also while modules are imported."""

import sys


def main() -> None:
    """Run the command line. Exit with 130 where it was interrupted before it began."""
    try:
        from ffdi.cli import main as command
    except KeyboardInterrupt:
        sys.exit(130)
    command.main()


if __name__ == "__main__":
    main()
