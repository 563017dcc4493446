#!/bin/bash
# Go's own tests of what touches the system, and the compiler. Test binaries are compiled once by the native side into /cache.
. /tools/guest/cases.sh
export PATH=/usr/lib/go-1.19/bin:$PATH HOME=/work GOCACHE=/cache/go GOFLAGS=-mod=mod GO111MODULE=auto GOTMPDIR=/work GOMAXPROCS=2
if [ "$1" = prepare ]; then
    for package in os os/exec os/signal syscall path/filepath io/ioutil internal/poll net/internal/socktest; do
        [ -x "/cache/$(echo $package | tr / _).test" ] || go test -c -o "/cache/$(echo $package | tr / _).test" $package || exit 1
    done
    exit 0
fi
tests() {
    cd "/usr/lib/go-1.19/src/$1" 2>/dev/null || cd "/usr/share/go-1.19/src/$1" || return
    "/cache/$(echo "$1" | tr / _).test" -test.v -test.short -test.timeout 120s 2>&1 | sed -n "s,^ *--- \([A-Z]*\): \([^ ]*\).*,== $1 \2\n\1,p"
    echo "== $1 as a whole"; echo "status ${PIPESTATUS[0]}"
}
for package in os os/exec os/signal syscall path/filepath io/ioutil internal/poll; do tests $package; done
cd /work || exit 1
cat >walk.go <<'X'
package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

func main() {
	n := 0
	filepath.WalkDir("/usr/share/doc", func(p string, d fs.DirEntry, err error) error { n++; return err })
	var wait sync.WaitGroup
	for i := 0; i < 50; i++ {
		wait.Add(1)
		go func() { defer wait.Done(); exec.Command("/nowhere/x").Run(); exec.Command("true").Run(); os.ReadFile("/etc/passwd") }()
	}
	wait.Wait()
	exe, _ := os.Executable()
	fmt.Println(n, exe)
}
X
case_ "build and run, static" sh -c 'CGO_ENABLED=0 go build -o walk walk.go && ./walk'
case_ "build and run, cgo" sh -c 'sed -i "s,^import (,import \"C\"\nimport (," walk.go; go build -o walkc walk.go && ./walkc'
case_ "vet and list" sh -c 'go vet walk.go; go list os/exec; go env GOROOT'
