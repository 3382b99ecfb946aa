#!/usr/bin/env bash
# Run a command with podman on a Debian machine that has neither a container daemon nor a registry, as root:
#
#     deploy/image/sandbox.sh make image image-test
#
# The base image is made from Debian's own packages. Containers share the host's network, and runc takes the place of
# crun, which does not know cgroups of both versions side by side. Certificates of this machine are lent to builds, so
# that a mirror of the package index behind a proxy is trusted; they do not stay in the image.
set -euo pipefail
work=${WORK:-/tmp/jubako-sandbox}
certificates=/etc/ssl/certs/ca-certificates.crt
mkdir -p "$work"

needed=(podman buildah runc conmon netavark uidmap catatonit iptables mmdebstrap)
if ! dpkg --status "${needed[@]}" >/dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${needed[@]}" >/dev/null
fi

cat >"$work/containers.conf" <<'C'
[containers]
default_ulimits = ["nofile=8192:8192", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
C
export CONTAINERS_CONF=$work/containers.conf BACKEND=podman
export BASE_IMAGE=${BASE_IMAGE:-localhost/jubako-base:bookworm}
export BUILD_OPTS="${BUILD_OPTS:-} --opt volume=$certificates:$certificates:ro"

if ! podman image exists "$BASE_IMAGE"; then
    mirror=$(awk '/^URIs/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources)
    mmdebstrap --quiet --mode=root --variant=minbase --include=python3,python3-venv,ca-certificates \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$work/base.tar" "$mirror"
    podman import --quiet "$work/base.tar" "$BASE_IMAGE"
    rm "$work/base.tar"
fi
"$@"
