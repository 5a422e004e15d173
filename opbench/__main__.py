"""`python -m opbench` is `opbench`."""

from opbench.cli import main

main()
