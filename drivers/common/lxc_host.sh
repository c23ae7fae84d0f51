#!/bin/sh
# What every program of lxc.c begins with; /bin/sh on a host, as root. One call of a function here is
# one round trip. A container NAME of ours is $base/NAME: config (ours, with the machine's UUID in its
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

# ---- seeing ----

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

# ---- disks ----

# What a file begins with: the type of a file system, qcow2, tar (also packed), partitions, nothing.
kind_of() { # FILE
    if [ -d "$1" ]; then
        echo directory
        return
    fi
    case $(head -c 6 "$1" | od -An -tx1 | tr -d ' \n') in
    514649fb*) echo qcow2 && return ;;
    1f8b* | 425a68* | fd377a585a00 | 28b52ffd*) echo tar && return ;;
    esac
    [ "$(tail -c +258 "$1" | head -c 5)" != ustar ] || { echo tar && return; }
    kind=$(blkid -p -o value -s TYPE "$1" 2>/dev/null)
    [ -n "$kind" ] || [ -z "$(blkid -p -o value -s PTTYPE "$1" 2>/dev/null)" ] || kind=partitions
    echo "${kind:-nothing}"
}

# Puts what has been made beside a disk in its place. A link leads to an image of the datastore: that
# one is left as it is, unless the disk is persistent, and then nobody may change what kind it is.
unpack() { # FILE MIB PERSISTENT ("" or p)
    [ ! -L "$1" ] && [ -z "$3" ] || fail "$(basename "$1") is an archive, and the image is persistent: it would be replaced by a file system. Make the image non-persistent"
    part=$1.part
    room=$part.d
    # Of one that was interrupted.
    while mountpoint -q "$room" 2>/dev/null; do umount "$room" || fail "cannot unmount $room, which an earlier try has left"; done
    rm -f "$part"
    mkdir -p "$room"
    trap 'umount "$room" 2>/dev/null; rmdir "$room" 2>/dev/null; rm -f "$part"' EXIT
    trap 'exit 1' HUP TERM
    truncate -s "$2M" "$part" && mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=1,lazy_journal_init=1 "$part" &&
        mount -o loop,nodev "$part" "$room" || { rm -f "$part"; rmdir "$room"; fail "cannot make a file system of $2 MiB for the archive"; }
    said=$(tar -C "$room" -xpf "$1" --numeric-owner --exclude='./dev/*' --warning=no-timestamp 2>&1)
    status=$?
    # Archives of LXD's images have the root in a folder.
    if [ $status = 0 ] && [ -d "$room/rootfs" ] && [ ! -e "$room/sbin" ] && [ ! -e "$room/bin" ]; then
        find "$room" -mindepth 1 -maxdepth 1 ! -name rootfs ! -name lost+found -exec rm -rf {} + &&
            find "$room/rootfs" -mindepth 1 -maxdepth 1 -exec mv -t "$room" {} + && rmdir "$room/rootfs" || status=1
    fi
    umount "$room" && rmdir "$room" || status=1
    if [ $status != 0 ]; then
        rm -f "$part"
        fail "cannot unpack the archive into $2 MiB (CONTAINER/SIZE): $said"
    fi
    chown --reference="$1" "$part" && sync "$part" && mv -f "$part" "$1"
    status=$?
    trap - EXIT HUP TERM
    return $status
}

to_raw() { # FILE PERSISTENT
    command -v qemu-img >/dev/null || fail "$(basename "$1") is qcow2: install qemu-utils on this host, or register the image as raw"
    [ ! -L "$1" ] && [ -z "$2" ] || fail "$(basename "$1") is qcow2 and persistent, which this kernel cannot mount: register the image as raw"
    qemu-img convert -O raw "$1" "$1.part" && chown --reference="$1" "$1.part" && mv -f "$1.part" "$1" ||
        { rm -f "$1.part"; fail "cannot make $(basename "$1") raw"; }
}

