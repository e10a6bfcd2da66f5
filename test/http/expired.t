#!/usr/bin/perl
# A handshake of a request that is no longer kept. Needs psql, by the PG* variables, as a superuser:
# the retention is made short, and set back.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(sleep time);

my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
plan skip_all => 'needs psql as a superuser' if $super !~ /t/;
my $schema = $ENV{WALLET_SCHEMA} || 'public';

sub sql { my ($sql) = @_; my $said = `psql -XAtq -c "$sql" 2>&1`; chomp $said; return $said; }

sub retention {
    my ($value) = @_;
    sql("ALTER SYSTEM SET pg_wallet.request_retention = $value");
    sql('SELECT pg_reload_conf()');
    return;
}

my ($user, $wallet) = wallet('1');
my ($other) = wallet('1');
my %kept = (Prefer => 'wait=10', 'Idempotency-Key' => "expired-$user");
my $body = qq({"user_id":$user,"wallet_id":$wallet,"amount":1});
my $old = json(post('deposit', $body, \%kept))->{handshake_id};
is(get('deposit', qq({"user_id":$user,"handshake_id":"$old"}))->{status}, 200, 'it is kept');

retention("'1s'");
END { retention('DEFAULT') if $super =~ /t/ }
my $deadline = time + 30;
my $gone;
do {
    sleep 0.1;
    sql("SELECT $schema.wallet_rotate_requests()");
    post('deposit', $body);
    sql("SELECT $schema.wallet_expire_requests()");
    $gone = get('deposit', qq({"user_id":$user,"handshake_id":"$old"}));
} while ($gone->{status} == 200 && time < $deadline);

is("$gone->{status} $gone->{headers}{'content-type'} " . code_of($gone), '410 application/problem+json handshake_expired',
    'a request that has expired: 410');
is(json($gone)->{title}, 'Gone', 'the problem has a title');
my $stranger = get('deposit', qq({"user_id":$other,"handshake_id":"$old"}));
is("$stranger->{status} " . code_of($stranger), '404 handshake_unknown', "to another user it never was");
my $kind = get('withdrawal', qq({"user_id":$user,"handshake_id":"$old"}));
is("$kind->{status} " . code_of($kind), '404 handshake_unknown', 'nor as another kind');
delete $kept{Prefer};
is(json(post('deposit', $body, \%kept))->{handshake_id}, $old, 'its Idempotency-Key still stands for it');

done_testing();
