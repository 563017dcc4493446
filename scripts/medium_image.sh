#!/bin/sh
# The medium image of the measurements: Debian, python3 and git in four layers, as an OCI layout. usage: medium_image.sh LAYOUT
# Needs mmdebstrap and buildah; as root or as an ordinary user with subordinate ids.
set -eu
layout=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mode=""
[ "$(id -u)" = 0 ] || mode="--mode=unshare"
# shellcheck disable=SC2086
mmdebstrap $mode --variant=minbase bookworm "$work/base.tar" >&2
cat >"$work/Containerfile" <<'T'
FROM scratch
ADD base.tar /
RUN apt-get update -q && apt-get install -y -q --no-install-recommends python3 && apt-get clean && rm -rf /var/lib/apt/lists/*
RUN apt-get update -q && apt-get install -y -q --no-install-recommends git && apt-get clean && rm -rf /var/lib/apt/lists/*
RUN echo medium > /etc/motd
CMD ["bash"]
T
export STORAGE_DRIVER=vfs
buildah --root "$work/storage" --runroot "$work/run" bud -q --layers --isolation chroot --network host -t medium "$work" >&2
mkdir -p "$(dirname "$layout")"
buildah --root "$work/storage" --runroot "$work/run" push -q medium "oci:$layout:1"
chmod -R a+rX "$layout"
buildah --root "$work/storage" --runroot "$work/run" rmi -a -f >/dev/null 2>&1 || true
[ "$(id -u)" = 0 ] || buildah unshare rm -rf "$work/storage"
