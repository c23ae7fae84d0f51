# What every program of vnm_script.c begins with; /bin/sh on a host. Names and numbers come from
# there, checked. State: DIR/made/LINK (made here, not by an administrator), DIR/keep/LINK (stays
# when empty), DIR/use/LINK/VM-CARD (who needs it). It goes with the next boot, as the devices do.
PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
sudo=
dir=/run/globule-vnm
if [ "$(id -u)" != 0 ]; then
    sudo='sudo -n'
    dir=$HOME/.globule-vnm/$(cat /proc/sys/kernel/random/boot_id)
fi

fail() {
    echo "$1" >&2
    exit 1
}

is_link() {
    [ -e "/sys/class/net/$1" ]
}

# A bridge that is there and on needs nothing, so nobody has to be root for it.
switch_on() {
    read -r flags <"/sys/class/net/$1/flags"
    [ $((flags & 1)) = 1 ] || $sudo ip link set dev "$1" up || fail "cannot switch $1 on"
}

begin() {
    mkdir -p "$dir/made" "$dir/keep" "$dir/use" || exit
    exec 9>"$dir/lock" && flock -w 60 9 || fail "another change of networks on this host does not end"
}

make() { # LINK, the rest as for ip link add
    made=$1
    shift
    $sudo ip link add name "$made" "$@" || fail "cannot make the device $made"
    # The host itself has no address in the networks of machines.
    $sudo sysctl -q -w "net/ipv6/conf/$made/disable_ipv6=1" 2>/dev/null
    : >"$dir/made/$made" || exit
}

use() { # LINK WHO
    mkdir -p "$dir/use/$1" && : >"$dir/use/$1/$2" || exit
}

mtu() { # LINK NUMBER; of what was made here alone
    [ ! -e "$dir/made/$1" ] || [ "$2" = 0 ] || $sudo ip link set dev "$1" mtu "$2" || fail "the MTU of $1 cannot be $2"
}

bridge() { # NAME MTU WHO
    if ! is_link "$1"; then
        make "$1" type bridge forward_delay 0
    elif [ ! -d "/sys/class/net/$1/bridge" ]; then
        fail "$1 is there on this host, but it is no Linux bridge: give the network another BRIDGE"
    fi
    use "$1" "$3"
    mtu "$1" "$2"
    switch_on "$1"
}

ovs_bridge() { # NAME
    command -v ovs-vsctl >/dev/null || fail "there is no ovs-vsctl on this host: install openvswitch-switch"
    $sudo ovs-vsctl --may-exist add-br "$1" || fail "cannot make the bridge $1"
}

join() { # LINK BRIDGE
    if [ -e "/sys/class/net/$1/master" ]; then
        master=$(basename "$(readlink "/sys/class/net/$1/master")")
        [ "$master" = "$2" ] || fail "$1 is in $master already, so it cannot be in $2"
        return 0
    fi
    # What the host itself is reached by would be cut off.
    [ -z "$(ip -o address show dev "$1" scope global)" ] ||
        fail "$1 has an address of the host, so it cannot be put into the bridge $2: make that bridge by hand"
    $sudo ip link set dev "$1" master "$2" || fail "cannot put $1 into $2"
    switch_on "$1"
}

port() { # LINK BRIDGE: a card of the host
    is_link "$1" || fail "there is no network card $1 on this host (PHYDEV of the network)"
    join "$1" "$2"
}

tagged() { # NAME PHYDEV BRIDGE MTU WHO WORDS, the rest as for ip link add
    name=$1 below=$2 bridge=$3 mtu=$4 who=$5 words=$6
    shift 6
    is_link "$below" || fail "there is no network card $below on this host (PHYDEV of the network)"
    switch_on "$below"
    if ! is_link "$name"; then
        make "$name" "$@"
    elif ! ip -d -o link show dev "$name" | grep -q -F -e "$words "; then
        fail "$name is there on this host, but it is no $words"
    fi
    use "$name" "$who"
    mtu "$name" "$mtu"
    join "$name" "$bridge"
}

