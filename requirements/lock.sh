#!/usr/bin/env bash
# Make the locks of the images anew: every package of cpu, gpu and tools with the hashes of its files, pinned as in
# constraints.txt. UV names the installer.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
    "${UV:-uv}" pip compile --quiet --upgrade --constraint constraints.txt --python-version 3.11 \
        --python-platform x86_64-manylinux_2_28 --generate-hashes --no-annotate \
        --custom-compile-command 'make lock' "$@"
}
# The client of a model hub, and what only it needs: a server fetches nothing, and the tokeniser asks for it by name alone
hub=(huggingface-hub hf-xet tqdm filelock)
for variant in cpu gpu; do
    compile pyproject.toml --extra "$variant" "${hub[@]/#/--no-emit-package=}" --output-file "requirements/$variant.lock"
done
compile requirements/tools.in --output-file requirements/tools.lock
