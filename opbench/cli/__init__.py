"""opbench on the command line: every command is one call of the Python interface, with its progress and answer printed."""

import signal
import sys

import click

from opbench.cli import boards, data, runs  # noqa: F401  (their commands join the group)
from opbench.cli._shared import opbench
from opbench.errors import Interrupted, OpbenchError


def main() -> None:
    """Run the command line: a user's mistake is one line on standard error and exit code 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a job scheduler's stop leaves a resumable state, as Ctrl-C does
    try:
        opbench.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except OpbenchError as error:
        _fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped; run the same command again to go on", Interrupted.exit_code)
    except BrokenPipeError:
        sys.exit(141)  # the reader of our output has left, as `head` does
    except OSError as error:
        _fail(f"{error.filename or 'the system'}: {error.strerror or error}; free it or choose another place, and run the command again", 2)


def _fail(message: str, code: int) -> None:
    click.echo(f"opbench: {' '.join(message.split())}", err=True)
    sys.exit(code)
