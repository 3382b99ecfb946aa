"""The error that an export raises when it cannot go on."""

from bundle.errors import BundleError


class ExportError(BundleError):
    """A checkpoint cannot become a bundle; the message says what is wrong and what to do."""
