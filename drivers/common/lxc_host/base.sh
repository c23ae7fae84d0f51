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
held=

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

# One change of a container at a time, also when the one who began it has gone away. 9 is the lock. What has it
# may ask for it again. Whoever asks has SECONDS for all of it; a part of them is left for what CRIU still does.
lock() { # NAME SECONDS
    [ "$held" != "$1" ] || return 0
    clock
    until=$((clock + $2))
    mkdir -p "$locks"
    exec 9>"$locks/globule-lxc-$1" && flock -w $(($2 - $2 / 4)) 9 || fail "another change of $1 on this host does not end"
    held=$1
    [ ! -s "$base/$1/reading" ] || end_reading "$1" "$until"
    ! grep -qs '^writing ' "$base/$1/move" || end_writing "$1" "$until"
}

# Seconds since the host was started: no program is needed to ask, and nobody sets them.
clock() { # sets clock
    read -r clock _ </proc/uptime
    clock=${clock%.*}
}

# The words of a process are what it says of itself, so a guest could say these. Those that LXC begins here are
# in the namespace of this host and nobody else's; those that CRIU has made in the namespace of a container
# are its own program until they become what they were: of Debian's, or the one that onehost prepare gets, which
# runs by its own ld-linux and so has that name itself. A setuid program has the number of its user first.
is_ours() { # PID
    awk -v me="$(id -u)" '$1 == "Uid:" { own = $2 == me } $1 == "NSpid:" { inner = NF > 2 } END { exit inner ? 2 : !own }' "/proc/$1/status" 2>/dev/null
    case $? in
    0) grep -qszxE -e '(.*/)?(criu|lxc-checkpoint)' "/proc/$1/cmdline" ;;
    2) program=$(stat -Lc %d:%i "/proc/$1/exe" 2>/dev/null) && path=$(command -v criu) &&
        stat -Lc %d:%i "$path" "$(dirname "$(readlink -f "$path")")"/lib/ld-linux* 2>/dev/null | grep -qx "$program" ;;
    *) return 1 ;;
    esac
}

# Who works with a checkpoint: lxc-checkpoint and CRIU have its directory as a word. They outlive those who
# began them. A monitor may have the words with which it began, so the kind is asked for, too.
workers() { # DIRECTORY "dump|-s" or "restore|-r"
    grep -lszxF -e "$1" /proc/[0-9]*/cmdline | while read -r file; do
        worker=${file#/proc/}
        ! grep -qszxE -e "$2" "$file" || ! is_ours "${worker%/*}" || echo "${worker%/*}"
    done
}

await_workers() { # DIRECTORY KIND UNTIL: fails when they go on
    while [ -n "$(workers "$1" "$2")" ]; do
        clock
        [ "$clock" -lt "$3" ] || return 1
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
end_writing() { # NAME UNTIL
    images=$(sed -n 's/^writing //p' "$base/$1/move")
    await_workers "$images" 'dump|-s' "$2" || fail "CRIU still writes the memory of $1 to $images on this host, for somebody who is gone: ask again later"
    thaw "$1"
    if [ -s "$images/stats-dump" ]; then
        until clock && [ "$(raw_state "$1")" = STOPPED ] || [ "$clock" -gt $(($2 + 3)) ]; do sleep 0.04; done
        printf '%s\n%s\n' "$images" "$(sed -n 2p "$base/$1/move")" >"$base/$1/move.part" && mv -f "$base/$1/move.part" "$base/$1/move"
        return
    fi
    # Without that, what is there may be older than its disks.
    rm -f "$base/$1/move"
    rm -rf "$images"
}

# The same when it was read: it runs in the end, or nobody goes on with it.
# Behind its directory `reading` names what goes when it has served.
end_reading() { # NAME UNTIL
    images=$(sed 1q "$base/$1/reading")
    until [ "$(raw_state "$1")" = RUNNING ] || [ -z "$(workers "$images" 'restore|-r')" ]; do
        clock
        [ "$clock" -lt $(($2 + 3)) ] || fail "CRIU cannot be ended on this host, where it reads the memory of $1 from $images: ask again later"
        # shellcheck disable=SC2046 # a list
        [ "$clock" -lt "$2" ] || kill -9 $(workers "$images" 'restore|-r') 2>/dev/null
        sleep 0.1
    done
    [ "$(raw_state "$1")" != RUNNING ] || drop_served "$1"
    rm -f "$base/$1/reading"
}

# Its memory is in it again.
drop_served() { # NAME
    rm -f "$base/$1/move"
    sed 1d "$base/$1/reading" | while read -r path; do rm -rf "$path"; done
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
# starts or ends, what becomes of it is waited for; also when LXC gives no answer, which it may at the next asking.
state() { # NAME UUID
    clock
    patience=$((clock + 10))
    while :; do
        raw=$(raw_state "$1")
        case $raw in
        STARTING | STOPPING | ABORTING | FREEZING | THAWED | UNKNOWN) ;;
        *) break ;;
        esac
        clock
        [ "$clock" -lt $patience ] || break
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

# Its caller waits 50 seconds, of which it can take up to 43.
look() { # NAME UUID
    begin
    lock "$1" 30
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
