#!/usr/bin/perl
# An error of one item of many is that item's alone: characters that the database's encoding lacks, and what constraints
# and triggers of users refuse, in batches and in bulk requests. Needs psql, by the PG* variables, as a superuser: each
# encoding has a database of its own here.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/lib";
use Encode qw(encode_utf8);
use JSON::PP;
use Shim;
use Test::More;
use Time::HiRes qw(sleep time);

my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
plan skip_all => 'needs psql as a superuser' if $super !~ /t/;

sub psql {
    my ($database, $sql) = @_;
    open my $session, '|-', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $database or return 0;
    print $session "SET client_min_messages = error;\n$sql";
    return close $session;
}

# The database need not have a worker, but the shim has to reach it.
sub until_connected {
    my $deadline = time + 30;
    my $answer;
    do { sleep 0.02 if $answer; $answer = ask('GET', '/readyz') } while code_of($answer) eq 'database_unavailable' && time < $deadline;
    return code_of($answer) ne 'database_unavailable';
}

sub request {
    my ($body, $key) = map { encode_utf8($_ // '') } @_[ 0, 1 ];
    return "POST /api/v1/deposit HTTP/1.1\r\nHost: localhost\r\n" . ($key ne '' && "Idempotency-Key: $key\r\n") . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
}

# The handshake, or the code.
sub deposit {
    my $socket = connect_raw();
    print $socket request(@_);
    my ($answer) = read_answers($socket, 1);
    return ($answer->{body} =~ /"(?:handshake_id|code)":"(\w+)"/)[0];
}

# Holds up what comes next in the database, so that all bodies, each with its key, meet in one batch: their codes, or 202.
sub together {
    my ($database, @cases) = @_;
    open my $session, '|-', 'psql', '-XAtq', '-o', '/dev/null', '-d', $database or die "cannot run psql: $!";
    $session->autoflush(1);
    print $session "BEGIN; LOCK TABLE wallet.request; SELECT 'locked';\n";
    my $count = sub { `psql -XAt -d $database -c "SELECT count(*) FROM pg_locks WHERE relation = 'wallet.request'::regclass AND $_[0]"` + 0 };
    my $deadline = time + 10;
    sleep 0.01 while $count->('granted') < 1 && time < $deadline;
    my @sockets = map { connect_raw() } 0 .. @cases;
    my @requests = map { request(@$_) } [ '{"user_id":1,"wallet_id":1,"amount":1}' ], @cases;
    print { $sockets[0] } $requests[0];
    sleep 0.01 while $count->('NOT granted') < 1 && time < $deadline;
    print { $sockets[$_] } $requests[$_] for 1 .. $#requests;
    sleep 0.1; # they arrive while the first one waits; if they did not, they would only meet in smaller batches
    print $session "COMMIT;\n";
    close $session;
    my @answers = map { (read_answers($_, 1))[0] } @sockets;
    shift @answers;
    return map { $_->{status} == 202 ? 202 : ($_->{body} =~ /"code":"(\w+)"/)[0] } @answers;
}

my $good = '{"user_id":1,"wallet_id":1,"amount":1}';

# [encoding, what it has, what it lacks]; the bodies and keys of all other items are ASCII.
my @encodings = ([ 'LATIN1', 'é', '日' ], [ 'EUC_JP', '日', 'é€' ], [ 'SQL_ASCII', '日é', undef ], [ 'UTF8', '日é', undef ]);
for my $case (@encodings) {
    my ($encoding, $has, $lacks) = @$case;
    my $database = lc "shim_${encoding}_" . new_user();
    ok(psql('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding' LOCALE 'C';\n"), "$encoding: a database of our own");
    ok(psql($database, "CREATE EXTENSION pg_wallet;\nSELECT wallet_create(1, 1000);\n"), "$encoding: with the extension");
    my $url = $ENV{WALLET_URL} = start_shim('--threads', 1, '--db', "dbname=$database");
    ok(until_connected(), "$encoding: a shim before it");

    my $lacking = defined $lacks ? 'untranslatable_character' : 202;
    $lacks //= '語';
    is_deeply([ together($database,
        [ $good, "key-$has" ], [ $good, "key-$lacks" ], [ $good, 'key' ], [ qq({"user_id":1,"wallet_id":1,"$lacks":1}) ],
        [ qq({"user_id":1,"wallet_id":1,"amount":"$lacks"}) ], [ qq({"user_id":1,"wallet_id":1,"amount":0}), "other-$lacks" ], [$good]) ],
        [ 202, $lacking, 202, 'unknown_member', 'invalid_amount', $lacking eq 202 ? 'amount_not_positive' : $lacking, 202 ],
        "$encoding: each request of a batch is judged on its own");
    my $handshake = deposit($good, "key-$has");
    like($handshake, qr/\A$HANDSHAKE\z/, "$encoding: a key");
    is(deposit($good, "key-$has"), $handshake, "$encoding: is known again");
    is(deposit('{"user_id":1,"wallet_id":1,"amount":2}', "key-$has"), 'idempotency_mismatch', "$encoding: and compared");

    my $payment = '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":1}';
    my $bulk = post('transaction/bulk', encode_utf8(qq([$payment,{"$lacks":1},$payment])));
    is(join(' ', $bulk->{status}, map { $_->{info} ? $_->{info}{code} : 'queued' } @{ JSON::PP->new->utf8->decode($bulk->{content}) }),
        '202 queued unknown_member queued', "$encoding: and so is each of a bulk request");
    my $shown = json(post('deposit', encode_utf8(qq({"user_id":1,"$has":1}))))->{detail};
    like($shown, qr/\Amember "(\Q$has\E|\?+)" is not known\z/, "$encoding: a message names what it can");

    # What users have added to the tables: each refuses what has one amount.
    if ($encoding eq 'LATIN1') {
        ok(psql($database, <<'SQL'), 'constraints and triggers of our own');
ALTER TABLE wallet.request ADD CHECK (amount IS DISTINCT FROM 13);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount = 14 THEN RAISE 'no fourteens'; END IF;
    IF NEW.amount = 15 THEN RAISE 'no space' USING errcode = '53100'; END IF;
    IF NEW.amount = 16 THEN RAISE 'no right' USING errcode = '42501'; END IF;
    IF NEW.amount = 17 THEN PERFORM 1 / 0; END IF;
    IF NEW.amount = 18 THEN RAISE 'over the limit of today' USING errcode = 'PW215'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON wallet.request FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE wallet.idempotency_key ADD CHECK (key <> 'bad');
SQL
        my $of = sub { qq({"user_id":1,"wallet_id":1,"amount":$_[0]}) };
        is_deeply([ together($database, map { [ $of->($_) ] } 1, 13, 2, 14, 3, 15, 4, 16, 5, 17, 6, 18, 7) ],
            [ 202, 'refused_by_database', 202, 'refused_by_database', 202, 'insufficient_resources', 202, 'internal_error', 202, 'internal_error', 202, 'insufficient_funds', 202 ],
            'of a batch, each that is refused by the database is refused alone');
        is_deeply([ together($database, [ $of->(1), 'good-1' ], [ $of->(1), 'bad' ], [ $of->(13), 'again' ], [ $of->(1), 'good-2' ]) ],
            [ 202, 'refused_by_database', 'refused_by_database', 202 ], 'and so is one whose key is');
        is(post('deposit', $of->(1), { 'Idempotency-Key' => 'again' })->{status}, 202, 'a key that was refused is free');
        # One of our codes, raised by a trigger, is that code's answer, with the trigger's words.
        my $limited = post('deposit', $of->(18));
        is(join(' ', $limited->{status}, @{ json($limited) }{qw(code detail)}), '409 insufficient_funds over the limit of today', 'a trigger refuses in our words');
        my $paying = sub { qq({"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":$_[0]}) };
        is(post('transaction/bulk', '[' . join(',', map { $paying->($_) } 18, 17) . ']')->{content},
            '[{"handshake_id":null,"info":{"msg":"over the limit of today","code":"insufficient_funds"}},{"handshake_id":null,"info":{"msg":"the request could not be carried out","code":"internal_error"}}]',
            'in a bulk request, too');
        # At the commit of what is stored nothing can be told apart but by storing each alone.
        ok(psql($database, <<'SQL'), 'a trigger that waits for the commit');
CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount = 19 THEN RAISE 'too late' USING errcode = 'PW210'; END IF;
    RETURN NEW;
END $$;
CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT ON wallet.request DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_late();
SQL
        is_deeply([ together($database, map { [ $of->($_) ] } 1, 19, 2, 18, 3) ], [ 202, 'wallet_closed', 202, 'insufficient_funds', 202 ], 'then each is answered with its own code');
        is(json(post('deposit', $of->(19)))->{detail}, 'too late', 'and its words');
        my @sums = map { qq({"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":$_}) } map { $_ % 100 == 50 ? 13 : 1 } 1 .. 1000;
        my $many = JSON::PP->new->utf8->decode(post('transaction/bulk', '[' . join(',', @sums) . ']')->{content});
        is(join(' ', map { my $code = $_; scalar grep { ($_->{info} ? $_->{info}{code} : '') eq $code } @$many } '', 'refused_by_database'), '990 10',
            'of a thousand in a bulk request, ten are refused');
        is(join(' ', grep { $many->[$_]{info} } 0 .. $#$many), join(' ', map { $_ * 100 + 49 } 0 .. 9), 'the right ones');
        is(`psql -XAt -d $database -c "SELECT count(*) FROM wallet.request WHERE kind = wallet.kind_number('transaction') AND amount = 1"` + 0, 2 + 990, 'and all others are stored');
    }
    stop_shim($url);
    my $dropped = 0;
    for (1 .. 50) {
        last if $dropped = psql('postgres', "DROP DATABASE $database WITH (FORCE);\n");
        sleep 0.1;
    }
    ok($dropped, "$encoding: all gone");
}

done_testing();
