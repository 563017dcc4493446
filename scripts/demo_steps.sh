#!/bin/sh
# The steps of the demo, as the ordinary user. usage: demo_steps.sh WORK SAMPAN [IMAGE]
set -eu
WORK=$1 SAMPAN=$2 IMAGE=${3:-}
export SAMPAN_HOME="$WORK/store" SAMPAN_RUNTIME_DIR="$WORK/runtime"
cd "$WORK"
registry="" server=""
cleanup() {
    for one in $registry $server; do
        kill "$one" 2>/dev/null || true
        wait "$one" 2>/dev/null || true
    done
    tries=0
    while grep -q " $WORK/" /proc/mounts && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# step TITLE COMMAND...: show the command, run it, show its time.
step() {
    printf '\n== %s\n' "$1"; shift
    printf '$ %s\n' "$(echo "$*" | sed "s|$SAMPAN|sampan|g")"
    from=$(date +%s%N)
    "$@"
    took=$((($(date +%s%N) - from) / 100000))
    printf '   (%d.%d ms)\n' $((took / 10)) $((took % 10))
}

printf 'I am %s (uid %s); no daemon, no root, no configuration.\n' "$(id -un)" "$(id -u)"
if [ -z "$IMAGE" ]; then
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    IMAGE="127.0.0.1:$port/demo/tools:1"
    step "an image from this machine's own packages" python3 machine_image.py "$WORK/layout"
    printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$WORK" "$port" >registry.yml
    docker-registry serve registry.yml >registry.log 2>&1 </dev/null &
    registry=$!
    tries=0
    until python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/v2/', timeout=1)" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 50 ] || { cat registry.log; echo "the registry does not start" >&2; exit 1; }
        sleep 0.1
    done
    step "into a registry on loopback" skopeo copy -q --dest-tls-verify=false "oci:$WORK/layout:1" "docker://$IMAGE"
fi
step "pull it: verified, unpacked once" "$SAMPAN" pull "$IMAGE"
step "what is there" "$SAMPAN" images
step "run a program in it" "$SAMPAN" run "$IMAGE" sh -c 'echo "inside: $(. /etc/os-release; echo "$PRETTY_NAME"), user $(id -un), directory $(pwd)"'
step "again: nothing to fetch, nothing to copy" "$SAMPAN" run "$IMAGE" true
step "a launch file: no Python at all" "$SAMPAN" wrap -o hello-inside "$IMAGE" sh -c 'echo "hello from a launch file: $*"' sh
step "start it" ./hello-inside one two
step "a container that keeps its changes" "$SAMPAN" run --name keeper "$IMAGE" sh -c 'date > /kept; ls -l /kept'
step "and has them at the next start" "$SAMPAN" start keeper cat /kept
step "all containers" "$SAMPAN" ps -a
REPO="$WORK/srv/images.demo.example"
export SAMPAN_REPO_KEYS="$WORK/keys"
printf '# what shall be published\n%s\n' "$IMAGE" >wishlist.txt
step "a CVMFS repository, and its keys" "$SAMPAN" repo init "$REPO"
step "publish the images of a list into it, as one revision" "$SAMPAN" repo publish --list wishlist.txt "$REPO"
step "again: one request an image, no revision" "$SAMPAN" repo publish --list wishlist.txt "$REPO"
step "what is in it, verified down from the master key" "$SAMPAN" repo ls "$REPO" /
"$SAMPAN" repo serve "$REPO" >served.txt 2>/dev/null </dev/null &
server=$!
tries=0
until [ -s served.txt ]; do tries=$((tries + 1)); [ "$tries" -lt 100 ]; sleep 0.1; done
page="$(sed 's|/cvmfs/.*||' served.txt)/status/"
step "the status page: $page (and $REPO/status.html)" python3 -c 'import re, sys, urllib.request
page = urllib.request.urlopen(sys.argv[1], timeout=10).read().decode()
print("; ".join(f"{name} {value}" for name, value in re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", page)))' "$page"
export SAMPAN_CVMFS_SERVERS="$(cat served.txt)" SAMPAN_CVMFS_CACHE="$WORK/cache" SAMPAN_CVMFS_LINGER=1
step "run it from the repository: only what it reads is fetched" "$SAMPAN" run "cvmfs://images.demo.example/$IMAGE" sh -c 'echo "from $(. /etc/os-release; echo "$PRETTY_NAME") in the repository"'
# Where nothing can be mounted (no /dev/fuse), the whole image was fetched into the store, and no mount is listed.
step "how much that was, of $(du -sh "$REPO/data" | cut -f1) in the repository" "$SAMPAN" repo mounts
step "what sampan says when something is wrong" sh -c "'$SAMPAN' run '${IMAGE%:*}:nosuchtag' true || echo \"(exit status \$?)\""
printf '\nDone; %s and the registry are removed again.\n' "$WORK"
