#!/usr/bin/perl
# openapi.t: shim/openapi.json and docs/http.md say what the sources say: every route with its methods,
# scopes and members, every code, every limit, every option of the shim; and nothing else.
use strict;
use warnings;

use File::Basename qw(dirname);
use JSON::PP;
use Test::More;

use lib dirname(__FILE__) . '/../../docs';
use Kinds;

chdir dirname(__FILE__) . '/../..' or die "cannot change the folder: $!";

sub slurp {
    my ($file) = @_;
    open my $handle, '<', $file or die "cannot read $file: $!";
    local $/;
    return scalar <$handle>;
}

my $text = slurp('shim/openapi.json');
my $document = JSON::PP->new->decode($text);
my ($paths, $components) = @{$document}{qw(paths components)};
my ($schemas, $parameters) = @{$components}{qw(schemas parameters)};
my $manual = slurp('docs/http.md');
my $route_c = slurp('shim/api/routes.c');
my @kinds = Kinds::read_kinds('extension/rules/kinds.h');
my $headers = join '', map { slurp($_) } glob 'shim/*/*.h';

sub resolved {
    my ($node) = @_;
    while (ref $node eq 'HASH' && $node->{'$ref'}) {
        my $target = $document;
        $target = $target->{$_} for map { s{~1}{/}gr } split m{/}, $node->{'$ref'} =~ s{^#/}{}r;
        $node = $target // die "nothing at $node->{'$ref'}";
    }
    return $node;
}

sub constant {
    my ($name) = @_;
    my ($value) = $headers =~ /^#define $name (\d[\d *]*|\([\d *]+\))/m;
    return eval $value // die "no $name";
}

# --- codes ----------------------------------------------------------------------------------

is(scalar `perl docs/openapi.pl shim/openapi.json extension/rules/codes.h extension/rules/kinds.h`, $text,
    'the lists of codes are those of codes.h, and the payloads those of kinds.h: docs/openapi.pl makes them');
is(scalar `perl docs/kinds.pl extension/rules/kinds.h`, slurp('docs/kinds.md'), 'docs/kinds.md is made from kinds.h');

# Each answer that refuses has the list of its own status.
for my $path (sort keys %{$paths}) {
    for my $method (sort keys %{ $paths->{$path} }) {
        my %answers = %{ $paths->{$path}{$method}{responses} };
        for my $status (grep { $_ >= 400 && $_ != 414 && $_ != 431 } sort keys %answers) {
            my $schema = resolved($answers{$status})->{content}{'application/problem+json'}{schema}{'$ref'};
            $schema eq "#/components/schemas/Problem$status" or fail("$method $path: $status has $schema");
        }
    }
}

# --- routes ---------------------------------------------------------------------------------

# SCOPE_READ => read; 0 => none
sub scope { my ($symbol) = @_; return $symbol =~ /^SCOPE_(\w+)$/ ? lc $1 : ''; }

# A list of MEMBERs => their names
my %members_of = (PAGE => [ 'before', 'limit' ]);
sub members { return [ map { @{ $members_of{$_} || [lc] } } grep { $_ } split / \| /, shift ] }

# {"/api/v1/wallet" => {kind, methods => {get => scope, post => scope, 'x-query' => scope}, members, required}}
# Those of the kinds of kinds.h, whose handshakes are read, and those that routes.c adds to them. Who speaks for all users
# may leave out the user in a read by handshake; that of many outcomes has its questions in a body.
my (%routes, %scope_of);
for (@kinds) {
    my ($symbol, $kind, $path, $scope) = ("KIND_$_->{symbol}", @{$_}{qw(name path scope)});
    $scope_of{$symbol} = [ $kind, $scope ];
    my ($allowed, $required) = $kind eq 'wallet' ? ('USER_ID | HANDSHAKE_ID | WALLET_ID | INCLUDE', 'USER_ID') : ('USER_ID | HANDSHAKE_ID | INCLUDE', 'HANDSHAKE_ID');
    $routes{$path} = { kind => $kind, methods => { get => 'read', 'x-query' => 'read', post => $scope },
        allowed => members($allowed), required => members($required) } if $path;
}
while ($route_c =~ /^\t\{"(\/[^"]+)", (?:&kinds\[(\w+)\]|NULL), (\w+), (\w+), ([^,]+), ([^,]+), (\w+)\},$/mg) {
    my ($path, $symbol, $posting, $read_scope, $allowed, $required, $read) = ($1, $2, $3, $4, $5, $6, $7);
    my ($kind, $post_scope) = $symbol ? @{ $scope_of{$symbol} } : ();
    my %methods;
    my %posted;
    my @posted = grep { !$posted{$_}++ } map { split ' ', $_->{scope} } grep { $_->{path} } @kinds;
    $required = 'HANDSHAKE_ID' if $read eq 'read_outcomes';
    $methods{post} = $post_scope // join ' ', @posted if $posting ne 'POSTING_NONE';
    $methods{get} = scope($read_scope) if $read !~ /^(?:NULL|read_outcomes)$/;
    $methods{'x-query'} = scope($read_scope) if $read ne 'NULL' && $allowed ne '0';
    $routes{$path} = { kind => $kind, many => $posting eq 'POSTING_MANY', methods => \%methods,
        allowed => members($allowed), required => members($required) };
}
cmp_ok(scalar keys %routes, '>=', 11, 'the routes of kinds.h and routes.c');
is_deeply([ sort keys %{$paths} ], [ sort keys %routes ], 'the document has the paths of kinds.h and routes.c');

