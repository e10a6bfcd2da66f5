#!/usr/bin/perl
# openapi.pl shim/openapi.json extension/rules/codes.h extension/rules/kinds.h: prints the document with all that follows
# from the two tables made anew. After a change of one of them:
#
#   perl docs/openapi.pl shim/openapi.json extension/rules/codes.h extension/rules/kinds.h >new.json && mv new.json shim/openapi.json
#
# From codes.h: the schema Code has all codes, and the schema Problem422, say, those of the HTTP status 422.
# From kinds.h: the schema TransactionRequest, say, has the members of the kind transaction; its description and its
# examples are written by hand. TransactionItem is the same in an array of many kinds, TransactionLeg in a group. The
# operations of a path are those of /api/v1/transaction with other names, but where they are written by hand.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Kinds;

my ($file, $codes_h, $kinds_h) = @ARGV;
$kinds_h or die "usage: openapi.pl shim/openapi.json extension/rules/codes.h extension/rules/kinds.h\n";
open my $document, '<', $file or die "cannot read $file: $!\n";
my $text = do { local $/; <$document> };

# --- codes ---

my %codes;
open my $codes, '<', $codes_h or die "cannot read $codes_h: $!\n";
while (<$codes>)
{
    # The first one, CODE_OK, refuses nothing.
    next unless /^\s*X\((\w+), "(\w+)", "\w+", \d, (\d+), / && $1 ne 'CODE_OK';
    push @{ $codes{$_} }, $2 for 'Code', "Problem$3";
}
# No operation of the document has this answer: other methods get it.
delete $codes{Problem405};

for my $schema (sort keys %codes)
{
    # The first enum after the schema's name.
    $text =~ s/(^ +"$schema": \{\n(?:(?!^ +"enum").*\n)*?( +)"enum": \[)[^\]]*\]/
        $1 . join(',', map { qq(\n$2  "$_") } @{ $codes{$schema} }) . "\n$2]"/me
        or die "$file has no list of codes called $schema: add the schema, and an answer that has it\n";
}

# --- kinds ---

# What a value of each type is, beside its description.
my @yes_or_no = ('"type": "boolean"');
my %types = (
    ID             => [ '"$ref": "#/components/schemas/IdIn"' ],
    USER           => [ '"$ref": "#/components/schemas/IdIn"' ],
    AMOUNT         => [ '"$ref": "#/components/schemas/Amount"' ],
    AMOUNT_OR_ZERO => [ '"$ref": "#/components/schemas/InitialAmount"' ],
    CURRENCY       => [ '"type": "string"', '"pattern": "^[A-Za-z]{3}$"' ],
    TIME           => [ '"$ref": "#/components/schemas/TimeIn"' ],
    DEADLINE       => [ '"$ref": "#/components/schemas/TimeIn"' ],
    INTERVAL       => [ '"$ref": "#/components/schemas/Interval"' ],
    FLAG           => \@yes_or_no,
    NEGATED_FLAG   => \@yes_or_no,
    AMOUNT_MODE    => [ '"type": "string"', '"enum": ["exact", "up_to", "all"]' ],
    SHORTFALL      => [ '"type": "string"', '"enum": ["refuse", "available", "overdraw"]' ],
    HANDSHAKE      => [ '"$ref": "#/components/schemas/Handshake"' ],
    LEGS           => [ '"type": "array"', '"minItems": 1', '"maxItems": 64', '"items": { "$ref": "#/components/schemas/Leg" }' ],
    SPLIT          => [ '"type": "array"', '"minItems": 1', '"maxItems": 64', '"items": { "$ref": "#/components/schemas/Share" }' ],
);
# What a leg does not have, and what only a leg has.
my ($not_of_legs, $of_legs) = (qr/^(?:USER|DEADLINE|HANDSHAKE)$/, qr/^SPLIT$/);

sub camel { my ($name) = @_; return join '', map { ucfirst } split /_/, $name; }

# Lines of JSON, indented: what is a list in itself is closed on a line of its own, as in the rest of the document.
sub indented
{
    my ($json, $depth) = @_;
    my $blanks = '  ' x $depth;
    $json =~ s/\[(?=")([^\]]*)\]/"[\n" . join(",\n", map { "$blanks  $_" } split m{, }, $1) . "\n$blanks]"/e;
    $json =~ s/\{ (.*) \}/{\n$blanks  $1\n$blanks}/;
    return $blanks . $json;
}

# An object with these members, of which some are required: the lines from additionalProperties on.
sub object
{
    my ($depth, $required, @members) = @_;
    my $blanks = '  ' x $depth;
    my @lines = qq($blanks"additionalProperties": false);
    push @lines, qq($blanks"required": [\n) . join(",\n", map { qq($blanks  "$_") } @{$required}) . "\n$blanks]" if @{$required};
    my @properties = map {
        my $value = $_->{value} || $types{ $_->{type} } || die "no schema for $_->{type}\n";
        my @described = $_->{meaning} ? qq("description": "$_->{meaning}") : ();
        qq($blanks  "$_->{name}": {\n) . join(",\n", map { indented($_, $depth + 2) } @described, @{$value}) . "\n$blanks  }"
    } @members;
    return join(",\n", @lines, qq($blanks"properties": {\n) . join(",\n", @properties) . "\n$blanks}");
}

sub kind_member { my ($kind) = @_; return { name => 'kind', value => [ '"type": "string"', qq("const": "$kind->{name}") ] }; }

# The ways in which members of a request exclude each other: [members left out, members needed besides, another schema].
sub ways
{
    my ($kind) = @_;
    my %has = map { ($_->{type} => $_->{name}) } @{ $kind->{members} };
    my ($amount) = map { $_->{name} } grep { $_->{type} eq 'AMOUNT' } @{ $kind->{members} };
    return ([ 'hold_handshake_id', 'hold_id' ], [ 'hold_id', 'hold_handshake_id' ]) if $has{HANDSHAKE};
    return ([ '', $amount, [ '"type": "string"', '"enum": ["exact", "up_to"]' ] ], [ $amount, 'amount_mode', [ '"type": "string"', '"const": "all"' ] ])
        if $has{AMOUNT_MODE};
    return;
}

# The payload of a request of this kind. An operator may leave out who asks.
sub payload
{
    my ($kind, @more) = @_;
    my @members = (@more, grep { $_->{type} !~ $of_legs } @{ $kind->{members} });
    my @required = map { $_->{name} } @more, grep { $_->{required} && $_->{type} ne 'USER' } @{ $kind->{members} };
    my @ways = ways($kind) or return object(4, \@required, @members);
    my @variants = map {
        my ($without, $with, $mode) = @{$_};
        my @own = map { $mode && $_->{name} eq 'amount_mode' ? { %{$_}, value => $mode } : $_ } grep { $_->{name} ne $without } @members;
        my %needed = map { ($_ => 1) } @required, $with;
        "          {\n            \"type\": \"object\",\n" . object(6, [ grep { $needed{$_} } map { $_->{name} } @own ], @own) . "\n          }"
    } @ways;
    return qq(        "oneOf": [\n) . join(",\n", @variants) . "\n        ]";
}

# A leg names what it needs in several ways: what must be there in each of them is required.
sub leg
{
    my ($kind) = @_;
    my @members = grep { $_->{type} !~ $not_of_legs } @{ $kind->{members} };
    my %optional = map { ($_->{name} => 1) } grep { my $mode = $_; grep { $_->{type} eq 'AMOUNT_MODE' } @{ $kind->{members} } } grep { $_->{type} eq 'AMOUNT' } @members;
    my @required = map { $_->{name} } grep { $_->{required} && !$optional{ $_->{name} } } @members;
    if (grep { $_->{type} =~ $of_legs } @members)
    {
        @required = grep { $_ ne 'dest_wallet_id' } @required;
        push @members, { name => 'amount', type => 'AMOUNT', meaning => 'The same as trans_sum, of which a leg has one.' };
    }
    push @required, 'hold_id' if grep { $_->{type} eq 'HANDSHAKE' } @{ $kind->{members} };
    return object(4, [ 'kind', @required ], kind_member($kind), @members);
}

# Puts a schema into the document, in the place of an older one; those that are new stand before that of many requests.
sub put_schema
{
    my ($name, $tail) = @_;
    my $head = qr/^      "$name": \{\n(?:(?!^      \}).*\n)*?/m;

    $text =~ s/^(?=      "BulkRequest": \{)/      "$name": {\n        "type": "object",\n        "additionalProperties": false\n      },\n/m
        unless $text =~ $head;
    $text =~ s/($head)        "(?:additionalProperties|oneOf)": .*?\n      \}/$1$tail\n      }/s or die "$file has no schema called $name\n";
}

sub references
{
    my @names = @_;
    return qq(        "oneOf": [\n) . join(",\n", map { qq(          {\n            "\$ref": "#/components/schemas/$_"\n          }) } @names) . "\n        ]";
}

# The operations of a kind's path, made from those of a transaction's.
sub put_path
{
    my ($kind) = @_;
    my ($name, $shape) = (camel($kind->{name}), camel($kind->{shape}));
    my ($model, $old) = map { qr/^    "\Q$_\E": \{\n(?:(?!^    \}).*\n)*    \},\n/m } '/api/v1/transaction', $kind->{path};
    my ($new) = $text =~ m{($model)} or die "$file has no path /api/v1/transaction\n";
    my $keys = join ",\n", map { qq(          {\n            "apiKey": [\n              "$_"\n            ]\n          }) } split ' ', $kind->{scope};

    $new =~ s{"/api/v1/transaction"}{"$kind->{path}"};
    $new =~ s/"(read|create|query)Transaction"/"$1$name"/g;
    $new =~ s{schemas/TransactionRequest"}{schemas/${name}Request"}g;
    $new =~ s{schemas/(Queued)?Transaction"}{schemas/@{[ $1 // '' ]}$shape"}g;
    $new =~ s/"summary": "Asks to move money from one wallet to another\."/"summary": "$kind->{meaning}"/;
    $new =~ s/          \{\n            "apiKey": \[\n              "transfer"\n            \]\n          \}/$keys/;
    $text =~ s/$old//;
    $text =~ s/^(?=    "\/api\/v1\/wallet\/async": \{)/$new/m or die "$file has no path /api/v1/wallet/async\n";
}

my @kinds = Kinds::read_kinds($kinds_h);
my @posted = grep { $_->{path} } @kinds;
for my $kind (@posted)
{
    my $schema = camel($kind->{name}) . 'Request';
    put_schema($schema, payload($kind));
    put_path($kind) if $kind->{shape} !~ /^(?:wallet|transaction)$/;
    $text =~ m{^    "\Q$kind->{path}\E": \{\n(?:(?!^    \}).*\n)*?        "requestBody": \{\n(?:(?!^        \}).*\n)*? +"\$ref": "#/components/schemas/$schema"}m
        or die "$file: the POST of $kind->{path} does not take $schema\n";
}
my @legs = grep { $_->{uses}{leg} } @kinds;
put_schema(camel($_->{name}) . 'Leg', leg($_)) for @legs;
put_schema('Leg', references(map { camel($_->{name}) . 'Leg' } @legs));
put_schema(camel($_->{name}) . 'Item', payload($_, kind_member($_))) for @posted;
put_schema('Item', references(map { camel($_->{name}) . 'Item' } @posted));
print $text;
