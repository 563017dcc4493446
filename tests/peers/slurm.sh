#!/bin/sh
# A Slurm of four nodes on this machine, on loopback, without an init system. Run as root.
# usage: slurm.sh start DIRECTORY USER    start it; the configuration for clients is DIRECTORY/slurm.conf
#        slurm.sh stop DIRECTORY          end it, and remove DIRECTORY
# munged runs as munge, slurmctld as slurm, the four slurmd as root, as everywhere; jobs are submitted by anybody. USER may write
# `restart`, `down` or `up` into DIRECTORY/ask, which does that to the controller; the answer appears in DIRECTORY/answer.
# Debian's programs are called slurmctld-wlm, slurmd-wlm behind alternatives, so processes are known by their pid files alone.
set -eu
verb=$1
D=$2
NODES=4

ends() { # ends PIDFILE: TERM, and KILL after three seconds
    pid=$(cat "$1" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 30); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
}

controller() {
    # As the distribution's service does it: not root, so that its files are its own.
    setpriv --reuid slurm --regid slurm --clear-groups env SLURM_CONF="$D/slurm.conf" slurmctld </dev/null >"$D/log/slurmctld.out" 2>&1
}

configuration() {
    host=$(hostname -s)
    base=$((20000 + $(printf %s "$D" | cksum | cut -d' ' -f1) % 2000 * 8))
    memory=$(awk '/MemTotal/ { print int($2 / 1024 * 0.9 / '$NODES') }' /proc/meminfo)
    tracking=proctrack/linuxproc
    task=task/none
    # Hybrid and pure version 1 hierarchies; Slurm 22.05 takes version 2 only with systemd.
    if [ "$1" = cgroup ]; then
        tracking=proctrack/cgroup
        task=task/cgroup
        cat >"$D/cgroup.conf" <<C
CgroupMountpoint=/sys/fs/cgroup
CgroupPlugin=cgroup/v1
CgroupAutomount=no
ConstrainRAMSpace=yes
AllowedRAMSpace=100
C
    fi
    cat >"$D/slurm.conf" <<C
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=slurm
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$D/munge/socket
CredType=cred/munge
SlurmctldPort=$base
SlurmctldPidFile=$D/ctld/slurmctld.pid
SlurmdPidFile=$D/run/slurmd.%n.pid
SlurmctldLogFile=$D/ctld/slurmctld.log
SlurmdLogFile=$D/log/slurmd.%n.log
StateSaveLocation=$D/ctld/state
SlurmdSpoolDir=$D/spool/%n
ProctrackType=$tracking
TaskPlugin=$task
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=64
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=60
MessageTimeout=20
InactiveLimit=0
KillWait=5
MinJobAge=300
Waittime=0
PropagateResourceLimits=NONE
$(for n in $(seq $NODES); do echo "NodeName=n$n NodeHostname=$host NodeAddr=127.0.0.1 Port=$((base + n)) CPUs=2 RealMemory=$memory State=UNKNOWN"; done)
PartitionName=main Nodes=n[1-$NODES] Default=YES MaxTime=60 State=UP
C
}

daemons() {
    [ -s "$D/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom >"$D/munge/key" && chown munge:munge "$D/munge/key")
    [ -S "$D/munge/socket" ] || setpriv --reuid munge --regid munge --clear-groups munged --force --socket="$D/munge/socket" --key-file="$D/munge/key" \
        --pid-file="$D/munge/pid" --log-file="$D/munge/log" --seed-file="$D/munge/seed" </dev/null >"$D/log/munged.out" 2>&1
    controller
    for n in $(seq $NODES); do
        mkdir -p "$D/spool/n$n"
        # Its own host name, as on machines of their own.
        SLURM_CONF="$D/slurm.conf" unshare --uts sh -c "hostname n$n; exec slurmd -N n$n" </dev/null >"$D/log/slurmd.n$n.out" 2>&1
    done
}

is_ready() {
    for _ in $(seq 100); do
        [ "$(SLURM_CONF="$D/slurm.conf" timeout 5 sinfo -h -N -t idle -o %N 2>/dev/null | wc -l)" -ge $NODES ] && return 0
        sleep 0.1
    done
    return 1
}

down() {
    for n in $(seq $NODES); do ends "$D/run/slurmd.n$n.pid"; done
    ends "$D/ctld/slurmctld.pid"
}

keep() { # what USER asks for, until DIRECTORY is gone
    while [ -e "$D/slurm.conf" ]; do
        if [ -s "$D/ask/word" ]; then
            word=$(cat "$D/ask/word")
            rm -f "$D/ask/word"
            case $word in
            restart) ends "$D/ctld/slurmctld.pid"; controller ;;
            down) ends "$D/ctld/slurmctld.pid" ;;
            up) controller ;;
            esac
            echo "$word" >"$D/ask/answer"
        fi
        sleep 0.2
    done
}

case $verb in
start)
    user=$3
    [ ! -e "$D" ] || sh "$0" stop "$D"
    mkdir -p "$D"/log "$D"/run "$D"/ctld/state "$D"/spool "$D"/munge "$D"/ask
    chmod 755 "$D" "$D"/*
    chown slurm:slurm "$D/ctld" "$D/ctld/state"
    chown munge:munge "$D/munge"
    chown "$user:" "$D/ask"
    kind=plain
    [ ! -d /sys/fs/cgroup/memory ] || [ ! -d /sys/fs/cgroup/freezer ] || kind=cgroup
    configuration $kind
    daemons
    if ! is_ready && [ $kind = cgroup ]; then
        down
        rm -f "$D/cgroup.conf"
        configuration plain
        daemons
        kind=plain
        is_ready || kind=""
    fi
    [ -n "$kind" ] || { cat "$D"/log/*.out "$D"/ctld/slurmctld.log >&2; sh "$0" stop "$D"; exit 1; }
    echo "$kind" >"$D/kind"
    keep </dev/null >"$D/log/keep.out" 2>&1 &
    echo $! >"$D/run/keep.pid"
    ;;
stop)
    down
    ends "$D/munge/pid"
    ends "$D/run/keep.pid"
    # The groups of the nodes are the kernel's, not below DIRECTORY.
    find /sys/fs/cgroup -depth -type d -path "*/slurm_n[1-$NODES]*" -exec rmdir {} + 2>/dev/null || true
    rm -rf "$D"
    ;;
*)
    echo "usage: slurm.sh start DIRECTORY USER | stop DIRECTORY" >&2
    exit 125
    ;;
esac
