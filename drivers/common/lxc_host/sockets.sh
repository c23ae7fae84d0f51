#!/bin/sh
# Sockets that CRIU cannot write. Before its version 4.2 it asks each for SO_PASSCRED and SO_PASSSEC, which
# Linux from 6.16 on answers for those of Unix and of netlink alone: then no container can be written that has
# another one open. `criu check` does not tell that. It changes nothing. Needs base.sh and figures.sh.
# shellcheck disable=SC2154 # other files set them

# What CRIU asks for.
asked=SO_PASSCRED

# Asks each socket of the processes that are read, and names those that do not answer; a copy of each is made
# for the moment. The numbers of the calls are the same for every processor: pidfd_open 434, pidfd_getfd 438.
# Linux 5.6 has them; older ones answer.
# shellcheck disable=SC2016 # of Perl
ask_sockets='use Socket qw(:DEFAULT SO_PROTOCOL);
    my ($asked) = @ARGV;
    my %protocols = (6, "TCP", 17, "UDP");
    sub option { my $said = getsockopt($_[0], SOL_SOCKET, $_[1]); defined($said) ? unpack("i", $said) : 0 }
    sub name {
        my $address = getsockname($_[0]);
        my $family = defined($address) ? sockaddr_family($address) : 0;
        return if $family == AF_UNIX || $family == 16;
        return $family == 17 ? "a packet socket" : "a socket of family $family" if $family != AF_INET && $family != AF_INET6;
        my ($protocol, $port) = (option($_[0], SO_PROTOCOL), unpack("n", substr($address, 2, 2)));
        return "a raw socket of protocol $protocol" if option($_[0], SO_TYPE) == SOCK_RAW;
        my $kind = $protocols{$protocol} // "protocol $protocol";
        return "a socket of $kind without an address" if !$port;
        "$kind port $port" . (option($_[0], SO_ACCEPTCONN) ? " (listening)" : defined(getpeername($_[0])) ? " (connected)" : "");
    }
    my $option = $asked eq "SO_PASSCRED" ? SO_PASSCRED : int($asked);
    while (my $pid = <STDIN>) {
        $pid = int($pid);
        opendir(my $files, "/proc/$pid/fd") or next;
        my @numbers = grep { (readlink("/proc/$pid/fd/$_") // "") =~ /^socket:/ } readdir($files) or next;
        my $process = syscall(434, $pid, 0);
        $process >= 0 && open(my $held, "<&=", $process) or next;
        open(my $comm, "<", "/proc/$pid/comm") or next;
        chomp(my $program = <$comm> // "?");
        for my $number (@numbers) {
            my $copy = syscall(438, $process, int($number), 0);
            $copy >= 0 && open(my $one, "+<&=", $copy) or next;
            next if defined(getsockopt($one, SOL_SOCKET, $option));
            my $name = name($one);
            print "$name is open in $program\n" if defined($name);
        }
    }'

# A line for each; those of one program with the same name are told once.
open_sockets() { # NAME
    group_of "$1"
    ! command -v perl >/dev/null ||
        find "${group:-/nowhere}" -name cgroup.procs -exec cat {} + 2>/dev/null | perl -e "$ask_sockets" -- "$asked" | sort -u
}

# Distributions patch CRIU, so its version tells little: it is let write a program that does nothing but have
# such a socket.
criu_refuses() {
    command -v criu >/dev/null && command -v setsid >/dev/null && tried=$(mktemp -d) || return 1
    # shellcheck disable=SC2016 # of Perl
    setsid perl -MSocket -e 'socket(my $one, PF_INET, SOCK_DGRAM, 0); open(my $told, ">", "$ARGV[0]/open"); sleep 60' \
        "$tried" </dev/null >/dev/null 2>&1 9>&- &
    pid=$!
    tries=250
    until [ -e "$tried/open" ] || [ $((tries = tries - 1)) = 0 ]; do sleep 0.02; done
    timeout -k 5 20 criu dump -t $pid -D "$tried" -o log --leave-running </dev/null >/dev/null 2>&1 9>&-
    kill -9 $pid 2>/dev/null
    grep -qs 'sockets: .*opt: Operation not supported' "$tried/log"
    refused=$?
    rm -rf "$tried"
    return $refused
}

# Nothing when CRIU can write it; else those in the way, the first of them.
sockets_in_the_way() { # NAME
    found=$(open_sockets "$1")
    [ -n "$found" ] && criu_refuses || return 0
    echo "$found" | head -n 6
    count=$(echo "$found" | wc -l)
    [ "$count" -le 6 ] || echo "$((count - 6)) more are open"
}

# Before it is saved; before a move it is inspect() that asks.
refuse_sockets() { # NAME UUID
    begin
    case $(state "$1" "$2") in running | paused) ;; *) return ;; esac
    found=$(sockets_in_the_way "$1" | tr '\n' ';' | sed 's/;$//; s/;/; /g')
    [ -z "$found" ] ||
        fail "CRIU $(criu --version 2>/dev/null | sed -n 's/^Version: //p') cannot write the sockets of $1 with Linux $(uname -r) ($found): CRIU 4.2 can, and so it can with a Linux before 6.16; or end these programs, or power it off instead. It goes on as before"
}
