#!/bin/sh
# shellcheck disable=SC2154 # user, uid, home, key ... are set in front of this: prepare_variables()
# What `onehost prepare` does on a server, as root; its table is items.c. For each item a function
# that looks: 0 good, 1 missing, 2 only a person can help, 3 does not matter here. What it prints
# is told to the user. And for most a function that puts it right, which runs after a 1; then the
# first looks again. Doing all of it twice must change nothing.

end() { # CODE TEXT
    echo "$2"
    exit "$1"
}

# The last line of a file that somebody wrote may have no end: what follows would be glued to it.
append() { # FILE LINE
    [ ! -s "$1" ] || [ -z "$(tail -c 1 "$1")" ] || echo >>"$1" || return
    printf '%s\n' "$2" >>"$1"
}

fstab=/etc/fstab
hosts_file=/etc/hosts
known_hosts=/etc/ssh/ssh_known_hosts
qemu_conf=/etc/libvirt/qemu.conf
ssh_config=/root/.ssh/config

# ---- system ----

check_system() {
    # shellcheck disable=SC1091
    . /etc/os-release
    echo "$PRETTY_NAME, $(uname -m)"
    version=${VERSION_ID:-99}
    case $ID in debian) least=11 ;; ubuntu) least=22 ;; *) least=0 ;; esac
    [ "${version%%.*}" -ge $least ] || end 2 "too old: $ID $least or later is needed"
    case " $ID $ID_LIKE " in *' debian '*) command -v apt-get >/dev/null && exit 0 ;; esac
    end 2 'only systems with apt-get are known: install libvirt, QEMU and sshd yourself and use --skip system,packages'
}

# ---- cpu ----

check_cpu() {
    flag=$(grep -m 1 -o -w -E 'vmx|svm' /proc/cpuinfo | head -n 1)
    case $hypervisor in
    kvm)
        [ ! -e /dev/kvm ] || end 0 "/dev/kvm ${flag:+($flag)}"
        [ -z "$flag" ] || end 1 "the processor has $flag, but /dev/kvm is not there"
        end 2 'the processor has neither vmx nor svm: switch virtualization on in its firmware; --hypervisor qemu does without' ;;
    xen)
        ! grep -q control_d /proc/xen/capabilities 2>/dev/null || end 0 'dom0 of Xen'
        end 2 'this is no dom0: start the host again with Xen once its packages are installed' ;;
    *) echo "$hypervisor needs none" ;;
    esac
}

fix_cpu() {
    modprobe kvm_intel || modprobe kvm_amd
}

# ---- packages ----

check_packages() {
    missing=
    for name in $packages; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing="$missing $name"
    done
    [ -z "$missing" ] || end 1 "not installed:$missing"
    echo "$packages"
}

