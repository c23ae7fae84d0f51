#!/bin/sh
# Whether a container can move, and how: what is in it that CRIU cannot write or restore, and what the host
# has. It changes nothing. Needs base.sh, users.sh, figures.sh and sockets.sh.
# shellcheck disable=SC2154 # other files set them

# What CRIU 4.1 cannot write or restore, of one process; the kinds are told once each.
trouble_of() { # PID INIT
    name=$(cat "/proc/$1/comm") || return
    for kind in pid net mnt ipc user; do
        own=$(readlink "/proc/$1/ns/$kind") || return
        # Services of systemd have mounts of their own: CRIU can restore these.
        [ $kind = mnt ] || [ "$own" = "$(readlink "/proc/$2/ns/$kind")" ] || echo "namespace $kind of $name"
    done
    # One that ended meanwhile has no parent to be read; nor has one that is being made.
    parent=$(sed -n 's/^PPid:\t//p' "/proc/$1/status")
    from=$(readlink "/proc/$parent/ns/pid")
    [ "$1" = "$2" ] || [ -z "$from" ] || [ "$from" = "$(readlink "/proc/$2/ns/pid")" ] ||
        [ "$parent" != "$(sed -n 's/^PPid:\t//p' "/proc/$1/status")" ] ||
        echo "attached $name, which was started from outside (onevm console, lxc-attach)"
    # shellcheck disable=SC2012 # names of ours: numbers
    ls -l "/proc/$1/fd" 2>/dev/null | sed -n 's/.* -> //p' | while read -r file; do
        case $file in
        /dev/null | /dev/zero | /dev/full | /dev/random | /dev/urandom | /dev/tty | /dev/ptmx | /dev/pts/* | /dev/shm/* | /dev/mqueue/* | /dev/net/tun) ;;
        /dev/*) echo "device $file is open in $name" ;;
        anon_inode:\[io_uring\] | anon_inode:*bpf* | anon_inode:\[perf_event\] | anon_inode:\[fanotify\] | anon_inode:\[userfaultfd\] | anon_inode:kvm*) echo "file $file is open in $name" ;;
        esac
    done
    ! grep -qE "^[0-9]+: .* $1 [0-9a-f]+:" /proc/locks || echo "lock of a file is held by $name"
}

troubles() { # NAME INIT
    group_of "$1"
    find "${group:-/nowhere}" -name cgroup.procs -exec cat {} + 2>/dev/null | while read -r pid; do
        trouble_of "$pid" "$2" 2>/dev/null
    done
    awk '{ for (i = 7; i <= NF; i++) if ($i == "-") { type = $(i + 1); break }
        if (type ~ /^(fuse|nfs|cifs|9p|ceph)/) print "mount", $5, "is of type", type }' "/proc/$2/mountinfo" 2>/dev/null
}

inspect() { # NAME UUID DIRECTORY BRIDGES DISKS
    begin
    now=$(state "$1" "$2")
    echo "state $now"
    echo "kernel $(uname -r)"
    echo "arch $(uname -m)"
    echo "lxc $(lxc-start --version)"
    if command -v criu >/dev/null; then
        version=$(criu --version 2>/dev/null | sed -n 's/^Version: //p')
        echo "criu ${version:-?}"
        if said=$(criu check 2>&1); then echo 'check ok'; else echo "check $(echo "$said" | sed -n 's/.*Error ([^)]*): //p' | head -n 1)"; fi
    fi
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo 'groups 2'; else echo 'groups 1'; fi
    ! can_shift || echo 'shifts yes'
    sed -n -e 's/^MemAvailable: *\([0-9]*\).*/available \1/p' /proc/meminfo
    for bridge in $4; do
        [ ! -d "/sys/class/net/$bridge/bridge" ] || echo "bridge $bridge"
    done
    place=$3
    while [ ! -d "$place" ] && [ "$place" != / ]; do place=$(dirname "$place"); done
    echo "space $(df -Pk "$place" | awk 'NR == 2 { print $4 }')"
    echo "place $(stat -c '%i %W' "$3" 2>/dev/null)"
    used=0
    for pair in $5; do
        used=$((used + $(du -Lsk "$3/disk.${pair%%:*}" 2>/dev/null | cut -f1 || echo 0) + 0))
    done
    echo "disks $used"
    [ "$now" = running ] || return 0
    figures "$1"
    echo "memory $memory"
    ! grep -qs '^lxc.console.path = none' "$base/$1/config" || echo 'plain yes'
    [ -z "$(users_of "$1")" ] || echo 'shifted yes'
    ! has_cards "$1" || echo 'cards yes'
    troubles "$1" "$(lxc-info -n "$1" -pH)" | sort -u | head -n 12 | sed 's/^/trouble /'
    sockets_in_the_way "$1" | sed 's/^/trouble socket /'
}
