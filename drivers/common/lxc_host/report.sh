#!/bin/sh
# What the host and all of its containers are doing: one report, and events as they happen. Needs base.sh
# and figures.sh.
# shellcheck disable=SC2154 # figures.sh sets them

# Of the cards of a machine, as it sees them.
traffic() { # VID: sets receives, sends
    receives=-1 sends=-1
    [ -n "$1" ] || return
    for card in /sys/class/net/one-"$1"-[0-9]*; do
        [ -e "$card" ] || continue
        one_number "$card/statistics/tx_bytes" && receives=$((receives + number + (receives < 0)))
        one_number "$card/statistics/rx_bytes" && sends=$((sends + number + (sends < 0)))
    done
}

# Without another program for each of them: there may be hundreds. Those whose command socket is there
# have a monitor, so they run or are frozen.
containers() {
    sockets=" $(sed -n "s|.* @$base/\([^/]*\)/command\$|\1|p" /proc/net/unix | sort -u | tr '\n' ' ') "
    for config in "$base"/*/config; do
        [ -r "$config" ] || continue
        name=${config%/config}
        name=${name##*/}
        # A line here is words; none of ours has such a name, and none that can be imported.
        case $name in *[[:space:]]*) continue ;; esac
        first='' second='' uuid=- vid=''
        { read -r first; read -r second; } <"$config"
        case $first in '# one.uuid = '*) uuid=${first#\# one.uuid = } ;; esac
        case $second in '# one.vid = '*) vid=${second#\# one.vid = } ;; esac
        is=POWEROFF cpu=-1 memory=-1 most=-1 reads=-1 writes=-1 receives=-1 sends=-1
        case $sockets in
        *" $name "*)
            figures "$name"
            traffic "$vid"
            is=RUNNING
            [ "$frozen" = 0 ] || is=PAUSED ;;
        *)
            if [ -e "$base/$name/move" ]; then
                read -r images <"$base/$name/move"
                case $images in /*) is=PAUSED ;; esac
            fi ;;
        esac
        echo "container $name ${vid:--1} $uuid $is $cpu $memory $most $receives $sends $reads $writes"
    done
}

report() {
    begin
    echo "hostname $(uname -n)"
    echo "arch $(uname -m)"
    echo "version $(lxc-start --version)"
    echo "criu $(criu --version 2>/dev/null | sed -n 's/^Version: //p')"
    echo "cpus $(nproc --all)"
    sed -n -e 's/^model name[^:]*: /model /p' /proc/cpuinfo | head -n 1
    sed -n -e 's/^cpu MHz[^:]*: /mhz /p' /proc/cpuinfo | head -n 1
    echo "hertz $(getconf CLK_TCK)"
    sed -n 's/^cpu  /busy /p' /proc/stat
    sed -n -e 's/^MemTotal: *\([0-9]*\).*/total \1/p' -e 's/^MemAvailable: *\([0-9]*\).*/available \1/p' /proc/meminfo
    containers
}

# Says what becomes of containers as it happens.
watch() {
    begin
    exec lxc-monitor -n '.*'
}
