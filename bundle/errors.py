"""The one error that anything wrong with a bundle raises."""


class BundleError(Exception):
    """A bundle cannot be trusted or used; the message names the file and what is wrong with it."""
