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
groups=/sys/fs/cgroup

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
    [ ! -s "$base/$1/reading" ] || end_reading "$1" "$2"
    ! grep -qs '^writing ' "$base/$1/move" || end_writing "$1" "$2"
}

# Who works with a checkpoint: lxc-checkpoint and CRIU have its directory as a word. They outlive those who
# began them. A monitor may have the words with which it began, so the kind is asked for, too.
workers() { # DIRECTORY "dump|-s" or "restore|-r"
    grep -lszxF -e "$1" /proc/[0-9]*/cmdline | while read -r file; do
        ! grep -qszxE -e "$2" "$file" || echo "${file#/proc/}" | cut -d/ -f1
    done
}

await_workers() { # DIRECTORY KIND SECONDS: fails when they go on
    tries=$(($3 * 10))
    while [ -n "$(workers "$1" "$2")" ]; do
        [ $((tries = tries - 1)) -gt 0 ] || return 1
        sleep 0.1
    done
}

# CRIU freezes the groups by itself; one that is killed leaves them so, and LXC does not know of that.
thaw() { # NAME
    own_groups "$1" | while read -r group; do
        [ ! -e "$group/freezer.state" ] || echo THAWED >"$group/freezer.state"
        [ ! -e "$group/cgroup.freeze" ] || echo 0 >"$group/cgroup.freeze"
    done 2>/dev/null
}

# Whoever wrote its memory is gone and CRIU may end it any moment: that is waited for, then it is known
# what became of it. CRIU writes stats-dump when it has ended the container (cr_dump_finish()).
end_writing() { # NAME SECONDS
    images=$(sed -n 's/^writing //p' "$base/$1/move")
    await_workers "$images" 'dump|-s' "$2" || fail "CRIU still writes the memory of $1 to $images on this host, for somebody who is gone: ask again later"
    thaw "$1"
    if [ -s "$images/stats-dump" ]; then
        tries=250
        until [ "$(raw_state "$1")" = STOPPED ] || [ $((tries = tries - 1)) -lt 0 ]; do sleep 0.04; done
        printf '%s\n%s\n' "$images" "$(sed -n 2p "$base/$1/move")" >"$base/$1/move.part" && mv -f "$base/$1/move.part" "$base/$1/move"
        return
    fi
    # Without that, what is there may be older than its disks.
    rm -f "$base/$1/move"
    rm -rf "$images"
}

# The same when it was read: it runs in the end, or nobody goes on with it.
end_reading() { # NAME SECONDS
    images=$(cat "$base/$1/reading")
    tries=$(($2 * 10))
    until [ "$(raw_state "$1")" = RUNNING ] || [ -z "$(workers "$images" 'restore|-r')" ]; do
        # shellcheck disable=SC2046 # a list
        [ $((tries = tries - 1)) -gt 0 ] || kill -9 $(workers "$images" 'restore|-r') 2>/dev/null
        sleep 0.1
    done
    # Its memory is in it again.
    [ "$(raw_state "$1")" != RUNNING ] || rm -f "$base/$1/move"
    rm -f "$base/$1/reading"
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

# The control groups that LXC and CRIU have made for it, of both versions. A start gets "-N" behind the name
# while what an earlier one left has that; one that is another container's is not its. Of version 2 there
# is one tree, and what is deeper in it belongs to containers in containers.
own_groups() { # NAME
    for top in "$groups" "$groups"/*; do
        [ "$top" = "$groups" ] || [ ! -e "$groups/cgroup.controllers" ] || continue
        for kind in payload monitor; do
            for group in "$top/lxc.$kind.$1" "$top/lxc.$kind.$1"-[0-9] "$top/lxc.$kind.$1"-[0-9][0-9]; do
                [ -d "$group" ] || continue
                [ "$group" = "$top/lxc.$kind.$1" ] || ! [ -e "$base/${group#"$top/lxc.$kind."}/config" ] || continue
                echo "$group"
            done
        done
    done
}

clear_of_others() { # NAME UUID STATE
    [ "$3" != other ] || fail "$1 on this host is another container (the first line of $base/$1/config does not name the UUID $2); it is left alone. Rename or remove it"
}

last_words() { # NAME
    grep -h ERROR "$base/$1/log" 2>/dev/null | sed 's/.* - [^ ]*: *//; s/^.*ERROR *[^ ]* - [^ ]* - //' | head -n 3 | tr '\n' ';'
}
