#!/bin/sh
# What every program of lxc.c begins with; /bin/sh on a host, as root. One call of a function of this
# folder is one round trip: lxc.c sends the files that it needs. A container NAME of ours is $base/NAME: config (ours, with the machine's UUID in its
# first line), rootfs (where its disk is mounted), disk.N (further disks), log, and while it moves live
# `move` with the directory of its checkpoint. The disks themselves stay in the machine's directory.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
base=
locks=/run/lock

fail() {
    echo "$1" >&2
    exit 1
}

# Where LXC keeps its containers; and that it is there at all.
begin() {
    command -v lxc-start >/dev/null ||
        fail 'there is no LXC on this host: install the package lxc (onehost prepare --hypervisor lxc). Containers of libvirt are the flavour lxc_libvirt'
    base=$(lxc-config lxc.lxcpath 2>/dev/null)
    base=${base:-/var/lib/lxc}
}

# One change of a container at a time, also when the one who began it has gone away. 9 is the lock.
lock() { # NAME SECONDS
    mkdir -p "$locks"
    exec 9>"$locks/globule-lxc-$1" && flock -w "$2" 9 || fail "another change of $1 on this host does not end"
}

uuid_of() { # NAME
    sed -n '1s/^# one.uuid = //p' "$base/$1/config" 2>/dev/null
}

# RUNNING FROZEN STOPPED ... by LXC itself; ABSENT: it has none of that name.
raw_state() { # NAME
    [ -e "$base/$1/config" ] || { echo ABSENT; return; }
    lxc-info -n "$1" -sH 2>/dev/null || echo UNKNOWN
}

# One word: absent off running paused moving other; what else LXC says is told as it is. While it
# starts or ends, what becomes of it is waited for.
state() { # NAME UUID
    tries=500
    while :; do
        raw=$(raw_state "$1")
        case $raw in
        STARTING | STOPPING | ABORTING | FREEZING | THAWED) ;;
        *) break ;;
        esac
        [ $((tries = tries - 1)) -gt 0 ] || break
        sleep 0.02
    done
    own=$(uuid_of "$1")
    if [ "$raw" != ABSENT ] && [ -n "$2" ] && [ "$own" != "$2" ]; then
        echo other
        return
    fi
    case $raw in
    ABSENT) echo absent ;;
    RUNNING) echo running ;;
    FROZEN) echo paused ;;
    STOPPED) if grep -qs "^/" "$base/$1/move"; then echo moving; else echo off; fi ;;
    *) echo "$raw" ;;
    esac
}

look() { # NAME UUID
    begin
    lock "$1" 40
    state "$1" "$2"
}

clear_of_others() { # NAME UUID STATE
    [ "$3" != other ] || fail "$1 on this host is another container (the first line of $base/$1/config does not name the UUID $2); it is left alone. Rename or remove it"
}

last_words() { # NAME
    grep -h ERROR "$base/$1/log" 2>/dev/null | sed 's/.* - [^ ]*: *//; s/^.*ERROR *[^ ]* - [^ ]* - //' | head -n 3 | tr '\n' ';'
}
