"""Print the bundles that a Bento carries, as JUBAKO_MODELS takes them, in the order in which they are served."""

import json
import sys

from bentoml import Bento

from serving.selection import served_tags
from serving.settings import Settings


def carried(path: str) -> list[str]:
    """Return `name:version` of each; none where the Bento was built without."""
    bento = Bento.from_path(path)
    return served_tags(Settings(), bento) if bento.info.all_models else []


if __name__ == "__main__":
    print(json.dumps(carried(sys.argv[1])))
