# Sourced by the shell scripts here: `case_ NAME COMMAND...` runs a command and shows what it printed and how it ended. Lines that
# begin with `== ` are what the rig compares one by one.
case_() {
    echo "== $1"
    shift
    "$@" 2>&1
    echo "status $?"
}
umask 022
cd /work || exit 1
