#!/usr/bin/perl
# install_script.t: no hole in an install or upgrade script through which somebody else's objects
# come in, by the rules that pgspot checks. Each rule is tried on a script that breaks it, too.
use strict;
use warnings;

use File::Basename qw(dirname);
use Test::More;

chdir dirname(__FILE__) . '/../..' or die "cannot change the folder: $!";

sub slurp {
    my ($file) = @_;
    open my $handle, '<', $file or die "cannot read $file: $!";
    local $/;
    return scalar <$handle>;
}

# A script's statements, without comments and with the bodies of functions and blocks cut out.
sub statements {
    my ($text) = @_;
    $text =~ s{/\*.*?\*/}{}gs;
    $text =~ s/^\\.*$//mg;
    $text =~ s/--.*$//mg;
    $text =~ s/(\$\w*\$).*?\1/''/gs;
    # A semicolon in a literal ends nothing.
    $text =~ s/('(?:[^']|'')*')/$1 =~ s{;}{,}gr/ge;
    return grep { length } map { s/^\s+|\s+$//gr } split /;/, $text;
}

my $path = 'SET search_path = pg_catalog, pg_temp';

# The C functions that pin their search_path by themselves, where it matters: search_path.c.
my $pins_itself = qr/wallet_(?:transfer|deposit|withdraw|hold|capture|void|enqueue|enqueue_many|enqueue_utf8|lookup_many)/;

# What is wrong with a statement: nothing, or a word for each thing.
sub faults_of {
    my ($statement) = @_;
    my @faults;

    push @faults, 'it may take over what is there already'
        if $statement =~ /^\s*CREATE\b.*?\b(?:OR\s+REPLACE|IF\s+NOT\s+EXISTS)\b/is;
    if ($statement =~ /^CREATE\s+(?:FUNCTION|PROCEDURE)\b/i) {
        my $is_c = $statement =~ /\bLANGUAGE\s+c\b/i;
        my $is_definer = $statement =~ /\bSECURITY\s+DEFINER\b/i;
        push @faults, 'it leaves its search_path open'
            if ($is_definer || !$is_c) && $statement !~ /\Q$path\E/
            && !($is_c && $statement =~ /^CREATE FUNCTION \@extschema\@\.$pins_itself\(/);
        push @faults, 'it inherits one' if $statement =~ /search_path\s+FROM\s+CURRENT/i;
    }
    # What is made, changed or dropped stands in a schema that is named.
    push @faults, "\"$1\" is in no schema"
        if $statement =~ /^(?:CREATE|ALTER|DROP)\s+(?:UNLOGGED\s+|MATERIALIZED\s+)?
            (?:TABLE|VIEW|SEQUENCE|FUNCTION|PROCEDURE|AGGREGATE|TYPE|DOMAIN|OPERATOR)\s+
            (?!(?:wallet|\@extschema\@)\.)(\S+)/ix;
    push @faults, "the table \"$1\" is in no schema"
        if $statement =~ /^CREATE\s+(?:UNIQUE\s+)?(?:INDEX|TRIGGER|RULE|POLICY)\b.*?\bON\s+(?!(?:wallet)\.)(\w\S*)/is
        && $statement !~ /EVENT\s+TRIGGER/i;
    return @faults;
}

# A whole script: the path first, then statement by statement.
sub faults_in {
    my ($text) = @_;
    my @statements = statements($text);
    my @faults;

    # A database of another encoding may have no such character.
    push @faults, "a character beyond ASCII: $1" if $text =~ /(.{0,20}[^\x00-\x7f])/;
    push @faults, 'the script has an open search_path'
        unless @statements && $statements[0] eq 'SET LOCAL search_path = pg_catalog, pg_temp';
    for my $statement (@statements) {
        my ($head) = $statement =~ /^(.{1,60})/;
        push @faults, map { "$head: $_" } faults_of($statement);
        push @faults, "$head: the path is changed again"
            if $statement ne $statements[0] && $statement =~ /^(?:SET|RESET)\b.*search_path|set_config\s*\(\s*'search_path'/is;
    }
    # In bodies, too: a schema of somebody else's is no place to look for what is to be run.
    my @bodies = $text =~ /AS\s+(\$\w*\$.*?\$\w*\$)/gs;
    for my $body (@bodies) {
        push @faults, "a body calls \@extschema\@.$1" if $body =~ /\@extschema\@\.(\w+)/;
        push @faults, 'a body makes its own path' if $body =~ /search_path/;
    }
    return @faults;
}

# The Makefile puts the install script together from its parts, in the order that it names.
my ($listed) = slurp('Makefile') =~ /^INSTALL_PARTS = (.*)$/m;
my @parts = map { "extension/install/$_.sql" } split ' ', $listed;
is_deeply([ sort @parts ], [ sort glob 'extension/install/*.sql' ], 'the Makefile names every part of the install script');
is_deeply([ faults_in(join "\n", map { slurp($_) } @parts) ], [], 'the install script');
for my $script (grep { !m{/pg_wallet--[^-]+\.sql$} } sort glob 'extension/pg_wallet--*.sql') {
    is_deeply([ faults_in(slurp($script)) ], [], $script);
}

# The tables that statements in C code look for along the path; the literals of one expression
# belong together.
sub open_tables {
    my ($text) = @_;
    my @open;
    $text =~ s{/\*.*?\*/}{}gs;
    while ($text =~ /((?:"(?:[^"\\]|\\.)*"\s*)+)/g) {
        my $literal = join '', $1 =~ /"((?:[^"\\]|\\.)*)"/g;
        next unless $literal =~ /\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM)\b/;
        push @open, $1 while $literal =~ /\b(?:FROM|JOIN|INTO|UPDATE)\s+
            (?!wallet\.|unnest\(|LATERAL|OF\b)([a-z_]\w*)/gx;
    }
    return @open;
}

