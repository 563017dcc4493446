#!/bin/sh
# The main job, told step by step: an ordinary user pulls a multi-layer image from a registry and runs a program in it.
# usage: demo.sh [IMAGE]   without IMAGE: an image made from this machine's packages, from a registry on loopback
. "$(dirname "$0")/setup.sh"
IMAGE=${1:-}
[ -x /usr/bin/python3 ] || [ "$(id -u)" = 0 ] || { say "python3 is missing"; exit 1; }
make_base
say "== set-up (once): packages, an ordinary user, sampan itself"
stage "packages" packages demo python3 python3-venv gcc libc6-dev musl-tools procps util-linux fuse3
[ -n "$IMAGE" ] || stage "registry" packages registry docker-registry skopeo
stage "user" make_user
stage "sampan" product
WORK=$(mktemp -d /tmp/sampan-demo.XXXXXX)
[ "$(id -u)" = 0 ] && chown "$SETUP_USER:" "$WORK"
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
cp "$ROOT/scripts/demo_steps.sh" "$ROOT/scripts/machine_image.py" "$WORK/"
chmod 755 "$WORK"/demo_steps.sh "$WORK"/machine_image.py
as_user sh "$WORK/demo_steps.sh" "$WORK" "$VENV/bin/sampan" "$IMAGE"
print_stages
