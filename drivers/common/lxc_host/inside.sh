#!/bin/sh
# What goes on inside of a container by lxc-attach: the console, and commands with what they say. Needs
# base.sh and figures.sh.
# shellcheck disable=SC2154 # other files set them

# Its own terminal when it has one; else a shell of root inside, which ends with the connection.
console() { # NAME UUID
    begin
    now=$(state "$1" "$2")
    [ "$now" = running ] || fail "$1 is $now, so it has no console"
    stty_off='stty -echo -icanon 2>/dev/null;'
    if grep -qs '^lxc.console.path = none' "$base/$1/config"; then
        exec script -q -e -c "exec lxc-attach -n $1 --clear-env -v TERM=vt220 -v HOME=/root -- /bin/sh -c 'cd; [ ! -x /bin/bash ] || exec /bin/bash -l; exec /bin/sh -l'" /dev/null
    fi
    exec script -q -e -c "$stty_off exec lxc-console -n $1 -t 0" /dev/null
}

jobs=/run/globule-lxc-exec
# Bytes of each output that are kept; as many are told. What comes then is thrown away, until there
# is so much that nothing but the end of the command helps.
said_most=65536
lost_most=16777216

# Ends what a command has begun: all of it has the word in its environment. What lxc-attach was about
# to start has it a moment later, so it is looked for until there was nothing for half a second.
# shellcheck disable=SC2016 # for a shell of its own
end_by_word='tries=50 none=0
    while [ $((tries = tries - 1)) -ge 0 ] && [ $((none = none + 1)) -le 5 ]; do
        for pid in $(find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null); do
            ! grep -qsz "^GLOBULE_EXEC=$2\$" "/proc/$pid/environ" || { kill -KILL "$pid"; none=0; }
        done 2>/dev/null
        sleep 0.1
    done'

# A command goes on by itself: in its directory are pid, in, out, err, at the end code; attach, the
# number of lxc-attach; ended, when that number may be somebody else's; over, when it was ended since it
# said too much. Each output comes by a pipe to a reader that the kernel lets write no more than a block
# over what is told.
# What it leaves behind may hold the pipes open. That is not waited for: a reader that sleeps has
# found the pipe empty.
# shellcheck disable=SC2016 # for a shell of its own
run_command='cd "$1" || exit
    echo $$ >pid
    take() {
        if ! /bin/sh -c "echo \$\$ >$1.pid; trap \"\" XFSZ; ulimit -f $3; exec cat 2>/dev/null" >"$1"; then
            : >more
            [ "$(head -c "$4" | wc -c)" -ge "$4" ] && [ ! -e ended ] || return
            : >over
            until [ -s attach ]; do sleep 0.1; done
            /bin/sh -c "$5" sh "$6" "${2##*/}"
            [ -e ended ] || kill -KILL "$(cat attach)" 2>/dev/null
        fi
    }
    empty() {
        [ -s "$1.pid" ] || return
        read -r _ name is _ 2>/dev/null <"/proc/$(cat "$1.pid")/stat" || return 0
        case $is,$name in Z,* | "S,(cat)") ;; *) return 1 ;; esac
    }
    mkfifo out.in err.in || exit
    for each in out err; do take "$each" "$1" "$4" "$5" "$6" "$7" <"$each.in" & done
    lxc-attach -n "$2" --clear-env -v GLOBULE_EXEC="${1##*/}" -v PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin -v HOME=/root -- /bin/sh -c "$3" <in >out.in 2>err.in &
    echo $! >attach.part; mv attach.part attach
    wait $!
    code=$?
    : >ended
    tries=100
    until empty out && empty err || [ $((tries = tries - 1)) -lt 0 ]; do sleep 0.1; done
    [ ! -e over ] || code=137
    echo $code >code.part; mv code.part code'

# Begins a command inside and says by which word it is known.
execute() { # NAME UUID COMMAND INPUT
    begin
    now=$(state "$1" "$2")
    clear_of_others "$1" "$2" "$now"
    [ "$now" = running ] || fail "$1 is $now: commands can be run in running containers alone"
    mkdir -p -m 700 "$jobs" || exit 1
    find "$jobs" -mindepth 1 -maxdepth 1 -mmin +1440 -exec rm -rf {} + 2>/dev/null
    word=$1:$(cat /proc/sys/kernel/random/uuid)
    mkdir -m 700 "$jobs/$word" && printf '%s' "$4" >"$jobs/$word/in" || fail "cannot write to $jobs"
    group_of "$1"
    setsid -f /bin/sh -c "$run_command" sh "$jobs/$word" "$1" "$3" $((said_most / 512 + 1)) "$lost_most" "$end_by_word" "${group:-/nowhere}" </dev/null >/dev/null 2>&1
    echo "$word"
}

known_word() { # WORD
    case $1 in "" | .* | */*) fail "\"$1\" is no word of a command" ;; esac
}

# "running", "lost", or lines "code N", "out BASE64", "err BASE64", "more", "over".
executed() { # WORD
    known_word "$1"
    place=$jobs/$1
    [ -d "$place" ] || { echo lost; return; }
    if [ ! -e "$place/code" ]; then
        if [ ! -s "$place/pid" ] || kill -0 "$(cat "$place/pid")" 2>/dev/null; then
            echo running
            return
        fi
        # It may have ended in between.
        [ -e "$place/code" ] || { echo lost; return; }
    fi
    echo "code $(cat "$place/code")"
    echo "out $(head -c $said_most "$place/out" | base64 -w 0)"
    echo "err $(head -c $said_most "$place/err" | base64 -w 0)"
    [ ! -e "$place/more" ] && [ -z "$(find "$place" \( -name out -o -name err \) -size +${said_most}c)" ] || echo more
    [ ! -e "$place/over" ] || echo over
}

# With all that it began.
end_command() { # WORD
    known_word "$1"
    [ -d "$jobs/$1" ] || return 0
    # It may have been asked for this very moment.
    tries=50
    until [ -s "$jobs/$1/attach" ] || [ -e "$jobs/$1/code" ] || [ $((tries = tries - 1)) -lt 0 ]; do sleep 0.1; done
    [ -s "$jobs/$1/pid" ] && [ ! -e "$jobs/$1/code" ] || return 0
    kill -KILL -- "-$(cat "$jobs/$1/pid")" 2>/dev/null
    group_of "${1%%:*}"
    /bin/sh -c "$end_by_word" sh "${group:-/nowhere}" "$1"
}
