#!/usr/bin/perl
# A queue that is full: refused is what has no room, nothing acknowledged is lost, and soon after the
# worker goes on everybody is served again. Needs psql, by the PG* variables, as a superuser.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

sub sql { my ($sql) = @_; my $out = `psql -XAtqc "$sql"`; chomp $out; return $out; }
my $super = sql('SELECT rolsuper FROM pg_roles WHERE rolname = current_user') // '';
plan skip_all => 'needs psql as a superuser' if $super ne 't';

my $limit = 500;
my ($user, $from) = wallet('100');
my (undef, $to) = wallet('0');
my $one = qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":0.01});

sub worker {
    my ($on) = @_;
    sql("ALTER SYSTEM SET pg_wallet.worker = $on");
    sql('SELECT pg_reload_conf()');
    my $want = $on eq 'on' ? 1 : 0;
    my $deadline = time + 20;
    sleep 0.05 while sql('SELECT count(worker_pid) FROM wallet.queue') != $want && time < $deadline;
}
my $database = sql('SELECT current_database()');
worker('off');
sql("ALTER DATABASE $database SET pg_wallet.queue_limit = $limit");
my $url = $ENV{WALLET_URL} = start_shim('--schema', $ENV{WALLET_SCHEMA} || 'public');
my $deadline = time + 10;
sleep 0.02 while code_of(ask('GET', '/readyz')) ne 'worker_unavailable' && time < $deadline;

my (@acknowledged, %refused);
for my $round (1 .. 3) {
    my $answer = post('transaction/bulk', '[' . join(',', ($one) x 300) . ']', { 'Idempotency-Key' => "full-$user-$round" });
    is($answer->{status}, 202, 'a bulk request is judged one by one');
    for my $element (@{ JSON::PP->new->utf8->decode($answer->{content}) }) {
        if ($element->{handshake_id}) { push @acknowledged, $element->{handshake_id} }
        else { $refused{ $element->{info}{code} }++ }
    }
}
is(scalar @acknowledged, $limit, 'as many as there is room for');
is_deeply(\%refused, { queue_full => 900 - $limit }, 'the others: queue_full');
my $single = post('transaction', $one, { 'Idempotency-Key' => "single-$user" });
is("$single->{status} " . code_of($single) . " $single->{headers}{'retry-after'}", '503 queue_full 1', 'one alone: 503, with Retry-After');
is(post('transaction/bulk', '[' . join(',', ($one) x 300) . ']', { 'Idempotency-Key' => "full-$user-1" })->{status},
    202, 'what was stored before is answered again');

worker('on');
my $start = time;
$deadline = time + 20;
do { $single = post('transaction', $one, { 'Idempotency-Key' => "single-$user" }); sleep 0.02 } while $single->{status} == 503 && time < $deadline;
is($single->{status}, 202, 'the refused key can be used once there is room');
diag(sprintf 'served again after %.2f s', time - $start);
my %ends;
$ends{ json(outcome('transaction', $user, $_))->{status} // 'none' }++ for @acknowledged;
is_deeply(\%ends, { processed => $limit }, 'every acknowledged request has its outcome');
is(sql('SELECT count(*) FROM wallet_verify() WHERE NOT ok'), 0, 'all money is accounted for');

END {
    my $status = $?;
    if ($database) {
        sql("ALTER DATABASE $database RESET pg_wallet.queue_limit");
        sql('ALTER SYSTEM RESET pg_wallet.worker');
        sql('SELECT pg_reload_conf()');
    }
    $? = $status;
}
done_testing();