# shellcheck disable=SC2086 # $packages is a list
fix_packages() {
    export DEBIAN_FRONTEND=noninteractive
    get() { apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" </dev/null >/dev/null; }
    get --no-install-recommends install $packages 2>/dev/null ||
        { get update && get --no-install-recommends install $packages; }
}

# ---- user ----

check_user() {
    number=$(id -u "$user" 2>/dev/null) || end 1 "there is no user $user"
    home=$(getent passwd "$user" | cut -d: -f6)
    echo "$user ($number), $home"
    if [ -n "$nfs$uid" ] && [ "${uid:-$number}" != "$number" ]; then
        echo "on the front-end $user is $uid: files of shared storage would be somebody else's"
        [ -z "$nfs" ] || exit 2
    fi
    [ -d "$home" ] || end 1 'its home is missing'
}

fix_user() {
    if ! id "$user" >/dev/null 2>&1; then
        ! getent passwd "${uid:-none}" >/dev/null || uid=
        useradd --system --password '*' ${uid:+--uid "$uid"} --user-group --no-create-home --home-dir "$home" --shell /bin/bash "$user" || exit
    fi
    home=$(getent passwd "$user" | cut -d: -f6)
    install -d -m 755 -o "$user" -g "$(id -gn "$user")" "$home"
}

# ---- key ----

check_key() {
    home=$(getent passwd "$user" | cut -d: -f6)
    [ -n "$home" ] || end 1 "there is no user $user"
    word=$(echo "$key" | cut -d' ' -f2)
    grep -qsF "$word" "$home/.ssh/authorized_keys" || end 1 "$user does not accept the front-end's key"
    echo "in $home/.ssh/authorized_keys"
}

fix_key() {
    home=$(getent passwd "$user" | cut -d: -f6)
    group=$(id -gn "$user") && install -d -m 700 -o "$user" -g "$group" "$home/.ssh" || exit
    file=$home/.ssh/authorized_keys
    append "$file" "$key" && chown "$user:$group" "$file" && chmod 600 "$file"
}

# ---- lxc ----

# All that lxc_host/ does there is root's work: who may start such containers is root anyway.
lxc_rule() {
    echo "$user ALL=(root) NOPASSWD: /bin/sh"
}

check_lxc() {
    [ "$hypervisor" = lxc ] || exit 3
    command -v lxc-start >/dev/null || end 2 'the package lxc is not installed'
    [ "$user" = root ] || grep -qsxF "$(lxc_rule)" /etc/sudoers.d/globule-lxc ||
        end 1 "$user may not run LXC as root"
    missing=$(lxc-checkconfig 2>/dev/null | sed -n 's/^\(.*amespaces*\): missing.*/\1/p' | tr '\n' ',')
    [ -z "$missing" ] || end 2 "this kernel lacks: $missing"
    [ -e /dev/loop-control ] || [ -e /sys/module/loop ] || modprobe -q -n loop || end 2 'this kernel has no loop devices, by which images of disks are mounted'
    echo "LXC $(lxc-start --version), containers in $(lxc-config lxc.lxcpath)"
}

fix_lxc() {
    file=/etc/sudoers.d/globule-lxc
    mkdir -p /etc/sudoers.d && (umask 337 && lxc_rule >"$file.new") || exit
    if command -v visudo >/dev/null && ! visudo -q -c -f "$file.new"; then
        rm -f "$file.new"
        end 2 "sudo does not take the name $user"
    fi
    mv -f "$file.new" "$file"
}

# ---- lxd ----

# Containers are moved by the two daemons themselves: the destination fetches them from an address of the source, with a
# secret of that one order, and knows the source by the certificate that the driver hands it. Hosts need no other trust in
# each other, but without an address all goes through the front-end.

lxd_port=8443

check_lxd() {
    [ "$hypervisor" = lxd ] || exit 3
    command -v lxc >/dev/null || end 2 'the package lxd-client is not installed'
    said=$(lxc query /1.0 2>&1 </dev/null) || end 1 "LXD does not answer: $said"
    [ "$user" = root ] || id -nG "$user" 2>/dev/null | grep -qw lxd || end 1 "$user is not in the group lxd"
    [ -n "$(lxc storage list --format csv </dev/null)" ] || end 1 'it has no storage pool'
    lxc profile show default </dev/null | grep -q 'type: disk' || end 1 'its profile "default" has no root disk'
    address=$(lxc config get core.https_address </dev/null)
    [ -n "$address" ] || end 1 'other hosts have no address (core.https_address) to fetch containers from'
    echo "LXD $(lxc query /1.0 </dev/null | sed -n 's/.*"server_version": *"\([^"]*\)".*/\1/p'), $address for other hosts"
}

# What is there stays as it is: pools, profiles and addresses are the administrator's.
fix_lxd() {
    [ "$user" = root ] || usermod -a -G lxd "$user" || exit
    lxc query /1.0 >/dev/null 2>&1 </dev/null ||
        if command -v systemctl >/dev/null; then
            systemctl enable --now lxd
        else
            service lxd start
        fi || end 2 'LXD could not be started'
    lxd waitready --timeout=60 || end 2 'LXD was not ready within a minute'
    pool=$(lxc storage list --format csv </dev/null | head -n 1 | cut -d , -f 1)
    [ -n "$pool" ] || { pool=default && lxc storage create default dir </dev/null; } || exit
    lxc profile show default </dev/null | grep -q 'type: disk' ||
        lxc profile device add default root disk path=/ "pool=$pool" </dev/null || exit
    [ -n "$(lxc config get core.https_address </dev/null)" ] || lxc config set core.https_address ":$lxd_port" </dev/null
}

# ---- criu ----

criu_place=/usr/local/lib/globule-criu
criu_link=/usr/local/sbin/criu

check_criu() {
    [ "$hypervisor" = lxc ] || exit 3
    PATH=/usr/local/sbin:$PATH
    command -v criu >/dev/null || end 1 'not installed: containers would be stopped to be moved'
    version=$(criu --version | sed -n 's/^Version: //p')
    said=$(criu check 2>&1) || end 1 "CRIU $version does not work with Linux $(uname -r): $(echo "$said" | grep -m 1 Error)"
    echo "CRIU $version"
}

# The system's own first. When that one is too old for the kernel, or not there, the one of a
# later release of Debian with its own libraries beside it: nothing of the system is replaced.
fix_criu() {
    export DEBIAN_FRONTEND=noninteractive
    if apt-get -q -y --no-install-recommends install criu </dev/null >/dev/null 2>&1 && /usr/sbin/criu check >/dev/null 2>&1; then
        return
    fi
    [ "$(dpkg --print-architecture)" = amd64 ] || end 2 'only for amd64 is it known how to get CRIU 4: put one that works into /usr/local/sbin'
    work=$(mktemp -d) && mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/tree" || exit
    trap 'rm -rf "$work"' EXIT
    get_criu || end 2 "CRIU 4 could not be had from Debian (http://deb.debian.org): live moves stay off; $(tail -n 1 "$work/said")"
}

# CRIU before 4.2 cannot write sockets of the network with Linux from 6.16 on (share/doc/containers.md), and
# Debian 13 has 4.1: there the release after it is asked first.
criu_releases() {
    [ "$(printf '%s\n' 6.16 "$(uname -r)" | sort -V | head -n 1)" != 6.16 ] || echo forky
    echo trixie
}

get_criu() {
    for release in $(criu_releases); do
        ! get_criu_of "$release" || return 0
    done
    return 1
}

get_criu_of() { # RELEASE
    ring=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb${ring:+ [signed-by=$ring]} http://deb.debian.org/debian $1 main" >"$work/list"
    next() {
        apt-get -q -y -o Dir::Etc::sourcelist="$work/list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists" \
            -o Dir::Cache="$work/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root "$@" </dev/null >"$work/said" 2>&1
    }
    rm -rf "$work/cache/archives"/*.deb "$work/tree" && mkdir "$work/tree" || return 1
    next update && next install --download-only --no-install-recommends criu || return 1
    for file in "$work"/cache/archives/*.deb; do dpkg-deb -x "$file" "$work/tree" || return 1; done
    rm -rf "$criu_place.new" && mkdir -p "$criu_place.new/lib" /usr/local/sbin || return 1
    cp -L "$work"/tree/usr/lib/x86_64-linux-gnu/*.so* "$criu_place.new/lib/" &&
        cp "$work/tree/usr/sbin/criu" "$criu_place.new/criu" || return 1
    cat >"$criu_place.new/run" <<'END' && chmod 755 "$criu_place.new/run" || return 1
#!/bin/sh
# CRIU of a later Debian with its own libraries; put here by onehost prepare.
here=$(dirname "$(readlink -f "$0")")
exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" --argv0 criu "$here/criu" "$@"
END
    rm -rf "$criu_place" && mv "$criu_place.new" "$criu_place" && ln -sf "$criu_place/run" "$criu_link"
}

# ---- libvirt ----

check_libvirt() {
    [ -n "$uri" ] || exit 3
    missing=
    for group in libvirt kvm; do
        ! getent group $group >/dev/null || id -nG "$user" 2>/dev/null | grep -qw $group || missing="$missing $group"
    done
    [ -z "$missing" ] || end 1 "$user is not in:$missing"
    said=$(virsh -q -c "$uri" version --daemon 2>&1) || end 1 "$uri does not answer: $said"
    echo "$said" | sed -n -e 's/^Running hypervisor: //p' -e 's/^Running against daemon: /libvirt /p'
}

fix_libvirt() {
    for group in libvirt kvm; do
        ! getent group $group >/dev/null || usermod -a -G $group "$user" || exit
    done
    virsh -q -c "$uri" version >/dev/null 2>&1 ||
        if command -v systemctl >/dev/null; then
            systemctl enable --now libvirtd
        else
            service libvirtd start
        fi
}

# ---- owner ----

check_owner() {
    case $hypervisor in kvm | qemu) ;; *) exit 3 ;; esac
    file=$qemu_conf
    [ -e "$file" ] || end 1 "there is no $file yet"
    group=$(id -gn "$user" 2>/dev/null)
    for line in "user = \"$user\"" "group = \"$group\"" 'dynamic_ownership = 0'; do
        sed 's/  */ /g' "$file" | grep -qxF "$line" || end 1 "$file does not say $line"
    done
    echo "QEMU runs as $user"
}

fix_owner() {
    file=$qemu_conf
    group=$(id -gn "$user") || exit
    [ -e "$file" ] || end 2 'libvirt is not installed'
    sed -i -E '/^ *(user|group|dynamic_ownership) *=/d' "$file" || exit
    for line in "user = \"$user\"" "group = \"$group\"" 'dynamic_ownership = 0'; do
        append "$file" "$line" || exit
    done
    if command -v systemctl >/dev/null; then
        systemctl restart libvirtd
    else
        service libvirtd restart
    fi
    tries=10
    until virsh -q -c "$uri" list >/dev/null 2>&1; do
        [ $((tries = tries - 1)) -gt 0 ] || end 2 'libvirtd does not answer after its restart'
        sleep 1
    done
}

# ---- mount ----

check_mount() {
    [ -n "$nfs" ] || exit 3
    source=$(findmnt -rn -M "$datastores" -o SOURCE)
    grep -qsE "^${nfs}[[:blank:]]+${datastores}[[:blank:]]" "$fstab" || end 1 "$fstab has no line for $nfs"
    [ -n "$source" ] || end 1 "$nfs is not mounted at $datastores"
    [ "$source" = "$nfs" ] || end 2 "$source is mounted at $datastores, not $nfs"
    echo "$nfs at $datastores"
}

fix_mount() {
    source=$(findmnt -rn -M "$datastores" -o SOURCE)
    [ -z "$source" ] || [ "$source" = "$nfs" ] || end 2 "$source is mounted at $datastores already"
    mkdir -p "$datastores" || exit
    [ -n "$source" ] || [ -z "$(ls -A "$datastores")" ] || end 2 "$datastores is not empty: the mount would hide what is there"
    grep -qsE "^${nfs}[[:blank:]]+${datastores}[[:blank:]]" "$fstab" ||
        append "$fstab" "$nfs $datastores nfs rw,hard,_netdev,nofail 0 0" || exit
    [ -n "$source" ] || mount "$datastores"
}

# ---- datastores ----

check_datastores() {
    [ -d "$datastores" ] || end 1 "there is no $datastores"
    owner=$(stat -c %U "$datastores")
    [ "$owner" = "$user" ] || end 1 "$datastores belongs to $owner"
    echo "$datastores, $(df -Ph "$datastores" | awk 'NR == 2 { print $4 }') free"
}

fix_datastores() {
    group=$(id -gn "$user") && install -d -m 755 -o "$user" -g "$group" "$datastores"
}

# ---- bridge ----

check_bridge() {
    found=$(ip -o link show type bridge 2>/dev/null | awk -F': ' '{ print $2 }' | grep -v '^virbr' | tr '\n' ' ')
    [ -n "$bridge" ] || end 0 "${found:-none; machines with network cards need one: --bridge br0 --nic eth0}"
    ip -o link show dev "$bridge" type bridge 2>/dev/null | grep -q . || end 1 "there is no bridge $bridge${found:+, but $found}"
    [ -z "$nic" ] || [ -e "/sys/class/net/$bridge/brif/$nic" ] || end 1 "$nic is not in $bridge"
    ! address_wanders || end 1 "the address of $bridge, $(cat "/sys/class/net/$bridge/address"), would become that of a machine's card"
    echo "$bridge${nic:+ with $nic}"
}

# A bridge without an address of its own (assign type 3) takes the lowest of its cards. libvirt gives the
# cards of machines addresses that begin with fe, below which those of real cards are, but not all of
# virtual ones. In a live migration both hosts would have the same address, and lose each other.
address_wanders() {
    [ "$(cat "/sys/class/net/$bridge/addr_assign_type")" != 3 ] && grep -q '^f[ef]' "/sys/class/net/$bridge/address"
}

# shellcheck disable=SC2086 # SSH_CONNECTION is a list
fix_bridge() {
    if [ -e "/sys/class/net/$bridge/brif/${nic:-.}" ] && address_wanders; then
        ip link set dev "$bridge" address "$(cat "/sys/class/net/$bridge/address")"
        return
    fi
    [ -n "$nic" ] || end 2 "name the network card that shall be in $bridge: --nic eth0"
    [ -e "/sys/class/net/$nic" ] || end 2 "there is no network card $nic"
    set -- $SSH_CONNECTION
    if [ -n "$3" ] && ip -o address show dev "$nic" | grep -qwF "$3"; then
        end 2 "this connection comes in through $nic ($3): the change would cut it. Do it on the host's console"
    fi
    if [ -n "$(ip -o address show dev "$nic" scope global)" ] || ip route show default | grep -qw "dev $nic"; then
        end 2 "$nic has an address or the default route, which would have to move to $bridge: do it on the host's console"
    fi
    ip link show dev "$bridge" >/dev/null 2>&1 || ip link add name "$bridge" type bridge || exit
    ip link set dev "$nic" master "$bridge" && ip link set dev "$nic" up && ip link set dev "$bridge" up || exit
    ip link set dev "$bridge" address "$(cat "/sys/class/net/$nic/address")" || exit
    if [ -d /etc/network/interfaces.d ]; then
        printf 'auto %s\niface %s inet manual\n    pre-up ip link add name %s type bridge || true\n    up ip link set dev %s master %s && ip link set dev %s up\n    up ip link set dev %s address $(cat /sys/class/net/%s/address)\n' \
            "$bridge" "$bridge" "$bridge" "$nic" "$bridge" "$nic" "$bridge" "$nic" >"/etc/network/interfaces.d/$bridge"
    elif [ -d /etc/systemd/network ]; then
        printf '[NetDev]\nName=%s\nKind=bridge\n' "$bridge" >"/etc/systemd/network/50-$bridge.netdev"
        printf '[Match]\nName=%s\n[Network]\nBridge=%s\n' "$nic" "$bridge" >"/etc/systemd/network/50-$nic.network"
    fi
}

# ---- network ----

# What the network drivers run there (share/doc/networks.md).
network_programs='/usr/sbin/ip, /usr/sbin/nft, /usr/sbin/sysctl, /usr/sbin/modprobe br_netfilter, /usr/bin/ovs-vsctl'

check_network() {
    [ "$user" != root ] || end 3 'root needs no leave'
    grep -qsxF "$user ALL=(root) NOPASSWD: $network_programs" /etc/sudoers.d/globule-network ||
        end 1 "$user may not run ip and nft as root: networks with VN_MAD need that"
    echo "by /etc/sudoers.d/globule-network"
}

# A file that sudo cannot read would end all of sudo, so it is looked at first.
fix_network() {
    file=/etc/sudoers.d/globule-network
    mkdir -p /etc/sudoers.d && (umask 337 && echo "$user ALL=(root) NOPASSWD: $network_programs" >"$file.new") || exit
    if command -v visudo >/dev/null && ! visudo -q -c -f "$file.new"; then
        rm -f "$file.new"
        end 2 "sudo does not take the name $user"
    fi
    mv -f "$file.new" "$file"
}

# ---- clock ----

check_clock() {
    ahead=$(($(date +%s) - front))
    echo "$ahead s from the front-end's"
    [ "${ahead#-}" -le 2 ]
}

fix_clock() {
    command -v timedatectl >/dev/null || end 2 'install chrony or another time service'
    timedatectl set-ntp true && sleep 10
}

# ---- rootkey ----

check_rootkey() {
    [ "$hosts" -gt 1 ] || exit 3
    [ -s /root/.ssh/id_ed25519.pub ] || end 1 'root has no key'
    echo /root/.ssh/id_ed25519.pub
}

fix_rootkey() {
    install -d -m 700 /root/.ssh || exit
    rm -f /root/.ssh/id_ed25519.pub
    if [ -s /root/.ssh/id_ed25519 ]; then
        ssh-keygen -y -f /root/.ssh/id_ed25519 >/root/.ssh/id_ed25519.pub
    else
        ssh-keygen -q -t ed25519 -N '' -C "root@$(hostname)" -f /root/.ssh/id_ed25519
    fi
}

# ---- names ----

check_names() {
    name=$(hostname)
    own=$({ getent ahostsv4 "$name"; getent ahostsv6 "$name"; } | awk '{ print $1; exit }')
    case $own in
    '') end 1 "its own name $name is not known here" ;;
    127.*) end 1 "its own name $name leads to $own, which other hosts cannot use" ;;
    esac
    for peer in $peers; do
        getent hosts "${peer%%=*}" >/dev/null || end 1 "the name ${peer%%=*} is not known here"
    done
    echo "$name is $own"
}

fix_names() {
    name=$(hostname)
    work=$(mktemp) && cat "$hosts_file" >"$work" || exit
    case $(getent ahostsv4 "$name") in
    '' | 127.*)
        # Its own name leaves the lines of loopback addresses.
        awk -v name="$name" '/^127\./ { line = $1; for (i = 2; i <= NF; i++) if ($i != name && index($i, name ".") != 1) line = line " " $i; if (line != $1) print line; next } 1' "$hosts_file" >"$work"
        append "$work" "$address $name" ;;
    esac
    for peer in $peers; do
        getent hosts "${peer%%=*}" >/dev/null || grep -qwF "${peer%%=*}" "$work" || append "$work" "${peer#*=} ${peer%%=*}"
    done
    cat "$work" >"$hosts_file" && rm -f "$work"
}

