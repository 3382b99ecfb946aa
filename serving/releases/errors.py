"""What a person can do wrong with releases, or find broken."""


class ReleaseError(Exception):
    """A change that cannot be made, or a file that cannot be read; the message tells what to do."""
