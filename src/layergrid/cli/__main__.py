"""`python -m layergrid.cli`: the command line without its script."""

from layergrid.cli import main

main()
