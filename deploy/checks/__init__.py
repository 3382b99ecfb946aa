"""`python -m deploy.checks`: whether charts, Compose files and images would be taken where they are meant to run."""