sub scope_of {
    my ($operation) = @_;
    return join ' ', map { @{ $_->{apiKey} || [] } } @{ $operation->{security} };
}

for my $path (sort keys %routes) {
    my ($route, $item) = ($routes{$path}, $paths->{$path} || {});
    is_deeply({ map { ($_ => scope_of($item->{$_})) } keys %{$item} }, $route->{methods}, "$path: methods and scopes");
    if ($item->{get}) {
        my @parameters = grep { $_->{in} eq 'query' } map { resolved($_) } @{ $item->{get}{parameters} || [] };
        is_deeply([ sort map { $_->{name} } @parameters ], [ sort @{ $route->{allowed} } ], "$path: members of a read");
        is_deeply([ sort map { $_->{name} } grep { $_->{required} } @parameters ], [ sort @{ $route->{required} } ], "$path: those that it needs");
    }
    next unless $item->{'x-query'};
    my $body = resolved($item->{'x-query'}{requestBody}{content}{'application/json'}{schema});
    $body = $body->{items} if $body->{items};
    my @kinds = $body->{oneOf} ? @{ $body->{oneOf} } : $body;
    my %names = map { ($_ => 1) } map { keys %{ $_->{properties} } } @kinds;
    is_deeply([ sort keys %names ], [ sort @{ $route->{allowed} } ], "$path: members of a QUERY");
    for my $kind (@kinds) {
        my %needed = map { ($_ => 1) } @{ $kind->{required} };
        ok(!(grep { !$needed{$_} } @{ $route->{required} }), "$path: those that a QUERY needs");
        ok(!$kind->{additionalProperties}, "$path: and no others");
    }
}

# --- members of what is posted --------------------------------------------------------------

# What a request of a kind may have: a split stands in legs alone.
sub members_of { my ($kind) = @_; return grep { $_->{type} ne 'SPLIT' } @{ $kind->{members} }; }

# What it needs whatever else it has: an operator may leave out who asks, and the mode all takes no amount.
sub needs_of {
    my ($kind) = @_;
    my $has_mode = grep { $_->{type} eq 'AMOUNT_MODE' } @{ $kind->{members} };
    return grep { $_->{required} && $_->{type} ne 'USER' && !($has_mode && $_->{type} eq 'AMOUNT') } members_of($kind);
}

my %kind_of = map { ($_->{name} => $_) } @kinds;
for my $path (sort grep { $routes{$_}{methods}{post} } keys %routes) {
    my $schema = resolved($paths->{$path}{post}{requestBody}{content}{'application/json'}{schema});
    my @dry = grep { $_->{name} eq 'dry_run' } map { resolved($_) } @{ $paths->{$path}{post}{parameters} };
    is(scalar @dry, $routes{$path}{many} ? 0 : 1, "$path: dry_run");
    $schema = resolved($schema->{items}) if $routes{$path}{many};
    if (!$routes{$path}{kind}) {
        is_deeply([ map { resolved($_) } @{ $schema->{oneOf} } ], [ map { $schemas->{ join('', map { ucfirst } split /_/, $_->{name}) . 'Item' } } grep { $_->{path} } @kinds ],
            "$path: an element of each kind");
        next;
    }
    my $kind = $kind_of{ $routes{$path}{kind} } or die "no kind of $path";
    my @ways = $schema->{oneOf} ? @{ $schema->{oneOf} } : $schema;
    my (%may, %must);
    for my $way (@ways) {
        $may{$_} = 1 for keys %{ $way->{properties} };
        $must{$_}++ for @{ $way->{required} };
    }
    is_deeply([ sort keys %may ], [ sort map { $_->{name} } members_of($kind) ], "$path: members of a POST");
    is_deeply([ sort grep { $must{$_} == @ways } keys %must ], [ sort map { $_->{name} } needs_of($kind) ], "$path: those that it needs");
    ok(!(grep { !exists $_->{additionalProperties} || $_->{additionalProperties} } @ways), "$path: and no others");
    # A generated client would demand them.
    ok(!(grep { exists $_->{default} } map { values %{ $_->{properties} } } @ways), "$path: no member has a default");
}

