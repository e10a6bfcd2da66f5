package Payload;

# Payload.pm: an operation of a scenario as the members of a payload, and those as JSON, as the arguments of a
# direct call, and as words for the program of the rules.
#
# A value is [TYPE, VALUE]. Its type says how each way writes it: wallet and operation are names, whose ids the
# way knows; amount, text, flag, moment and duration are as the scenario has them; parts are legs or shares.
use strict;
use warnings;

use Exporter qw(import);
our @EXPORT_OK = qw(members payload_sql arguments_sql numbered);

use Scenario qw(microseconds %verbs %missing);

sub given {
    my ($values, $key, $name, $type) = @_;
    return exists $values->{$key} && defined $values->{$key} ? [ $name, $type, $values->{$key} ] : ();
}

sub hold_of {
    my ($values) = @_;
    return $values->{hold} =~ /^@(.*)/ ? [ 'hold_handshake_id', 'handshake', $1 ] : [ 'hold_id', 'operation', $values->{hold} ];
}

sub share {
    my ($wallet, $share) = @{ $_[0] };
    my $part = $share eq 'rest' ? [ 'rest', 'flag', 1 ]
        : $share =~ /^(-?\d+)ppm$/ ? [ 'parts_per_million', 'number', $1 ] : [ 'amount', 'amount', $share ];
    return [ [ 'dest_wallet_id', 'wallet', $wallet ], $part ];
}

my %members_of = (
    wallet => sub { (given($_, 'amount', 'amount', 'amount'), given($_, 'currency', 'currency', 'text')) },
    balance => sub { [ 'wallet_id', 'wallet', $_->{wallet} ] },
    deposit => sub { ([ 'wallet_id', 'wallet', $_->{wallet} ], given($_, 'amount', 'amount', 'amount')) },
    withdraw => sub { ([ 'wallet_id', 'wallet', $_->{wallet} ], given($_, 'quantity', 'amount', 'amount')) },
    transfer => sub {
        ([ 'source_wallet_id', 'wallet', $_->{source} ], [ 'dest_wallet_id', 'wallet', $_->{destination} ],
            given($_, 'quantity', 'trans_sum', 'amount'))
    },
    fee => sub {
        ([ 'source_wallet_id', 'wallet', $_->{source} ], [ 'dest_wallet_id', 'wallet', $_->{destination} ],
            given($_, 'quantity', 'amount', 'amount'))
    },
    split => sub {
        ([ 'source_wallet_id', 'wallet', $_->{source} ], given($_, 'quantity', 'amount', 'amount'),
            [ 'split', 'parts', [ map { share($_) } @{ $_->{shares} } ] ])
    },
    hold => sub {
        ([ 'source_wallet_id', 'wallet', $_->{source} ],
            $_->{destination} eq 'outside' ? () : [ 'dest_wallet_id', 'wallet', $_->{destination} ],
            given($_, 'amount', 'amount', 'amount'), given($_, 'max', 'max_capture', 'amount'))
    },
    capture => sub { (hold_of($_), given($_, 'amount', 'amount', 'amount'), $_->{keep} ? [ 'final', 'flag', 0 ] : ()) },
    void => sub { (hold_of($_), given($_, 'amount', 'amount', 'amount')) },
    extend => sub { (hold_of($_), given($_, 'amount', 'amount', 'amount')) },
    reverse => sub {
        ([ 'transfer_id', 'operation', $_->{transfer} ], given($_, 'amount', 'amount', 'amount'), given($_, 'shortfall', 'shortfall', 'text'))
    },
    reverse_group => sub { ([ 'group_id', 'operation', $_->{group} ], given($_, 'keep_fees', 'keep_fees', 'flag')) },
    group => sub { () },
);

