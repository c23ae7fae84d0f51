#!/bin/sh
# Memory in files, by CRIU: checkpoint and restore, of which live moves and suspending are made. In every
# moment a container can go on in one place only. Needs base.sh, users.sh
# and place.sh.
# shellcheck disable=SC2154 # other files set them

need_criu() {
    command -v criu >/dev/null || fail 'there is no CRIU on this host: onehost prepare --hypervisor lxc installs one'
}

# What CRIU complains of; the first complaints are the reason.
complaints() { # LOG NAME
    said=$(grep -h 'Error (' "$1" 2>/dev/null | grep -v 'RLIMIT_NOFILE' | sed 's/^([0-9.]*) *[0-9]*: //; s/^([0-9.]*) //; s/Error (\([^)]*\)): //' | head -n 3 | tr '\n' ';')
    echo "${said:-$(last_words "$2")}"
}

# Writes the memory of a running container to a new directory and ends it. When that does not work it
# goes on as before. DESTINATION: the host that is going to read it, which is noted. Prints the milliseconds
# that it took, and bytes.
checkpoint() { # NAME UUID DIRECTORY [DESTINATION]
    begin
    lock "$1" 300
    need_criu
    now=$(state "$1" "$2")
    clear_of_others "$1" "$2" "$now"
    case $now in
    running) ;;
    paused) lxc-unfreeze -n "$1" || fail "cannot thaw $1" ;;
    *) fail "$1 is $now, not running" ;;
    esac
    # Their other ends are the host's, where such a root may make nothing.
    [ -z "$(users_of "$1")" ] || ! has_cards "$1" ||
        fail "CRIU cannot restore the network cards of $1, since it has users of its own (LXC_UNPRIVILEGED): power it off instead; it goes on running"
    rm -rf "$3" "$3.back" && mkdir -m 700 "$3" || fail "cannot make $3"
    users_of "$1" >"$3/users" || fail "cannot write $3/users"
    begun=$(date +%s%N)
    rm -f "$base/$1/log"
    printf 'writing %s\n%s\n' "$3" "$4" >"$base/$1/move" || fail "cannot write $base/$1/move"
    timeout -k 5 3000 lxc-checkpoint -n "$1" -s -D "$3" -l ERROR -o "$base/$1/log" </dev/null >/dev/null 2>&1 9>&-
    status=$?
    # CRIU outlives an lxc-checkpoint that is killed: killed in its turn it could leave programs of the
    # container with another's registers, so it is let come to its end.
    clock
    await_workers "$3" 'dump|-s' $((clock + 3000)) || fail "CRIU does not end on this host: it writes the memory of $1 to $3"
    # That its disk can be unmounted proves that nothing of it runs.
    if [ $status = 0 ] || [ -s "$3/stats-dump" ]; then
        printf '%s\n%s\n' "$3" "$4" >"$base/$1/move"
        unmount_all "$1"
        [ -O "${3%/*}" ] || chown -R --reference="${3%/*}" "$3"
        echo $((($(date +%s%N) - begun) / 1000000)) "$(du -sb "$3" | cut -f1)"
        return
    fi
    thaw "$1"
    now=$(state "$1" "$2")
    rm -f "$base/$1/move"
    said=$(complaints "$3/dump.log" "$1")
    # Its memory is nowhere else; what CRIU writes last is there.
    if [ "$now" = off ] && [ -s "$3/inventory.img" ]; then
        printf '%s\n%s\n' "$3" "$4" >"$base/$1/move"
        fail "$1 has ended while its memory was written, which is kept in $3: ${said:-CRIU gives no reason}"
    fi
    rm -rf "$3"
    [ "$now" = running ] || fail "$1 is $now since its memory was to be written: ${said:-CRIU gives no reason}"
    fail "the memory of $1 cannot be written: ${said:-CRIU gives no reason}; it goes on running"
}

