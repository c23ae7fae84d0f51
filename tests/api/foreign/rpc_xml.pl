# Perl's RPC::XML.
use strict;
use warnings;
use utf8;
use JSON::PP;
use RPC::XML;
use RPC::XML::Client;

$RPC::XML::ENCODING = 'utf-8';
$| = 1;
my %types = (i => 'RPC::XML::int', b => 'RPC::XML::boolean', s => 'RPC::XML::string');
my $json = JSON::PP->new->utf8->allow_nonref;
my $client = RPC::XML::Client->new($ARGV[0]);
while (my $line = <STDIN>) {
    my $call = $json->decode($line);
    my @arguments = map { $types{ $_->[0] }->new($_->[0] eq 'b' ? ($_->[1] ? 1 : 0) : $_->[1]) } @{ $call->{arguments} };
    my $answer = $client->send_request($call->{method}, @arguments);
    die "$answer\n" unless ref $answer;
    my $made = $answer->is_fault ? { fault => [ $answer->code + 0, $answer->string ] } : { answer => plain($answer) };
    print $json->encode($made), "\n";
}

# As JSON has it: the library's booleans and integers are objects of its own.
sub plain {
    my $value = shift;
    return [ map { plain($_) } @$value ] if $value->isa('RPC::XML::array');
    return { map { $_ => plain($value->{$_}) } keys %$value } if $value->isa('RPC::XML::struct');
    return $value->value ? JSON::PP::true : JSON::PP::false if $value->isa('RPC::XML::boolean');
    return $value->isa('RPC::XML::int') || $value->isa('RPC::XML::i4') || $value->isa('RPC::XML::i8')
        ? $value->value + 0 : $value->value . '';
}
