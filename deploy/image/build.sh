#!/usr/bin/env bash
# Build the serving image of a variant: cpu or gpu. Prints its size, and leaves its list of packages (SBOM) in build/.
#
# BACKEND     docker (default), podman or buildah
# BASE_IMAGE  an image with Python 3.11, its venv module and CA certificates (default python:3.11-slim-bookworm)
# IMAGE       the image's name (default jubako); the tag is the project's version and the variant
# BUNDLES     1 (default): the image carries the stored bundles of JUBAKO_MODELS; 0: they are mounted, see JUBAKO_STORE
# INDEX_URL   a mirror of the package index
# TENSORRT, TENSORRT_INDEX   a version of tensorrt-cu13-libs 10 to add to the gpu image, and its maker's index
# BUILD_OPTS  further arguments of `bentoml containerize`
set -euo pipefail
cd "$(dirname "$0")/../.."
variant=${1:?cpu or gpu}
backend=${BACKEND:-docker}
python=$(realpath --no-symlinks "$(command -v "${PYTHON:-python3}")")
version=$("$python" -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')
revision=$(git describe --always --dirty --abbrev=40 2>/dev/null || echo unknown)
name=${IMAGE:-jubako}:$version-$variant
sbom=build/jubako-$version-$variant.cdx.json
case $backend in buildah) engine=podman ;; *) engine=$backend ;; esac
if [ "${BUNDLES:-1}" = 0 ]; then export JUBAKO_MODELS='[]'; fi

tag=$("$python" -m bentoml build --output tag | sed -n 's/^__tag__://p')
options=(
    --opt "build-arg=VARIANT=$variant" --opt "build-arg=VERSION=$version" --opt "build-arg=REVISION=$revision"
    --opt "build-arg=SOURCE=${SOURCE:-$(git config --get remote.origin.url || echo unknown)}"
)
for argument in BASE_IMAGE INDEX_URL TENSORRT TENSORRT_INDEX; do
    if [ -n "${!argument:-}" ]; then options+=(--opt "build-arg=$argument=${!argument}"); fi
done
# OCI's own format has no health check
if [ "$backend" != docker ]; then options+=(--opt format=docker); fi
# BentoML copies the Bento to a temporary folder, and reads templates only below the working directory
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086
(cd "$work" && TMPDIR=$work "$python" -m bentoml containerize "$tag" --backend "$backend" -t "$name" \
    "${options[@]}" ${BUILD_OPTS:-})

mkdir -p build
inside() { "$engine" run --rm --no-healthcheck --network none "$name" "$@"; }
inside cat /app/sbom.cdx.json >"$sbom"
bytes=$("$engine" image inspect --format '{{.Size}}' "$name")
models=$(inside du --summarize --bytes /app/bento/models | cut -f1)
echo "$name: $((bytes / 1000000)) MB, of which bundles $((models / 1000000)) MB; packages: $sbom"
if [ "$variant" = cpu ] && [ $((bytes - models)) -gt 600000000 ]; then
    echo "the image is above 600 MB without its bundles: see what grew in $sbom" >&2
    exit 1
fi