# Lets it go on from a checkpoint; nothing of it stays here when that does not work, unless it was here
# before. A checkpoint that has been withdrawn is not there for anybody but its owner ("own"); one that
# was "sent" here goes when it has served, and so do the PATHS, a line each.
restore() { # NAME UUID DIRECTORY CONFIG MIB DISKS IMAGES own|given|sent [PATHS]
    begin
    lock "$1" 300
    need_criu
    now=$(state "$1" "$2")
    clear_of_others "$1" "$2" "$now"
    [ "$now" != running ] || return 0
    case $now in
    off | absent | moving) ;;
    paused) fail "$1 is frozen on this host, so it is not in a checkpoint" ;;
    *) fail "$1 is $now on this host, so nothing was begun: ask again later" ;;
    esac
    images=$7
    # What it stands still with may have been written for something else.
    [ "$8" != own ] || images=$(sed -n '1s|^/|/|p' "$base/$1/move" 2>/dev/null)
    images=${images:-$7}
    given=$images
    [ "$8" != own ] || [ -d "$images" ] || images=$images.back
    [ -d "$images" ] || fail "there is no checkpoint $given on this host (any more)"
    sweep "$1"
    # As it was, whatever its template says now. Older checkpoints are of those without users of their own.
    furnish "$1" "$3" "$4" "$5" "$6" "$(cat "$images/users" 2>/dev/null)"
    rm -f "$base/$1/log" "$images/restore.log"
    # CRIU reads some of it as the container's root, who is nobody else here.
    # shellcheck disable=SC2154 # furnish sets users
    [ -z "$users" ] || { chgrp -R "${users##* }" "$images" && chmod -R g+rX "$images"; } ||
        fail "cannot give $images to the users of $1"
    served=$9
    [ "$8" = given ] || served=$(printf '%s\n' "$given" "$given.back")
    printf '%s\n' "$images" ${served:+"$served"} >"$base/$1/reading" || fail "cannot write $base/$1/reading"
    timeout -k 5 3000 lxc-checkpoint -n "$1" -r -d -D "$images" -l ERROR -o "$base/$1/log" </dev/null >/dev/null 2>&1 9>&- &
    crew=$! # timeout leads a group of processes
    wait $crew
    now=$(state "$1" "$2")
    if [ "$now" = running ]; then
        drop_served "$1"
        return
    fi
    said=$(complaints "$images/restore.log" "$1")
    # CRIU outlives an lxc-checkpoint that is killed, and would go on.
    kill -9 "-$crew" 2>/dev/null
    rm -f "$base/$1/reading"
    timeout 30 lxc-stop -n "$1" -k >/dev/null 2>&1 9>&-
    sweep "$1"
    if [ -e "$base/$1/move" ]; then unmount_all "$1"; else forget "$1"; fi
    fail "$1 does not go on from its checkpoint: ${said:-CRIU gives no reason}"
}

# After a restore that failed, or was never heard of: says whether it runs here all the same; else it
# cannot any more, since the checkpoint is taken away. SHARED: for its owner it is there as before.
withdraw() { # NAME UUID IMAGES SHARED
    begin
    lock "$1" 300
    now=$(state "$1" "$2")
    case $now in
    running | paused | other) ;;
    absent | off | moving)
        sweep "$1"
        [ "$now" = absent ] || forget "$1"
        if [ "$4" != 1 ]; then
            rm -rf "$3"
        elif [ -d "$3" ]; then
            mv -T "$3" "$3.back" || fail "cannot take back $3"
        fi
        now=absent ;;
    *) fail "$1 is $now" ;;
    esac
    echo "$now"
}

# It runs elsewhere: nothing of it is needed here. Never one that runs.
leave() { # NAME UUID
    begin
    lock "$1" 60
    now=$(state "$1" "$2")
    case $now in
    off | moving)
        images=$(sed 1q "$base/$1/move" 2>/dev/null)
        sweep "$1"
        forget "$1"
        [ -z "$images" ] || rm -rf "$images" "$images.back" ;;
    absent | other) ;;
    *) fail "$1 is $now on this host" ;;
    esac
}

# The host that may be reading the memory of one that stands still here; "" when that is not known.
given_to() { # NAME
    begin
    lock "$1" 60
    sed -n 2p "$base/$1/move"
}

# Into one file, as oned knows checkpoints, and out of it. When there is no room it goes on here.
save() { # NAME UUID FILE DIRECTORY CONFIG MIB DISKS
    checkpoint "$1" "$2" "$3.d" >/dev/null
    if said=$(tar -C "$3.d" -cf "$3.part" . 2>&1) && chown --reference="$(dirname "$3")" "$3.part" && sync "$3.part" && mv -f "$3.part" "$3"; then
        forget "$1"
        rm -rf "$3.d"
        return
    fi
    rm -f "$3.part"
    restore "$1" "$2" "$4" "$5" "$6" "$7" "$3.d" own
    fail "the checkpoint cannot be kept: $said; $1 goes on running"
}

resume() { # NAME UUID FILE DIRECTORY CONFIG MIB DISKS
    begin
    lock "$1" 300
    case $(state "$1" "$2") in running) return ;; paused) lxc-unfreeze -n "$1"; return ;; esac
    if [ ! -s "$3" ] && [ "$(state "$1" "$2")" = moving ]; then # the host ended while it was saved
        restore "$1" "$2" "$4" "$5" "$6" "$7" "$3.d" own
        return
    fi
    [ -s "$3" ] || fail "there is no checkpoint $3 on this host"
    rm -rf "$3.d" && mkdir -m 700 "$3.d" && said=$(tar -C "$3.d" -xf "$3" 2>&1) || fail "cannot read the checkpoint: $said"
    # Not its owner: what was saved stays until it runs.
    (restore "$1" "$2" "$4" "$5" "$6" "$7" "$3.d" given "$(printf '%s\n' "$3.d" "$3")") && return
    rm -rf "$3.d"
    exit 1
}
