"""The `jubako` command, which is also `python -m jubako`. Its packages are the server's, not the client's."""

import sys

SERVING = frozenset(
    {
        "bentoml",
        "faiss",
        "onnxruntime",
        "orjson",
        "pydantic",
        "pydantic_settings",
        "rich",
        "tokenizers",
        "typer",
        "yaml",
    }
)
"""What the extra `cpu` brings; whatever else a command may miss comes with `train`."""
ROOMS = frozenset({"bundle", "configs", "export", "features", "jubako", "models", "serving", "training", "wire"})


def main() -> None:
    """Run the command, or tell in one line what has to be installed for it."""
    try:
        from jubako.cli import app

        app()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in ROOMS:
            raise
        extras = "cpu" if package in SERVING else "cpu,train"
        print(f"jubako: {package} is not installed; pip install 'jubako[{extras}]'", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
