#!/bin/sh
# What takes too long for `make test`: large images entry by entry against umoci and podman, the real udocker, 200 kills (CRASH_POINTS),
# programs that call docker or podman, and full disks while bundles are packed.
. "$(dirname "$0")/setup.sh"
make_base
stage "packages" packages large mmdebstrap buildah python3 python3-venv python3-pip
IMAGES=${PEER_IMAGES:-/var/tmp/sampan-images}
[ -e "$IMAGES/medium/index.json" ] || stage "medium image" sh "$ROOT/scripts/medium_image.sh" "$IMAGES/medium"
[ -e "$IMAGES/large/oci/index.json" ] || stage "large image" sh "$ROOT/scripts/large_image.sh" "$IMAGES/large/oci"
udocker() { [ -x "$BASE/venv-udocker/bin/udocker" ] || { $PY -m venv "$BASE/venv-udocker" && "$BASE/venv-udocker/bin/pip" install -qq udocker; }; }
stage "udocker" udocker
stage "clients of docker" environment more-clients miniwdl parsl psij-python pulsar-app
exec 9>&-
export SAMPAN_TEST_ENV="SAMPAN_LARGE_IMAGES=$IMAGES/medium:$IMAGES/large/oci CRASH_POINTS=${CRASH_POINTS:-200} UDOCKER=$BASE/venv-udocker/bin/udocker"
exec "$ROOT/scripts/test.sh" -q --durations=10 tests/images/test_real_images.py tests/journeys/test_adopt.py tests/journeys/test_crashes.py \
    tests/unit/test_store_crash.py tests/compat/test_clients.py tests/compat/test_more_clients.py tests/journeys/test_full_disk_bundles.py