mount_disk() { # FILE DIRECTORY MIB PERSISTENT
    mkdir -p "$2"
    ! mountpoint -q "$2" || return 0
    [ -e "$1" ] || fail "there is no $1 on this host: the transfer driver should have brought it"
    # Most are file systems, of which mount itself finds out the type; the rest is looked into.
    [ -d "$1" ] || ! mount -o loop,nodev "$1" "$2" 2>/dev/null || return 0
    kind=$(kind_of "$1")
    if [ "$kind" = tar ]; then
        unpack "$1" "$3" "$4"
        kind=ext4
    elif [ "$kind" = qcow2 ]; then
        to_raw "$1" "$4"
        kind=$(kind_of "$1")
    fi
    case $kind in
    directory) said=$(mount --bind "$1" "$2" 2>&1) ;;
    iso9660) said=$(mount -o loop,ro,nodev "$1" "$2" 2>&1) ;;
    nothing | partitions) fail "$(basename "$1") holds no file system but $kind: the disk of a container is an image of a file system, an archive of tar, or a directory" ;;
    swap) fail "$(basename "$1") is swap space, which containers have none of their own of: remove the disk" ;;
    *) said=$(mount -o loop,nodev "$1" "$2" 2>&1) ;;
    esac || fail "cannot mount $(basename "$1") ($kind): $said"
}

unmount_all() { # NAME
    for place in "$base/$1"/rootfs "$base/$1"/disk.*; do
        tries=100
        while mountpoint -q "$place" 2>/dev/null; do
            umount "$place" 2>/dev/null && continue
            [ $((tries = tries - 1)) -gt 0 ] || fail "$place is still in use by something on this host"
            sleep 0.02
        done
    done
}

# Its place here, without the disks. Only one that is off and unmounted.
forget() { # NAME
    unmount_all "$1"
    rm -f "$base/$1/config" "$base/$1/config.part" "$base/$1/log" "$base/$1/move"
    rmdir "$base/$1"/rootfs "$base/$1"/disk.* 2>/dev/null
    ! [ -d "$base/$1" ] || rmdir "$base/$1" 2>/dev/null || true
}

# Writes the configuration and mounts what it needs. Lines that begin with @1 or @2 are for hosts of
# that version of the control groups.
furnish() { # NAME DIRECTORY CONFIG MIB DISKS ("0:rootfs:p 1:disk.1"; p: persistent)
    mkdir -p "$base/$1" && chmod 755 "$base/$1" || fail "cannot make $base/$1"
    for pair in $5; do
        keep=
        case $pair in *:p) keep=p pair=${pair%:p} ;; esac
        mount_disk "$2/disk.${pair%%:*}" "$base/$1/${pair#*:}" "$4" "$keep"
    done
    version=1
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || version=2
    echo "$3" | sed -e "s/^@$version //" -e '/^@/d' -e "s|@base@|$base|g" >"$base/$1/config.part" &&
        mv -f "$base/$1/config.part" "$base/$1/config" || fail "cannot write $base/$1/config"
}

last_words() { # NAME
    grep -h ERROR "$base/$1/log" 2>/dev/null | sed 's/.* - [^ ]*: *//; s/^.*ERROR *[^ ]* - [^ ]* - //' | head -n 3 | tr '\n' ';'
}

# ---- its life ----

clear_of_others() { # NAME UUID STATE
    [ "$3" != other ] || fail "$1 on this host is another container (the first line of $base/$1/config does not name the UUID $2); it is left alone. Rename or remove it"
}

deploy() { # NAME UUID DIRECTORY CONFIG MIB DISKS
    begin
    lock "$1" 300
    now=$(state "$1" "$2")
    clear_of_others "$1" "$2" "$now"
    case $now in
    running) return ;;
    paused) lxc-unfreeze -n "$1" || fail "cannot thaw $1"; return ;;
    off | absent) sweep "$1" ;;
    moving) fail "$1 stands still on this host with its memory in $(cat "$base/$1/move"): its live move was not brought to an end" ;;
    esac
    furnish "$1" "$3" "$4" "$5" "$6"
    rm -f "$base/$1/log"
    if ! lxc-start -n "$1" -d -l WARN -o "$base/$1/log" </dev/null >/dev/null 2>&1 9>&-; then
        said=$(last_words "$1")
        forget "$1"
        fail "$1 does not start: ${said:-LXC gives no reason}"
    fi
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

# ---- the whole host ----

one_number() { # FILE: its first word; -1 without it
    number=-1
    ! [ -r "$1" ] || read -r number _ 2>/dev/null <"$1" || number=-1
}

