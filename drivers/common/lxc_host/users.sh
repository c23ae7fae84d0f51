#!/bin/sh
# User namespaces: root of a container is a user without rights on its host. Its disks are mounted with
# shifted owners (idmapped mounts), so nothing changes on them: an image is the same with and without.
# They are shifted here and not by LXC, since CRIU goes on with what it finds mounted. Needs base.sh.
# shellcheck disable=SC2154 # base.sh sets them

# Who may use which numbers, of users and of groups; newuidmap and newgidmap ask these files.
id_files='/etc/subuid /etc/subgid'

# Perl makes the calls since mount knows of them from util-linux 2.39 on. Their numbers are the same for
# every processor of Debian: open_tree 428, move_mount 429, mount_setattr 442. Linux 5.12 has them all.
# shellcheck disable=SC2016 # of Perl
shift_owners='my ($dir, $from, $count, $groups) = @ARGV;
    my ($pid, $none) = (0, "");
    sub lost { print STDERR "$_[0]: $!\n"; kill(9, $pid) if $pid; exit 1 }
    open(my $told, "-|", "unshare", "--user", "sh", "-c", "echo \$\$; exec sleep 60") or lost("unshare");
    $pid = int(<$told> // 0) or lost("unshare --user");
    for (["uid_map", $from], ["gid_map", $groups]) {
        my ($kind, $first) = @$_;
        open(my $map, ">", "/proc/$pid/$kind") or lost($kind);
        syswrite($map, "0 $first $count\n") or lost($kind);
    }
    open(my $users, "<", "/proc/$pid/ns/user") or lost("ns/user");
    kill(9, $pid);
    my $tree = syscall(428, -100, $dir, 0x80001);
    $tree >= 0 or lost("open_tree");
    my $how = pack("QQQQ", 0x100000, 0, 0, fileno($users));
    syscall(442, $tree, $none, 0x1000, $how, 32) == 0 or lost("mount_setattr");
    system("umount", $dir) == 0 or lost("umount");
    syscall(429, $tree, $none, -100, $dir, 4) == 0 or lost("move_mount");'

# Which numbers the users of one that has been started have, and the first of its groups: "FROM COUNT
# GROUPS"; "": the host's own.
users_of() { # NAME
    sed -n 's/^lxc.idmap = u 0 //p; s/^lxc.idmap = g 0 \([0-9]*\) .*/\1/p' "$base/$1/config" | paste -sd ' ' -
}

# "FROM COUNT GROUPS"; what version 0.2 has written tells of users alone.
numbers_of() { # FROM COUNT [GROUPS] [WISH]
    case $3 in [0-9]*) echo "$1 $2 $3" ;; *) echo "$1 $2 $1" ;; esac
}

has_cards() { # NAME
    grep -qs '^lxc.net.*type = veth' "$base/$1/config"
}

can_shift() {
    # 38 is ENOSYS.
    # shellcheck disable=SC2016 # of Perl
    command -v perl >/dev/null && command -v unshare >/dev/null &&
        perl -e 'my $none = ""; syscall(442, -1, $none, 0, $none, 0); exit($! == 38 ? 1 : 0)'
}

grant_ids() { # FROM COUNT GROUPS
    command -v newuidmap >/dev/null || return 0
    (
        flock 8
        first=$1
        for file in $id_files; do
            if ! awk -F: -v from="$first" -v count="$2" '$1 == "root" && $2 + 0 <= from && $2 + $3 >= from + count { found = 1 }
                END { exit !found }' "$file" 2>/dev/null; then
                # Its last line may have no end.
                [ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || echo >>"$file"
                echo "root:$first:$2" >>"$file" || exit
            fi
            first=$3
        done
    ) 8>"$locks/globule-lxc-ids"
}

# Of all that is mounted for it and can be written. Sets `said` when it cannot be.
shift_disks() { # NAME FROM COUNT GROUPS
    can_shift || { said='it takes Perl, unshare, and Linux 5.12'; return 1; }
    said=$(grant_ids "$2" "$3" "$4" 2>&1) || return
    for place in "$base/$1"/rootfs "$base/$1"/disk.*; do
        mountpoint -q "$place" && [ -w "$place" ] || continue
        kind=$(stat -f -c %T "$place")
        said=$(perl -e "$shift_owners" "$place" "$2" "$3" "$4" 2>&1) || {
            said="$(basename "$place") ($kind): $said"
            return 1
        }
    done
}

# A container without users of its own may hold programs that make anybody of this host its root: nobody
# else gets at its disks, whoever made it.
close_others() {
    grep -LsE '^[[:space:]]*lxc\.id_?map' "$base"/*/config | sed 's|/config$||' | xargs -r -d '\n' chmod o-rwx
}

# Its root has to find the way to its disks; nobody else's.
open_way() { # NAME GROUPS
    close_others && chgrp "$2" "$base/$1" && chmod 710 "$base/$1" && chmod o+x "$base"
}
