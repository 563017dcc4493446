#!/bin/sh
# The large image of the measurements and of `make test-peers`: Debian and scientific Python in eight layers, one of them with many
# removals, one with small files, links and holes; some 460 MB compressed. usage: large_image.sh LAYOUT
# Needs mmdebstrap, buildah and pip; as root or as an ordinary user with subordinate ids.
set -eu
layout=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mode=""
[ "$(id -u)" = 0 ] || mode="--mode=unshare"
# shellcheck disable=SC2086
mmdebstrap $mode --variant=apt bookworm "$work/base.tar" >&2
for group in "numpy scipy pandas" "nibabel nilearn scikit-learn matplotlib dipy SimpleITK"; do
    # shellcheck disable=SC2086
    ${PY:-/usr/bin/python3} -m pip -q download --only-binary :all: --python-version 3.11 --platform manylinux2014_x86_64 \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 -d "$work/wheels" $group >&2
done
cat >"$work/app.py" <<'T'
import os
top = "/opt/app"
for number in range(2000):
    place = f"{top}/data/s{number % 50:02d}"
    os.makedirs(place, exist_ok=True)
    with open(f"{place}/f{number}.json", "w") as stream:
        stream.write('{"number": %d, "text": "%s"}\n' % (number, "x" * (number % 300)))
for number in range(100):
    os.link(f"{top}/data/s{number % 50:02d}/f{number}.json", f"{top}/linked{number}")
    os.symlink(f"data/s{number % 50:02d}", f"{top}/symlink{number}")
open(f"{top}/\N{GREEK SMALL LETTER ALPHA} name", "w").close()
os.makedirs(f"{top}/" + "/".join(["long" * 12] * 6))
with open(f"{top}/holes", "wb") as stream:
    stream.seek(5_000_000)
    stream.write(b"end")
T
cat >"$work/Containerfile" <<'T'
FROM scratch
ADD base.tar /
RUN apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates curl procps less bzip2 xz-utils python3 python3-pip python3-venv
RUN python3 -m pip -q install --break-system-packages --no-index --find-links /wheels numpy scipy pandas
RUN python3 -m pip -q install --break-system-packages --no-index --find-links /wheels nibabel nilearn scikit-learn matplotlib dipy SimpleITK
RUN apt-get install -y -q --no-install-recommends git perl libgomp1 tcsh bc gawk
RUN rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /usr/share/doc /usr/share/man && mkdir /usr/share/doc && echo stripped >/usr/share/doc/README
COPY app.py /opt/app/
RUN python3 /opt/app/app.py && chown -R 1234:1234 /opt/app && chmod 4755 /opt/app/app.py
CMD ["python3"]
T
export STORAGE_DRIVER=vfs
buildah --root "$work/storage" --runroot "$work/run" bud -q --layers --isolation chroot --network host -v "$work/wheels:/wheels:ro" \
    -t large "$work" >&2
mkdir -p "$(dirname "$layout")"
buildah --root "$work/storage" --runroot "$work/run" push -q large "oci:$layout:1"
chmod -R a+rX "$layout"
buildah --root "$work/storage" --runroot "$work/run" rmi -a -f >/dev/null 2>&1 || true
[ "$(id -u)" = 0 ] || buildah unshare rm -rf "$work/storage"
