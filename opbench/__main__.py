"""The command `opbench`, which is `python -m opbench` too."""

import sys


def main() -> None:
    """`opbench.cli.main`; a stop while it is being imported is one line too."""
    try:
        from opbench.cli import main as run
    except KeyboardInterrupt:
        sys.exit(_stopped())
    run()


def _stopped() -> int:
    from opbench.errors import AGAIN, Interrupted

    print(f"opbench: {AGAIN}", file=sys.stderr)
    return Interrupted.exit_code


if __name__ == "__main__":
    main()
