# Perl's XMLRPC::Lite.
use strict;
use warnings;
use JSON::PP;
use XMLRPC::Lite;

# It dies of an <i8>, which refusals hold since 5.4, with every server.
{
    no warnings 'redefine';
    my $known = \&XMLRPC::Deserializer::decode_value;
    *XMLRPC::Deserializer::decode_value = sub { $_[1][0] eq 'i8' ? $_[1][3] : $known->(@_) };
}

$| = 1;
my %types = (i => 'int', b => 'boolean', s => 'string');
my $json = JSON::PP->new->utf8->allow_nonref;
my $client = XMLRPC::Lite->proxy($ARGV[0]);
while (my $line = <STDIN>) {
    my $call = $json->decode($line);
    my @arguments = map { SOAP::Data->type($types{ $_->[0] })->value($_->[0] eq 'b' ? ($_->[1] ? 1 : 0) : $_->[1]) }
        @{ $call->{arguments} };
    my $answer = $client->call($call->{method}, @arguments);
    my $made = $answer->fault ? { fault => [ $answer->faultcode + 0, $answer->faultstring ] } : { answer => $answer->result };
    utf8::decode($_) for grep { !ref } ref $made->{answer} ? @{ $made->{answer} } : $made->{answer};  # octets, it gives
    print $json->encode($made), "\n";
}
