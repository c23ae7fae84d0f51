#!/bin/bash
# Installs Globule, after building it where that is needed. Asks nothing.
#
#   ./install.sh -d DIRECTORY [-u USER] [-g GROUP]     all in one directory (ONE_LOCATION)
#   ./install.sh -p PREFIX [-D DESTDIR]                in the system's own places; `scons install`
#                                                      calls this, prefix is /usr or /usr/local
#   -u USER, -g GROUP   who owns DIRECTORY afterwards
#   -n                  do not build: take what build/ has
#   -h                  this text
#
# Configuration that was changed is never overwritten: the shipped file is put beside it as FILE.new.
set -eu
top=$(dirname "$(readlink -f "$0")")
cd "$top"

# What goes where, one place for both layouts.
programs="oned mm_sched onecli"
clients="onevm onehost oneuser onetemplate onevnet onevntemplate onesecgroup onegroup oneacl onecluster onedatastore onevdc oneimage onevmgroup oneacct oneshowback onevrouter onehook onemarket onemarketapp onezone onebackupjob"
drivers="one_im one_vmm one_tm one_datastore one_market one_hem one_auth_mad"

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

usage() {
    sed -n '2,/^set/ { s/^# \{0,1\}//p }' "$0"
    exit "$1"
}

location='' prefix='' destdir='' user='' group='' build=yes
while getopts d:p:D:u:g:nh option; do
    case $option in
    d) location=$OPTARG ;;
    p) prefix=$OPTARG ;;
    D) destdir=$OPTARG ;;
    u) user=$OPTARG ;;
    g) group=$OPTARG ;;
    n) build=no ;;
    h) usage 0 ;;
    *) usage 2 >&2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# = 0 ] || fail "'$1' has no meaning here; -h shows what has"
[ -n "$location$prefix" ] || fail "where to? -d DIRECTORY for one directory, -p /usr for the system; -h shows more"
[ -z "$location" ] || [ -z "$prefix" ] || fail "-d and -p are two ways to install: give one of them"
[ -z "$user" ] || id "$user" >/dev/null 2>&1 || fail "there is no user '$user' here: \`adduser --system $user\` makes one"
[ -z "$group" ] || getent group "$group" >/dev/null || fail "there is no group '$group' here: \`addgroup $group\` makes one"

case ${prefix:-/} in /*) ;; *) fail "prefix '$prefix' must begin with /" ;; esac
[ -z "$location" ] || mkdir -p "$location" || fail "cannot make $location: run this as root, or choose another directory"

if [ $build = yes ]; then
    . share/packages
    packages_need build || exit 1
    scons -Q -j"$(nproc)" || fail "the build failed; the first error above says where"
fi
for program in $programs; do
    [ -x "build/bin/$program" ] || fail "build/bin/$program is missing: run \`scons\` first"
done

if [ -n "$location" ]; then
    location=$(readlink -f "$location")
    bin=$location/bin mads=$location/lib/mads etc=$location/etc var=$location/var
    share=$location/share man=$share/man completion=$share/completion units=$share/systemd logs=$var
    bindir=$bin
else
    root=$destdir$prefix
    bin=$root/bin mads=$root/lib/one/mads share=$root/share/one man=$root/share/man
    completion=$root/share/bash-completion/completions units=$root/lib/systemd/system
    etc=$destdir/etc/one var=$destdir/var/lib/one logs=$destdir/var/log/one
    bindir=$prefix/bin
fi
mkdir -p "$bin" "$mads/hooks/ft" "$etc" "$var" "$logs" "$share/etc" "$man/man1" "$man/man8" "$completion" "$units" ||
    fail "cannot write there: run this as root, or choose another place"

# Programs are replaced by a rename, so that running ones are not disturbed.
put() { # MODE FILE DIRECTORY
    install -m "$1" "$2" "$3/.$(basename "$2").part"
    mv -f "$3/.$(basename "$2").part" "$3/$(basename "$2")"
}

put_tree() { # SOURCE TARGET
    [ -d "$1" ] || return 0
    mkdir -p "$2"
    cp -r "$1/." "$2/"
}

# Configuration: share/one/etc keeps each file as shipped, which tells a changed one from an old one.
put_configuration() { # FILE
    local name shipped=$1 mine kept
    name=$(basename "$shipped")
    mine=$etc/$name kept=$share/etc/$name
    if ! [ -e "$mine" ] || cmp -s "$mine" "$shipped" || { [ -e "$kept" ] && cmp -s "$mine" "$kept"; }; then
        put 644 "$shipped" "$etc"
        rm -f "$mine.new"
    else
        install -m 644 "$shipped" "$mine.new"
        echo "$mine was changed: kept as it is; the one of this version is $mine.new"
    fi
    put 644 "$shipped" "$share/etc"
}

for program in $programs; do put 755 "build/bin/$program" "$bin"; done
for client in $clients; do ln -sfn onecli "$bin/$client"; done
put 755 share/one "$bin"
for driver in $drivers; do put 755 "build/mads/$driver" "$mads"; done
put 755 build/mads/hooks/ft/host_error "$mads/hooks/ft"
for file in etc/*; do put_configuration "$file"; done

for part in examples schema doc; do put_tree "share/$part" "$share/$part"; done
for page in share/man/*.[1-8]; do
    [ ! -e "$page" ] || put 644 "$page" "$man/man${page##*.}"
done
for file in share/completion/*; do
    [ ! -f "$file" ] || put 644 "$file" "$completion"
done
if [ -n "$prefix" ]; then
    for client in $clients; do
        [ ! -e "$completion/globule" ] || ln -sfn globule "$completion/$client"
    done
    mkdir -p "$root/lib/sysusers.d"
    install -m 644 share/systemd/one.sysusers "$root/lib/sysusers.d/one.conf"
fi
for unit in share/systemd/*.service; do
    sed "s|@bindir@|$bindir|g" "$unit" >"$units/$(basename "$unit")"
    chmod 644 "$units/$(basename "$unit")"
done

if [ -n "$user$group" ]; then
    chown -R "$user${group:+:$group}" "${location:-$var}" || fail "could not give the files to $user${group:+:$group}"
fi
if [ -n "$location" ]; then
    echo "Globule is in $location. Start it:"
    echo "  export ONE_LOCATION=$location PATH=\$PATH:$location/bin"
    echo "  one start"
else
    echo "Globule is in $destdir$prefix${destdir:+ (staged)}."
fi
