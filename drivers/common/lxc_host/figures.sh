#!/bin/sh
# What the control groups of both versions tell of a container. Functions here set variables for their
# callers: `number`, `group`, `candidate`, `reads`, `writes`, `cpu`, `memory`, `most`, `frozen`.
# shellcheck disable=SC2034,SC2154 # these, and base.sh sets others

one_number() { # FILE: its first word; -1 without it
    number=-1
    ! [ -r "$1" ] || read -r number _ 2>/dev/null <"$1" || number=-1
}

# Processes are in it, or in groups below it.
is_populated() { # GROUP
    if [ -r "$1/cgroup.events" ]; then
        grep -qs '^populated 1' "$1/cgroup.events"
    else
        [ -n "$(find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null | head -n 1)" ]
    fi
}

# Of /sys/fs/cgroup, the payload of a container. A start gets "-N" behind the name while what an earlier
# one left has that, so of several it is the first with processes, else the last; none of them is that
# of another container, which may have such a name.
payload() { # HIERARCHY NAME
    group=
    for candidate in "$1/lxc.payload.$2" "$1/lxc.payload.$2"-[0-9] "$1/lxc.payload.$2"-[0-9][0-9]; do
        [ -d "$candidate" ] || continue
        [ "$candidate" = "$1/lxc.payload.$2" ] || ! [ -e "$base/${candidate#"$1/lxc.payload."}/config" ] || continue
        [ -z "$group" ] || ! is_populated "$group" || return 0
        group=$candidate
    done
}

# The control group whose processes are all of a container's.
group_of() { # NAME
    for top in /sys/fs/cgroup /sys/fs/cgroup/pids; do
        payload $top "$1"
        [ -z "$group" ] || break
    done
}

# Bytes of all disks, read and written: version 2 says "8:0 rbytes=1 wbytes=2 ..." each.
block_bytes() { # GROUP
    reads=-1 writes=-1
    [ -r "$1/io.stat" ] || return
    reads=0 writes=0
    while read -r _ words; do
        for word in $words; do
            case $word in
            rbytes=*) reads=$((reads + ${word#*=})) ;;
            wbytes=*) writes=$((writes + ${word#*=})) ;;
            esac
        done
    done <"$1/io.stat"
}

figures() { # NAME: sets cpu (ns), memory, most (bytes), frozen, reads, writes
    cpu=-1 memory=-1 most=-1 frozen=0 reads=-1 writes=-1
    top=$groups
    if [ -e $top/cgroup.controllers ]; then
        payload $top "$1"
        [ -n "$group" ] || return
        read -r _ cpu <"$group/cpu.stat" && cpu=$((cpu * 1000))
        one_number "$group/memory.current" && memory=$number
        # "max": no limit.
        one_number "$group/memory.max" && [ "$number" != max ] && most=$number
        one_number "$group/cgroup.freeze" && frozen=$number
        block_bytes "$group"
        return
    fi
    payload $top/cpuacct "$1"
    [ -n "$group" ] || payload $top/cpu,cpuacct "$1"
    one_number "$group/cpuacct.usage" && cpu=$number
    payload $top/memory "$1"
    one_number "$group/memory.usage_in_bytes" && memory=$number
    one_number "$group/memory.limit_in_bytes" && most=$number
    payload $top/freezer "$1"
    one_number "$group/freezer.state"
    [ "$number" = -1 ] || [ "$number" = THAWED ] || frozen=1
    reads=-1 writes=-1
}