# --- limits ---------------------------------------------------------------------------------

my $too_large = $components->{responses}{TooLarge}{description};
like($too_large, qr/\b$_\b/, "a body's limit is $_") for constant('BODY_SIZE_MAX'), constant('BULK_BODY_SIZE_MAX'), constant('BULK_ITEMS_MAX');
is($schemas->{$_}{maxItems}, constant('BULK_ITEMS_MAX'), "$_: as many as fit") for qw(BulkRequest ManyRequest);
is($paths->{'/api/v1/outcome'}{'x-query'}{requestBody}{content}{'application/json'}{schema}{maxItems}, constant('BULK_ITEMS_MAX'), 'as many questions, too');
my $limit = $parameters->{limit}{schema};
is("$limit->{default} $limit->{maximum}", constant('HISTORY_ROWS_DEFAULT') . ' ' . constant('HISTORY_ROWS_MAX'), "a page's size");
my $digits = constant('HANDSHAKE_LENGTH');
like($schemas->{Handshake}{pattern}, qr/\{$digits\}/, "a handshake's length");

# What a pattern takes and what it does not.
my $longest = 'k' x constant('IDEMPOTENCY_KEY_LENGTH_MAX');
my $longest_bulk = substr $longest, 5;
my %patterns = (
    IdempotencyKey => [ [ 'a', '"', '"a', '"a"', '!', $longest, qq("$longest") ], [ '', '""', ' ', 'a b', "${longest}k", qq("${longest}k"), "\x7f" ] ],
    BulkIdempotencyKey => [ [ 'a', $longest_bulk, qq("$longest_bulk") ], [ '', '""', "${longest_bulk}k" ] ],
    Amount => [ [ '1', '0.5', '0.10', '777.88', '1.100000000000', '9223372036854775807' ], [ '', '0', '0.0', '-1', '+1', '01', '1e2', '.5', '1.', '0.000000001', '1.123456789' ] ],
    InitialAmount => [ [ '0', '0.0', '1', '0.5' ], [ '', '-1', '+1', '00', '1e2', '1.123456789' ] ],
);
for my $name (sort keys %patterns) {
    my $schema = $parameters->{$name} ? $parameters->{$name}{schema} : (grep { $_->{pattern} } @{ $schemas->{$name}{oneOf} })[0];
    my ($good, $bad) = @{ $patterns{$name} };
    is_deeply([ grep { !/$schema->{pattern}/ } @{$good} ], [], "$name takes what the server takes");
    is_deeply([ grep { /$schema->{pattern}/ } @{$bad} ], [], "$name refuses what the server refuses");
}

# --- the manual -----------------------------------------------------------------------------

my ($listed) = $manual =~ /^## Paths\n(.*?)^## /ms;
my @documented = map { m{^/api} ? s{^/api/v1}{}r : $_ } sort keys %routes;
ok($listed =~ /`(?:GET )?\Q$_\E`/, "docs/http.md lists $_") for @documented;
my %listed = map { ($_ => 1) } $listed =~ /^\| `(\/[^`]+)` /mg;
is_deeply([ grep { !$routes{"/api/v1$_"} } sort keys %listed ], [], 'docs/http.md lists no other paths');

my ($flags) = $manual =~ /^## The process\n(.*)/ms;
my %in_manual = map { ($_ => 1) } $flags =~ /^\| `--([\w-]+)` /mg;
my %in_source = map { ($_ => 1) } slurp('shim/options.c') =~ /^\t\{"([\w-]+)", "WALLET_\w+",/mg;
is_deeply([ sort keys %in_manual ], [ sort keys %in_source ], 'docs/http.md lists the options of the shim');
for my $option (sort keys %in_source) {
    my ($variable, $fallback) = slurp('shim/options.c') =~ /^\t\{"$option", "(\w+)", (?:"[^"]*"|NULL), "([^"]*)"/m;
    like($flags, qr/^\| `--$option` \| `$variable`[^|]*\| (?:`\Q$fallback\E` )?\|/m, "--$option, its variable and its default");
}

done_testing();
