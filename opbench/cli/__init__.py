"""opbench on the command line: every command is one call of the Python interface, with its progress and answer printed."""

import signal
import sys
from typing import Any

import click

from opbench.cli import boards, data, records, runs  # noqa: F401  (their commands join the group)
from opbench.cli._shared import opbench
from opbench.config import printable
from opbench.errors import AGAIN, Interrupted, OpbenchError


def main() -> None:
    """Run the command line: a user's mistake is one line on standard error and exit code 2."""
    heard: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)  # a job scheduler's stop leaves a resumable state, as Ctrl-C does
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background jobs ignore it
        signal.signal(signal.SIGINT, interrupt)
    try:
        opbench.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except OpbenchError as error:
        _fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail(AGAIN, Interrupted.exit_code)
    except OSError as error:
        _fail(f"{error.filename or 'the system'}: {error.strerror or error}; free it or choose another place, and run the command again", 2)
    except Exception:
        if not heard:
            raise
        _fail(AGAIN, Interrupted.exit_code)  # a library that was being imported made another error of it


def _fail(message: str, code: int) -> None:
    click.echo(f"opbench: {printable(' '.join(message.split()))}", err=True)
    sys.exit(code)
