"""The error that training raises when it cannot go on."""


class TrainingError(Exception):
    """A configuration, data set, run or step is not what training needs; the message says what to do."""
