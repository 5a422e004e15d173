"""Mistakes that a user can mend, each told in one line: what was expected, what came, what to do."""

AGAIN = "stopped; run the same command again to go on"


class OpbenchError(Exception):
    """A user's mistake; the command line prints it as one line and exits with `exit_code`."""

    exit_code = 2


class UnknownName(OpbenchError):
    """A name that nothing in opbench answers to."""


class ConfigError(OpbenchError):
    """A recipe, a setting or an option that does not fit its type."""


class DataError(OpbenchError):
    """A file that is missing, truncated, foreign or at odds with its recipe."""


class SolverError(OpbenchError):
    """A solve that became unstable or did not converge."""


class ModelError(OpbenchError):
    """A model that cannot be built for a task, or whose output does not fit it."""


class Undefined(OpbenchError):
    """A metric that does not exist on a grid."""


class Interrupted(OpbenchError):
    """A run that the user stopped; says how to go on. Exits with code 130, the shell's 128 + SIGINT."""

    exit_code = 130


def out_of_memory(error: BaseException) -> bool:
    """Whether memory did not suffice; torch has no class of its own for that of the CPU."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "memory" in str(error))
