#!/bin/sh
# Start, end, restart, limits and freezing of a container. Needs base.sh, users.sh and place.sh.
# shellcheck disable=SC2154 # other files set them

deploy() { # NAME UUID DIRECTORY CONFIG MIB DISKS
    begin
    lock "$1" 300
    now=$(state "$1" "$2")
    clear_of_others "$1" "$2" "$now"
    case $now in
    running) say_raw "$3" "$6"; return ;;
    paused) lxc-unfreeze -n "$1" || fail "cannot thaw $1"; say_raw "$3" "$6"; return ;;
    off | absent) sweep "$1" ;;
    moving) fail "$1 stands still on this host with its memory in $(sed 1q "$base/$1/move"): its live move was not brought to an end" ;;
    *) fail "$1 is $now on this host, so it was not started: ask again later" ;;
    esac
    furnish "$1" "$3" "$4" "$5" "$6"
    rm -f "$base/$1/log"
    if ! lxc-start -n "$1" -d -l WARN -o "$base/$1/log" </dev/null >/dev/null 2>&1 9>&-; then
        said=$(last_words "$1")
        forget "$1"
        fail "$1 does not start: ${said:-LXC gives no reason}"
    fi
    say_raw "$3" "$6"
}

# An imported container has its configuration already.
start_imported() { # NAME
    begin
    lock "$1" 60
    case $(state "$1" '') in
    running) ;;
    paused) lxc-unfreeze -n "$1" ;;
    off) lxc-start -n "$1" -d </dev/null >/dev/null 2>&1 9>&- || fail "$1 does not start; on the host: lxc-start -n $1 -F" ;;
    *) fail "there is no container $1 on this host: an imported machine can be started only where it is" ;;
    esac
}

# After its end; one that we did not make stays as it is.
tidy() { # NAME UUID
    [ -n "$2" ] && [ "$(uuid_of "$1")" = "$2" ] || return 0
    forget "$1"
}

end() { # NAME UUID SECONDS (0: at once)
    begin
    lock "$1" 60
    now=$(state "$1" "$2")
    case $now in
    other | absent) return ;;
    off | moving) tidy "$1" "$2"; return ;;
    esac
    # A frozen one hears nothing.
    [ "$now" != paused ] || [ "$3" = 0 ] || lxc-unfreeze -n "$1"
    if [ "$3" = 0 ]; then
        timeout 60 lxc-stop -n "$1" -k 9>&- >/dev/null 2>&1
    else
        timeout $(($3 + 30)) lxc-stop -n "$1" --nokill -t "$3" 9>&- >/dev/null 2>&1
    fi
    now=$(state "$1" "$2")
    case $now in
    off | absent) tidy "$1" "$2" ;;
    *) [ "$3" != 0 ] || fail "$1 cannot be ended: it is $now"
        fail "$1 did not end within $3 seconds; poweroff --hard ends it" ;;
    esac
}

# Its end and its start, with what its template says now.
again() { # NAME UUID SECONDS DIRECTORY CONFIG MIB DISKS
    begin
    now=$(state "$1" "$2")
    clear_of_others "$1" "$2" "$now"
    [ "$now" = running ] || fail "$1 is $now, not running"
    end "$1" "$2" "$3"
    deploy "$1" "$2" "$4" "$5" "$6" "$7"
}

# Limits of one that runs; those of its configuration come with its next start.
limit() { # NAME UUID LINES of "@VERSION KEY VALUE"
    begin
    lock "$1" 60
    now=$(state "$1" "$2")
    clear_of_others "$1" "$2" "$now"
    case $now in running | paused) ;; *) return ;; esac
    version=1
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || version=2
    echo "$3" | while read -r which key value; do
        [ "$which" = "@$version" ] || continue
        lxc-cgroup -n "$1" "$key" "$value" 9>&- || fail "cannot set $key of $1 to $value"
    done
}

freeze() { # NAME UUID freeze|unfreeze
    begin
    lock "$1" 60
    now=$(state "$1" "$2")
    clear_of_others "$1" "$2" "$now"
    case $3,$now in
    freeze,running | unfreeze,paused) "lxc-$3" -n "$1" 9>&- || fail "cannot $3 $1" ;;
    freeze,paused | unfreeze,running) ;;
    *) fail "$1 is $now" ;;
    esac
}