# Of /sys/fs/cgroup, the payload of a container; a name that was in use gets "-N" behind it.
payload() { # HIERARCHY NAME
    group=$1/lxc.payload.$2
    if ! [ -d "$group" ]; then
        for group in "$1/lxc.payload.$2"-[0-9] "$1/lxc.payload.$2"-[0-9][0-9]; do
            ! [ -d "$group" ] || return
        done
        group=
    fi
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
    cpu=-1 memory=-1 most=-1 frozen=0
    top=/sys/fs/cgroup
    if [ -e $top/cgroup.controllers ]; then
        payload $top "$1"
        [ -n "$group" ] || return
        read -r _ cpu <"$group/cpu.stat" && cpu=$((cpu * 1000))
        one_number "$group/memory.current" && memory=$number
        one_number "$group/memory.max" && most=$number
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

# ---- memory in files ----

# What a monitor left that did not end by itself: nobody but us knows of it.
sweep() { # NAME
    for top in /sys/fs/cgroup /sys/fs/cgroup/*; do
        for group in "$top/lxc.payload.$1" "$top/lxc.payload.$1"-[0-9]* "$top/lxc.monitor.$1" "$top/lxc.monitor.$1"-[0-9]*; do
            tries=50
            while [ -e "$group/cgroup.procs" ] && [ -n "$(cat "$group/cgroup.procs" 2>/dev/null)" ]; do
                # shellcheck disable=SC2046 # a list
                kill -9 $(cat "$group/cgroup.procs") 2>/dev/null
                [ $((tries = tries - 1)) -gt 0 ] || fail "processes of $1 do not end on this host: $(tr '\n' ' ' <"$group/cgroup.procs")"
                sleep 0.1
            done
        done
    done
}

need_criu() {
    command -v criu >/dev/null || fail 'there is no CRIU on this host: onehost prepare --hypervisor lxc installs one'
}

# What CRIU complains of; the first complaints are the reason.
complaints() { # LOG NAME
    said=$(grep -h 'Error (' "$1" 2>/dev/null | grep -v 'RLIMIT_NOFILE' | sed 's/^([0-9.]*) *[0-9]*: //; s/^([0-9.]*) //; s/Error (\([^)]*\)): //' | head -n 3 | tr '\n' ';')
    echo "${said:-$(last_words "$2")}"
}

# Writes the memory of a running container to a new directory and ends it. When that does not work it
# goes on as before. Prints the milliseconds that it took.
checkpoint() { # NAME UUID DIRECTORY
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
    rm -rf "$3" "$3.back" && mkdir -m 700 "$3" || fail "cannot make $3"
    begun=$(date +%s%N)
    rm -f "$base/$1/log"
    echo "writing $3" >"$base/$1/move" || fail "cannot write $base/$1/move"
    timeout -k 5 3000 lxc-checkpoint -n "$1" -s -D "$3" -l ERROR -o "$base/$1/log" </dev/null >/dev/null 2>&1 9>&-
    status=$?
    # That its disk can be unmounted proves that nothing of it runs.
    if [ $status = 0 ]; then
        echo "$3" >"$base/$1/move"
        unmount_all "$1"
        [ -O "${3%/*}" ] || chown -R --reference="${3%/*}" "$3"
        echo $((($(date +%s%N) - begun) / 1000000))
        return
    fi
    now=$(state "$1" "$2")
    rm -f "$base/$1/move"
    said=$(complaints "$3/dump.log" "$1")
    # Its memory is nowhere else; what CRIU writes last is there.
    if [ "$now" = off ] && [ -s "$3/inventory.img" ]; then
        echo "$3" >"$base/$1/move"
        fail "$1 has ended while its memory was written, which is kept in $3: ${said:-CRIU gives no reason}"
    fi
    rm -rf "$3"
    [ "$now" = running ] || fail "$1 is $now since its memory was to be written: ${said:-CRIU gives no reason}"
    fail "the memory of $1 cannot be written: ${said:-CRIU gives no reason}; it goes on running"
}

# Lets it go on from a checkpoint; nothing of it stays here when that does not work, unless it was here
# before. A checkpoint that has been withdrawn is not there for anybody but its owner ("own"); one that
# was "sent" here goes when it has served.
restore() { # NAME UUID DIRECTORY CONFIG MIB DISKS IMAGES own|given|sent
    begin
    lock "$1" 300
    need_criu
    now=$(state "$1" "$2")
    clear_of_others "$1" "$2" "$now"
    [ "$now" != running ] || return 0
    [ "$now" != paused ] || fail "$1 is frozen on this host, so it is not in a checkpoint"
    images=$7
    [ "$8" != own ] || [ -d "$images" ] || images=$7.back
    [ -d "$images" ] || fail "there is no checkpoint $7 on this host (any more)"
    sweep "$1"
    furnish "$1" "$3" "$4" "$5" "$6"
    rm -f "$base/$1/log" "$images/restore.log"
    timeout -k 5 3000 lxc-checkpoint -n "$1" -r -d -D "$images" -l ERROR -o "$base/$1/log" </dev/null >/dev/null 2>&1 9>&-
    now=$(state "$1" "$2")
    if [ "$now" = running ]; then
        rm -f "$base/$1/move"
        [ "$8" = given ] || rm -rf "$7" "$7.back"
        return
    fi
    said=$(complaints "$images/restore.log" "$1")
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
        images=$(cat "$base/$1/move" 2>/dev/null)
        sweep "$1"
        forget "$1"
        [ -z "$images" ] || rm -rf "$images" "$images.back" ;;
    running | paused) fail "$1 is $now on this host" ;;
    esac
}

# The directory of its checkpoint, of one that stands still here.
images_of() { # NAME
    begin
    cat "$base/$1/move"
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
    case $(state "$1" "$2") in running) return ;; paused) lxc-unfreeze -n "$1"; return ;; esac
    if [ ! -s "$3" ] && [ "$(state "$1" "$2")" = moving ]; then # the host ended while it was saved
        restore "$1" "$2" "$4" "$5" "$6" "$7" "$3.d" own
        return
    fi
    [ -s "$3" ] || fail "there is no checkpoint $3 on this host"
    rm -rf "$3.d" && mkdir -m 700 "$3.d" && said=$(tar -C "$3.d" -xf "$3" 2>&1) || fail "cannot read the checkpoint: $said"
    # Not its owner: what was saved stays until it runs.
    (restore "$1" "$2" "$4" "$5" "$6" "$7" "$3.d" given)
    status=$?
    rm -rf "$3.d"
    [ $status = 0 ] || exit 1
    rm -f "$3"
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

# ---- whether it can move ----

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

# The control group whose processes are all of a container's.
group_of() { # NAME
    for top in /sys/fs/cgroup /sys/fs/cgroup/pids; do
        payload $top "$1"
        [ -z "$group" ] || break
    done
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
    troubles "$1" "$(lxc-info -n "$1" -pH)" | sort -u | head -n 12 | sed 's/^/trouble /'
}

# ---- inside ----

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

# Ends what a command has begun: all of it has the word in its environment.
# shellcheck disable=SC2016 # for a shell of its own
end_by_word='tries=50
    while [ $((tries = tries - 1)) -ge 0 ]; do
        some=
        for pid in $(find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null); do
            ! grep -qsz "^GLOBULE_EXEC=$2\$" "/proc/$pid/environ" || { kill -KILL "$pid"; some=1; }
        done 2>/dev/null
        [ -n "$some" ] || break
        sleep 0.1
    done'

# A command goes on by itself: in its directory are pid, in, out, err, at the end code; attach, the
# number of lxc-attach; over, when it was ended since it said too much. Each output comes by a pipe
# to a reader that the kernel lets write no more than a block over what is told.
# What it leaves behind may hold the pipes open. That is not waited for: a reader that sleeps has
# found the pipe empty.
# shellcheck disable=SC2016 # for a shell of its own
run_command='cd "$1" || exit
    echo $$ >pid
    take() {
        if ! /bin/sh -c "echo \$\$ >$1.pid; trap \"\" XFSZ; ulimit -f $3; exec cat 2>/dev/null" >"$1"; then
            : >more
            [ "$(head -c "$4" | wc -c)" -ge "$4" ] || return
            : >over
            until [ -s attach ]; do sleep 0.1; done
            /bin/sh -c "$5" sh "$6" "${2##*/}"
            kill -KILL "$(cat attach)" 2>/dev/null
        fi
    }
    empty() {
        read -r _ _ is _ 2>/dev/null <"/proc/$(cat "$1.pid")/stat" || return 0
        [ "$is" = S ] || [ "$is" = Z ]
    }
    mkfifo out.in err.in || exit
    for each in out err; do take "$each" "$1" "$4" "$5" "$6" "$7" <"$each.in" & done
    lxc-attach -n "$2" --clear-env -v GLOBULE_EXEC="${1##*/}" -v PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin -v HOME=/root -- /bin/sh -c "$3" <in >out.in 2>err.in &
    echo $! >attach.part; mv attach.part attach
    wait $!
    code=$?
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
        if [ ! -s "$place/pid" ] || kill -0 "$(cat "$place/pid")" 2>/dev/null; then echo running; elif [ ! -e "$place/code" ]; then echo lost; fi
        [ -e "$place/code" ] || return 0
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
    [ -s "$jobs/$1/pid" ] && [ ! -e "$jobs/$1/code" ] || return 0
    kill -KILL -- "-$(cat "$jobs/$1/pid")" 2>/dev/null
    group_of "${1%%:*}"
    /bin/sh -c "$end_by_word" sh "${group:-/nowhere}" "$1"
}