# The members of an operation's payload, each [NAME, TYPE, VALUE], without user_id.
sub members {
    my ($operation) = @_;
    my ($verb, $values) = @{$operation}{qw(verb values)};
    my @members = map { $members_of{$verb}->() } $values;
    push @members, given($values, 'mode', 'amount_mode', 'text'), given($values, 'in', 'expires_in', 'duration'),
        given($values, 'until', 'expires_at', 'moment'), given($values, 'valid', 'valid_until', 'moment');
    push @members, [ 'legs', 'parts', [ map { [ [ 'kind', 'text', $verbs{ $_->{verb} }{kind} ], members($_) ] } @{ $operation->{legs} // [] } ] ]
        if $verb eq 'group';
    return @members;
}

# ---- As SQL ----

sub quoted {
    my ($text) = @_;
    return q(') . $text =~ s/'/''/gr . q(');
}

# A wallet as an expression of its id.
sub numbered {
    my ($name, $number_of) = @_;
    return $missing{$name} // "wallet_of($number_of->{$name})";
}

sub seconds {
    my ($text) = @_;
    my $us = microseconds($text);
    return sprintf '%s%d.%06d', $us < 0 ? '-' : '', abs($us) / 1_000_000, abs($us) % 1_000_000;
}

# Expressions of each type, for a call.
my %sql_of = (
    wallet => sub { numbered(@_) },
    operation => sub { 'pg_temp.id(' . quoted($_[0] =~ s/^@//r) . ')' },
    handshake => sub { 'pg_temp.id(' . quoted($_[0]) . ')' },
    amount => sub { $_[0] },
    number => sub { $_[0] },
    text => sub { quoted($_[0]) },
    flag => sub { $_[0] ? 'true' : 'false' },
    duration => sub { quoted(seconds($_[0]) . ' seconds') },
    moment => sub { 'pg_temp.moment(' . quoted($_[0] eq 'infinity' ? $_[0] : microseconds($_[0]) . ' us') . ')' },
);

# JSON as pieces: text, and references to expressions of text.
my %json_of = (
    wallet => sub { \numbered(@_) },
    operation => sub { \$sql_of{operation}->(@_) },
    handshake => sub { ('"', \('pg_temp.handshake(' . quoted($_[0]) . ')'), '"') },
    amount => sub { $_[0] },
    number => sub { $_[0] },
    text => sub { qq("$_[0]") },
    flag => sub { $_[0] ? 'true' : 'false' },
    duration => sub { seconds($_[0]) },
    moment => sub { ('"', \("pg_temp.shown(" . $sql_of{moment}->(@_) . ')'), '"') },
);

sub object {
    my ($number_of, @members) = @_;
    my @pieces;
    for my $member (@members) {
        my ($name, $type, $value) = @$member;
        push @pieces, (@pieces ? ',' : '{') . qq("$name":);
        push @pieces, $type eq 'parts' ? array($number_of, @$value) : $json_of{$type}->($value, $number_of);
    }
    return (@pieces ? () : '{', @pieces, '}');
}

sub array {
    my ($number_of, @objects) = @_;
    my @pieces = map { (',', object($number_of, @$_)) } @objects;
    shift @pieces;
    return ('[', @pieces, ']');
}

sub joined {
    my @expressions;
    for my $piece (@_) {
        if (ref $piece) { push @expressions, [ "($$piece)::text" ] }
        elsif (@expressions && !ref $expressions[-1]) { $expressions[-1] .= $piece }
        else { push @expressions, $piece }
    }
    return q{array_to_string(ARRAY[} . join(', ', map { ref $_ ? $_->[0] : quoted($_) } @expressions) . q{], '')};
}

# The payload of a request as an expression of text; user is a number, or undef where an operator asks.
sub payload_sql {
    my ($operation, $number_of, $user) = @_;
    return joined(object($number_of, defined $user ? [ 'user_id', 'number', $user ] : (), members($operation)));
}

# The arguments of a direct call.
my %argument_of = (dest_wallet_id => 'destination_wallet_id', trans_sum => 'amount', hold_handshake_id => 'hold_id');

sub arguments_sql {
    my ($operation, $number_of) = @_;
    my @arguments;
    for my $member (members($operation)) {
        my ($name, $type, $value) = @$member;
        my $sql = $type eq 'parts' ? joined(array($number_of, @$value)) . '::jsonb' : $sql_of{$type}->($value, $number_of);
        push @arguments, ($argument_of{$name} // $name) . " => $sql";
    }
    push @arguments, 'destination_wallet_id => NULL' if $operation->{verb} eq 'hold' && $operation->{values}{destination} eq 'outside';
    push @arguments, 'amount => NULL' if ($operation->{values}{mode} // '') eq 'all';
    push @arguments, 'idempotency_key => ' . quoted($operation->{values}{key}) if defined $operation->{values}{key};
    return join ', ', @arguments;
}

1;