# ---- trust ----

check_trust() {
    [ "$hosts" -gt 1 ] || exit 3
    home=$(getent passwd "$user" | cut -d: -f6)
    echo "$peer_keys" | { while read -r type word rest; do
        [ -z "$word" ] || grep -qsF "$word" "$home/.ssh/authorized_keys" || end 1 "$user does not accept root of ${rest#root@}"
    done; } || exit
    echo "$peer_hostkeys" | { while read -r names type word; do
        [ -z "$word" ] || grep -qsF "$names $type $word" "$known_hosts" || end 1 "the key of $names is not in $known_hosts"
    done; } || exit
    for peer in $peers; do
        [ "$(ssh -G "${peer%%=*}" 2>/dev/null | awk '$1 == "user" { print $2 }')" = "$user" ] || end 1 "root goes to ${peer%%=*} as another user than $user"
    done
    echo "root goes to the others as $user"
}

fix_trust() {
    home=$(getent passwd "$user" | cut -d: -f6)
    group=$(id -gn "$user") && install -d -m 700 -o "$user" -g "$group" "$home/.ssh" || exit
    file=$home/.ssh/authorized_keys
    echo "$peer_keys" | while read -r type word rest; do
        [ -z "$word" ] || grep -qsF "$word" "$file" || append "$file" "$type $word $rest"
    done
    chown "$user:$group" "$file" && chmod 600 "$file" || exit
    echo "$peer_hostkeys" | while read -r names type word; do
        [ -z "$word" ] || grep -qsF "$names $type $word" "$known_hosts" || append "$known_hosts" "$names $type $word"
    done
    chmod 644 "$known_hosts" || exit
    work=$(mktemp) && touch "$ssh_config" || exit
    {
        echo '# globule: begin'
        echo "Host $(for peer in $peers; do printf '%s ' "${peer%%=*}"; done)"
        echo "    User $user"
        echo '# globule: end'
        sed '/^# globule: begin/,/^# globule: end/d' "$ssh_config"
    } >"$work" || exit
    chmod 600 "$work" && mv "$work" "$ssh_config"
}