# The bridges' own connection tracking came with Linux 5.3. Without it what goes over bridges is shown
# to that of IP, which marks what belongs to a connection.
tables() {
    $sudo nft list chain bridge globule established >/dev/null 2>&1 && return
    command -v nft >/dev/null || fail "security groups need nft on this host: install nftables"
    base='add table bridge globule
add map bridge globule from { type ifname : verdict; }
add map bridge globule to { type ifname : verdict; }
add chain bridge globule established
add chain bridge globule guests-from { type filter hook prerouting priority 10; }
add chain bridge globule guests-to { type filter hook postrouting priority 0; }
add rule bridge globule guests-from iifname vmap @from
add rule bridge globule guests-to oifname vmap @to'
    $sudo nft -f - 2>/dev/null <<END && return
$base
add rule bridge globule established ct state established,related accept
END
    $sudo modprobe br_netfilter 2>/dev/null
    for which in iptables ip6tables; do
        key=net.bridge.bridge-nf-call-$which
        [ -e "$dir/$key" ] || sysctl -n $key >"$dir/$key" 2>/dev/null
        $sudo sysctl -q -w $key=1 ||
            fail "this host's kernel has neither nf_conntrack_bridge nor br_netfilter: no rules without one"
    done
    $sudo nft -f - <<END || fail "nft does not take the tables of the security groups"
$base
add rule bridge globule established meta mark and 0x20000000 != 0 accept
add table inet globule
add chain inet globule arrive { type filter hook prerouting priority -150; }
add chain inet globule leave { type filter hook output priority -150; }
add rule inet globule arrive ct state established,related meta mark set meta mark or 0x20000000
add rule inet globule leave ct state established,related meta mark set meta mark or 0x20000000
END
}

rules() { # text on standard input
    $sudo nft -f - || fail "nft does not take the rules of the machine's security groups"
}

chains() { # PATTERN
    $sudo nft list table bridge globule 2>/dev/null | sed -n "s/^\tchain \($1-\(in\|out\)\) {.*/\1/p"
}

unfilter() { # PATTERN of taps
    command -v nft >/dev/null || return 0
    for chain in $(chains "$1"); do
        map=to
        [ "$chain" = "${chain%-in}" ] && map=from
        printf 'delete element bridge globule %s { "%s" }\ndelete chain bridge globule %s\n' "$map" "${chain%-*}" "$chain"
    done >"$dir/nft" || exit
    [ ! -s "$dir/nft" ] || $sudo nft -f - <"$dir/nft" || fail "the rules of $1 cannot be removed"
    rm -f "$dir/nft"
    $sudo nft list chain bridge globule established >/dev/null 2>&1 || return 0
    [ -z "$(chains 'one-[0-9]*-[0-9]*')" ] || return 0
    $sudo nft delete table bridge globule && { $sudo nft delete table inet globule 2>/dev/null || :; }
    for which in iptables ip6tables; do
        key=net.bridge.bridge-nf-call-$which
        [ ! -s "$dir/$key" ] || $sudo sysctl -q -w $key="$(cat "$dir/$key")"
        rm -f "$dir/$key"
    done
}

# Devices that were made here and that nobody uses any more; those below bridges first.
sweep() {
    for kind in other bridge; do
        for made in "$dir"/made/*; do
            name=${made##*/}
            [ -e "$made" ] && ! { [ -d "$dir/use/$name" ] && [ -n "$(ls -A "$dir/use/$name")" ]; } && [ ! -e "$dir/keep/$name" ] || continue
            if [ -d "/sys/class/net/$name/bridge" ]; then
                # Somebody else may have put a card into it meanwhile.
                [ $kind = bridge ] && ! ls -d "/sys/class/net/$name/brif/"one-* >/dev/null 2>&1 || continue
            fi
            ! is_link "$name" || $sudo ip link delete dev "$name" || fail "cannot remove the device $name"
            rm -f "$made"
        done
    done
}

leave() { # PATTERN of WHO
    for used in "$dir"/use/*; do
        [ ! -d "$used" ] || find "$used" -name "$1" -exec rm -f {} + || exit
    done
    sweep
    for used in "$dir"/use/*; do
        [ ! -d "$used" ] || rmdir "$used" 2>/dev/null || :
    done
}
