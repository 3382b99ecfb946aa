"""Run every check and say what was done."""

import sys

from deploy.checks.chart import check_chart
from deploy.checks.compose import check_compose
from deploy.checks.image import check_image
from deploy.checks.tools import CheckError


def main() -> int:
    """Return 0 when all would be taken, else 1."""
    for check in (check_chart, check_compose, check_image):
        try:
            print(f"{check.__name__.removeprefix('check_')}: {check()}")
        except CheckError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