# ---- peers ----

check_peers() {
    [ "$hosts" -gt 1 ] || exit 3
    count=0
    for peer in $peers; do
        [ "${peer#*=}" != "$address" ] || continue
        said=$(ssh -n -o BatchMode=yes -o ConnectTimeout=10 "${peer%%=*}" true 2>&1) || end 2 "${peer%%=*}: $said"
        count=$((count + 1))
    done
    echo "reaches $count names"
}

# ---- access ----

check_access() {
    if [ "$hypervisor" = lxc ]; then
        said=$(if [ "$(id -u)" = 0 ]; then lxc-ls; else sudo -n /bin/sh -c lxc-ls; fi 2>&1) || end 2 "$user cannot use LXC: $said"
        [ -w "$datastores" ] || end 2 "$user cannot write to $datastores"
        end 0 "$user uses LXC and $datastores"
    fi
    if [ "$hypervisor" = lxd ]; then
        said=$(lxc query /1.0 2>&1 </dev/null) || end 2 "$user cannot use LXD: $said"
        end 0 "$user uses LXD"
    fi
    said=$(virsh -q -c "$uri" list 2>&1) || end 2 "$user cannot use libvirt: $said"
    [ -w "$datastores" ] || end 2 "$user cannot write to $datastores"
    echo "$user uses libvirt and $datastores"
}