for my $source (sort glob 'extension/*/*.c') {
    is_deeply([ open_tables(slurp($source)) ], [], "$source names the schema of its tables");
}
is_deeply([ open_tables(qq(run("SELECT 1 "\n"FROM request AS r JOIN wallet.outcome");)) ], ['request'],
    'a table without a schema is noticed');

# Each rule, broken.
my $head = "SET LOCAL search_path = pg_catalog, pg_temp;\n";
for my $case (
    [ 'an open path', 'SELECT 1', qr/open search_path/ ],
    [ 'a character beyond ASCII', "$head/* \xe2\x80\xa6 */ SELECT 1", qr/beyond ASCII/ ],
    [ 'a path that comes too late', "SELECT 1; $head", qr/open search_path/ ],
    [ 'OR REPLACE', "${head}CREATE OR REPLACE FUNCTION wallet.f() RETURNS int LANGUAGE sql $path AS '1'", qr/take over/ ],
    [ 'IF NOT EXISTS', "${head}CREATE TABLE IF NOT EXISTS wallet.t ()", qr/take over/ ],
    [ 'a schema that may be there', "${head}CREATE SCHEMA IF NOT EXISTS wallet", qr/take over/ ],
    [ 'a function with an open path', "${head}CREATE FUNCTION wallet.f() RETURNS int LANGUAGE sql AS '1'", qr/open$/ ],
    [ 'a C function with the owner\'s rights', "${head}CREATE FUNCTION wallet.f() RETURNS int LANGUAGE c SECURITY DEFINER AS 'm', 'f'", qr/open$/ ],
    [ 'a path that is inherited', "${head}CREATE FUNCTION wallet.f() RETURNS int LANGUAGE sql $path SET search_path FROM CURRENT AS '1'", qr/inherits/ ],
    [ 'a function without a schema', "${head}CREATE FUNCTION f() RETURNS int LANGUAGE sql $path AS '1'", qr/"f\(\)" is in no schema/ ],
    [ 'a table without a schema', "${head}CREATE TABLE t ()", qr/"t" is in no schema/ ],
    [ 'a table altered without a schema', "${head}ALTER TABLE t ADD x int", qr/"t" is in no schema/ ],
    [ 'an index on a table without a schema', "${head}CREATE INDEX ON t (x)", qr/"t" is in no schema/ ],
    [ 'a path that is changed', "${head}SET search_path = public", qr/changed again/ ],
    [ 'a body that goes to the other schema', "${head}CREATE FUNCTION wallet.f() RETURNS int LANGUAGE sql $path AS \$\$ SELECT \@extschema\@.g() \$\$", qr/calls \@extschema\@\.g/ ],
) {
    my ($name, $script, $expected) = @{$case};
    my @faults = faults_in($script);
    is(scalar(grep { /$expected/ } @faults), 1, "$name is noticed") or diag("faults: @faults");
}
is_deeply([ faults_in("${head}CREATE FUNCTION wallet.f() RETURNS int LANGUAGE c AS 'm', 'f'") ], [], 'a C function with its caller\'s rights may be as it is');

done_testing();
