"""`python -m jubako`, the same as `jubako`."""

from jubako.cli import app

app()
