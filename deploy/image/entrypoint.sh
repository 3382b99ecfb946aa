#!/bin/sh
# Serves the image's Bento; arguments that begin with a dash go to `bentoml serve`, others are a command of their own.
# JUBAKO_STORE: a directory with a model store, mounted; its bundles are served in place of the image's own.
set -eu

case "${1:--}" in
-*) ;;
*) exec "$@" ;;
esac

image=$(dirname "$0")
if [ -z "${JUBAKO_STORE:-}" ]; then
    store=$image/bento/models
    carried=$(cat "$image/models.json")
    if [ "$carried" = "[]" ]; then
        echo "this image carries no bundles: mount a model store, and name its directory in JUBAKO_STORE" >&2
        exit 78
    fi
    export JUBAKO_MODELS="${JUBAKO_MODELS:-$carried}"
elif [ -d "$JUBAKO_STORE" ]; then
    store=$JUBAKO_STORE
else
    echo "JUBAKO_STORE names $JUBAKO_STORE, which is no directory: mount a model store there, or unset it" >&2
    exit 78
fi
mkdir -p "$BENTOML_HOME"
ln -sfn "$store" "$BENTOML_HOME/models"
export BENTOML_PORT="${BENTOML_PORT:-${PORT:-3000}}"
# The source and not the Bento, which knows the services of the topology that it was built with, and no other
exec bentoml serve "$image/bento/src" "$@"
