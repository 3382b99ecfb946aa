#!/bin/sh
# Serves the image's Bento; arguments that begin with a dash go to `bentoml serve`, others are a command of their own.
# JUBAKO_STORE: a directory with a model store, mounted; its bundles are served in place of the image's own.
set -eu

case "${1:--}" in
-*) ;;
*) exec "$@" ;;
esac

mkdir -p "$BENTOML_HOME"
target=/app/bento
if [ -n "${JUBAKO_STORE:-}" ]; then
    if [ ! -d "$JUBAKO_STORE" ]; then
        echo "JUBAKO_STORE names $JUBAKO_STORE, which is no directory: mount a model store there, or unset it" >&2
        exit 78
    fi
    ln -sfn "$JUBAKO_STORE" "$BENTOML_HOME/models"
    target=/app/bento/src
fi
export BENTOML_PORT="${BENTOML_PORT:-${PORT:-3000}}"
exec bentoml serve "$target" "$@"
