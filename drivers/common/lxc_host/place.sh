#!/bin/sh
# The place of a container on its host: disks become file systems and are mounted, the configuration is
# written, and all of it goes again. Needs base.sh and users.sh.
# shellcheck disable=SC2154 # other files set them

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
    rm -f "$base/$1/config" "$base/$1/config.part" "$base/$1/log" "$base/$1/move" "$base/$1/move.part" "$base/$1/reading"
    rmdir "$base/$1"/rootfs "$base/$1"/disk.* 2>/dev/null
    drop_groups "$1"
    ! [ -d "$base/$1" ] || rmdir "$base/$1" 2>/dev/null || true
}

mount_disks() { # NAME DIRECTORY MIB DISKS ("0:rootfs:p 1:disk.1"; p: persistent)
    for pair in $4; do
        keep=
        case $pair in *:p) keep=p pair=${pair%:p} ;; esac
        mount_disk "$2/disk.${pair%%:*}" "$base/$1/${pair#*:}" "$3" "$keep"
    done
}

# Mounts what it needs and writes the configuration. Lines that begin with @1 or @2 are for hosts of
# that version of the control groups. USERS is "FROM COUNT GROUPS" of the numbers that its users have here
# (GROUPS: the first of its groups), or "": the host's own. Not told, the line "# one.users = FROM COUNT
# GROUPS yes|auto" says it; "auto" goes without them where they cannot be had, and that is printed.
furnish() { # NAME DIRECTORY CONFIG MIB DISKS [USERS]
    # Before anything is mounted there.
    mkdir -p "$base/$1" && chgrp 0 "$base/$1" && chmod 700 "$base/$1" || fail "cannot make $base/$1"
    unmount_all "$1"
    mount_disks "$1" "$2" "$4" "$5"
    users=${6-$(echo "$3" | sed -n 's/^# one.users = //p')}
    wish=${users##* }
    # shellcheck disable=SC2086 # words
    [ -z "$users" ] || users=$(numbers_of $users)
    # shellcheck disable=SC2086 # words
    if [ -n "$users" ] && ! shift_disks "$1" $users; then
        unmount_all "$1"
        [ "$wish" = auto ] || fail "$1 cannot have users of its own on this host: $said. LXC_UNPRIVILEGED = \"NO\" does without"
        echo "privileged: $said"
        users=
        mount_disks "$1" "$2" "$4" "$5"
    fi
    version=1
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || version=2
    {
        echo "$3" | sed -e "s/^@$version //" -e '/^@/d' -e "s|@base@|$base|g"
        [ -z "$users" ] || echo "$users" | while read -r from count first; do printf 'lxc.idmap = %s 0 %s\n' u "$from $count" g "$first $count"; done
    } >"$base/$1/config.part" && mv -f "$base/$1/config.part" "$base/$1/config" || fail "cannot write $base/$1/config"
    [ -z "$users" ] || said=$(open_way "$1" "${users##* }" 2>&1) || fail "cannot open $base/$1 to the users of $1: $said"
}

# Disks that are not qcow2, or not any more: whoever knows them as that must learn it.
say_raw() { # DIRECTORY DISKS
    for pair in $2; do
        file=$1/disk.${pair%%:*}
        [ ! -f "$file" ] || [ "$(kind_of "$file")" = qcow2 ] || echo "raw ${pair%%:*}"
    done
}

# What a monitor left that did not end by itself: nobody but us knows of it.
sweep() { # NAME
    own_groups "$1" | while read -r group; do
        tries=50
        while left=$(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null) && [ -n "$left" ]; do
            # shellcheck disable=SC2086 # a list
            kill -9 $left 2>/dev/null
            [ $((tries = tries - 1)) -gt 0 ] || fail "processes of $1 do not end on this host: $(echo "$left" | tr '\n' ' ')"
            sleep 0.1
        done
    done || exit 1
    drop_groups "$1"
}

# LXC removes the groups that it made; those of a container that CRIU restored stay, and the next start
# would get others beside them. Their last process may be ending just now.
drop_groups() { # NAME
    tries=25
    while left=$(own_groups "$1") && [ -n "$left" ]; do
        echo "$left" | while read -r group; do
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
        done
        [ $((tries = tries - 1)) -gt 0 ] || return 0
        [ -z "$(own_groups "$1")" ] || sleep 0.04
    done
}
