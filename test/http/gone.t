#!/usr/bin/perl
# Clients that leave: after each single byte of a request, by a FIN, by a reset, or with their
# sending side alone. A request that is not all there is never stored, one that is all there is
# stored once, who still listens gets the whole answer, and nothing is kept for those who left.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use List::Util qw(min);
use Socket qw(SOL_SOCKET SO_LINGER SHUT_WR);
use Test::More;
use Time::HiRes qw(sleep time);

my ($user, $from) = wallet('1000000');
my (undef, $to) = wallet('0');
my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
my $places = 64; # for requests that wait: fewer than come, so that one which is kept is noticed
my @schema = ('--schema', $ENV{WALLET_SCHEMA} || 'public');
$SIG{PIPE} = 'IGNORE';

# One event loop: once it has answered a client, it has read what others had sent before that one
# came. Its patience is long: it must not be what ends a connection here.
my $url = $ENV{WALLET_URL} = start_shim('--threads', 1, '--request-timeout', 60, '--max-wait', 60,
    '--max-waiting', $places, @schema);

# By a connection of its own, so that none is kept between two looks at the descriptors.
sub status_of {
    my ($path) = @_;
    return (talk("GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))[0]{status} // 'closed';
}
my $deadline = time + 20;
sleep 0.02 while status_of('/readyz') ne '200' && time < $deadline;

my $pid = shim_pid($url);
sub descriptors { opendir my $dir, "/proc/$pid/fd" or die "no descriptors: $!"; return scalar grep { /\d/ } readdir $dir; }
my $own = min(map { sleep 0.02; descriptors() } 1 .. 25);

# Waits until the shim has its own descriptors alone: how many more it has then.
sub left_behind {
    my $until = time + 10;
    my $count;
    sleep 0.02 while ($count = descriptors() - $own) > 0 && time < $until;
    return $count;
}

# --- requests, each with an amount of its own, all of one length

my $cents = 100_000;

sub framed {
    my ($is_chunked, $path, $body, @fields) = @_;
    my $head = join "\r\n", "POST /api/v1/$path HTTP/1.1", 'Host: localhost', @fields, '';
    return "${head}Content-Length: " . length($body) . "\r\n\r\n$body" if !$is_chunked;
    my $chunks = join '', map { sprintf "%x\r\n%s\r\n", length, $_ } $body =~ /.{1,40}/gs;
    return "${head}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n";
}

# (the request's bytes, its amount)
sub payment {
    my ($is_chunked, @fields) = @_;
    $cents += $cents % 10 == 9 ? 2 : 1; # a zero at its end would not be stored
    my $sum = sprintf '%.2f', $cents / 100;
    return (framed($is_chunked, 'transaction',
        qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":$sum}), @fields), $cents);
}

# Amounts from one on, with how many requests were stored for each.
sub stored {
    my ($first) = @_;
    my @rows = `psql -XAtc "SELECT amount, count(*) FROM wallet.request WHERE user_id = $user AND kind = wallet.kind_number('transaction') AND amount >= $first GROUP BY 1"`;
    return map { /^(\d+)\|(\d+)$/ ? ($1 => $2) : () } @rows;
}

# What was stored from one amount on, against the amounts of those requests that were all there.
sub check_stored {
    my ($name, $first, $may_be_lost, @whole) = @_;
    SKIP: {
        skip 'needs psql as a superuser', 2 if $super !~ /t/;
        my %stored = stored($first);
        my %whole = map { $_ => $stored{$_} // ($may_be_lost ? 1 : 0) } @whole;
        is_deeply(\%whole, { map { $_ => 1 } @whole }, "$name: each that is all there was stored once");
        delete @stored{@whole};
        is_deeply(\%stored, {}, "$name: nothing else was");
    }
}

# --- leaving for good

sub leave {
    my ($socket, $by_reset) = @_;
    setsockopt $socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0) if $by_reset;
    close $socket;
}

my $wholes = 20;
for my $is_chunked (0, 1) {
    # [what it shows, by a reset, once what was sent has been read]
    for my $way ([ 'a FIN', 0, 0 ], [ 'a FIN when all is read', 0, 1 ], [ 'a reset', 1, 0 ], [ 'a reset when all is read', 1, 1 ]) {
        my ($name, $by_reset, $is_read) = @$way;
        $name .= $is_chunked ? ', chunks' : ', a length';
        my $first = $cents + 1;
        my $length = length((payment($is_chunked))[0]);
        my (@waiting, @whole);
        for my $sent (0 .. $length - 1, ($length) x $wholes) {
            my ($bytes, $amount) = payment($is_chunked);
            my $socket = connect_raw($url);
            print $socket substr($bytes, 0, $sent);
            push @whole, $amount if $sent == $length;
            if ($is_read) { push @waiting, $socket }
            else { leave($socket, $by_reset) }
        }
        status_of('/healthz') if @waiting;
        leave($_, $by_reset) for @waiting;
        is(status_of($_), 200, "$name: then $_") for '/healthz', '/readyz';
        cmp_ok(left_behind(), '<=', 0, "$name: no connection is left behind, after any of $length bytes");
        check_stored($name, $first, $by_reset && !$is_read, @whole);
    }
}

# --- leaving while a long answer is on its way

my $long = framed(0, 'transaction/bulk', '[' . join(',', (0) x 8192) . ']');
for my $by_reset (0, 1) {
    my @readers = map { connect_raw($url) } 1 .. 10;
    print $_ $long for @readers;
    sysread $_, my $start, 100 for @readers;
    leave($_, $by_reset) for @readers;
    cmp_ok(left_behind(), '<=', 0, 'within an answer, ' . ($by_reset ? 'a reset' : 'a close') . ': no connection is left behind');
}

# --- closing the sending side alone

# What is not all there gets no answer, or is told so.
for my $is_chunked (0, 1) {
    my $name = 'half closed, ' . ($is_chunked ? 'chunks' : 'a length');
    my $first = $cents + 1;
    my $length = length((payment($is_chunked))[0]);
    my @half = map {
        my $socket = connect_raw($url);
        print $socket substr((payment($is_chunked))[0], 0, $_);
        shutdown $socket, SHUT_WR;
        $socket;
    } 0 .. $length - 1;
    my $until = time + 10;
    my %ends;
    for my $socket (@half) {
        my @answers = time < $until ? read_answers($socket, 2) : ();
        $ends{ join ' ', map { $_->{closed} ? 'closed' : $_->{status} } @answers }++;
    }
    my @wrong = grep { !/^(40[08] )?closed$/ } keys %ends;
    is("@wrong", '', "$name: each of $length connections is ended, none with another answer than 400 or 408");
    diag("$name: ", join ', ', map { "$ends{$_} x $_" } sort keys %ends);
    @half = ();
    cmp_ok(left_behind(), '<=', 0, "$name: no connection is left behind");
    check_stored($name, $first, 0);
}

# What is all there is answered. [what it shows, what makes the bytes, how they are answered]
my $health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
my @complete = (
    [ 'a GET', sub { $health }, qr/\A200 \{"status":"ok"\}\z/ ],
    [ 'a long answer', sub { "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" }, qr/\A200 \{.*\}\s*\z/s ],
    [ 'a read', sub { "GET /api/v1/wallet/async?user_id=$user&wallet_id=$from HTTP/1.1\r\nHost: localhost\r\n\r\n" }, qr/\A200 .*"status":"active"/ ],
    [ 'a POST', sub { (payment(0))[0] }, qr/\A202 .*"handshake_id":"$HANDSHAKE"/ ],
    [ 'a POST in chunks', sub { (payment(1))[0] }, qr/\A202 .*"handshake_id":"$HANDSHAKE"/ ],
    [ 'a POST that waits', sub { (payment(0, 'Prefer: wait=20'))[0] }, qr/\A20[02] .*"handshake_id":"$HANDSHAKE"/ ],
    [ 'a bulk request', sub { framed(0, 'transaction/bulk', '[' . join(',', (0) x 500) . ']') }, qr/\A202 \[.*\]\z/ ],
    [ 'two in one go', sub { (payment(0))[0] . $health }, qr/\A202 .*"handshake_id":"$HANDSHAKE".* 200 \{"status":"ok"\}\z/ ],
);
my $times = 20;
for my $case (@complete) {
    my ($name, $make, $expected) = @$case;
    my @half = map {
        my $socket = connect_raw($url);
        print $socket $make->();
        shutdown $socket, SHUT_WR;
        $socket;
    } 1 .. $times;
    my $until = time + 10;
    my (@wrong, %statuses);
    for my $socket (@half) {
        my @answers = time < $until ? read_answers($socket, 3) : ();
        my $end = pop @answers;
        my $said = join ' ', map { "$_->{status} $_->{body}" } @answers;
        push @wrong, $said if $said !~ $expected || !$end->{closed};
        $statuses{ $answers[0]{status} // 'closed' }++;
    }
    is(scalar @wrong, 0, "half closed, $name: the whole answer, $times times") or diag(substr $wrong[0] // 'none', 0, 200);
    diag("half closed, $name: ", join ', ', map { "$statuses{$_} x $_" } sort keys %statuses) if keys %statuses > 1;
}
cmp_ok(left_behind(), '<=', 0, 'half closed, all there: no connection is left behind');

# --- leaving while the request is stored, and its outcome is waited for

SKIP: {
    skip 'needs psql as a superuser', 9 if $super !~ /t/;
    # Another session holds the wallet until its standard input ends: no outcome comes.
    open my $lock, '|-', 'psql', '-XAtq', '-o', '/dev/null' or die "cannot run psql: $!";
    $lock->autoflush(1);
    print $lock "BEGIN;\nSELECT FROM wallet.wallet WHERE wallet_id = $from FOR UPDATE;\n";
    $deadline = time + 20;
    sleep 0.02 until time > $deadline
        || `psql -XAtc "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%wallet_id = $from FOR UPDATE%'"` > 0;

    # As many as there are places, two times over.
    for my $by_reset (0, 1) {
        my $name = 'waiting, ' . ($by_reset ? 'a reset' : 'a FIN');
        my $first = $cents + 1;
        my (@held, @whole);
        for (1 .. $places / 2) {
            my ($bytes, $amount) = payment(0, 'Prefer: wait=60');
            my $socket = connect_raw($url);
            print $socket $bytes;
            push @held, $socket;
            push @whole, $amount;
        }
        $deadline = time + 10;
        sleep 0.02 while keys %{ { stored($first) } } < @whole && time < $deadline;
        leave($_, $by_reset) for @held;
        cmp_ok(left_behind(), '<=', 0, "$name: no connection is left behind");
        check_stored($name, $first, 0, @whole);
    }

    my $start = time;
    my $socket = connect_raw($url);
    print $socket +(payment(0, 'Prefer: wait=60'))[0];
    shutdown $socket, SHUT_WR;
    my ($answer, $end) = read_answers($socket, 2);
    my ($handshake) = ($answer->{body} // '') =~ /"handshake_id":"($HANDSHAKE)"/;
    is(($answer->{status} // 'closed') . ' ' . ($handshake ? 'with a handshake' : 'without'), '202 with a handshake',
        'half closed, waiting: what is known, the handshake');
    cmp_ok(time - $start, '<', 5, 'soon: the wait is over for who seems to have left');
    close $lock;
    is(json(outcome('transaction', $user, $handshake // 'none'))->{status}, 'processed', 'which tells the outcome later');
}

# --- leaving with a key that the shim has not heard of: the database is asked for it first

SKIP: {
    skip 'needs psql as a superuser', 7 if $super !~ /t/;
    local $ENV{WALLET_URL} = my $strict = start_shim('--auth', 'required', '--threads', 1, @schema);
    $deadline = time + 20;
    sleep 0.02 while status_of('/readyz') ne '200' && time < $deadline;
    my @keys = split /\n/, scalar `psql -XAtc "SELECT wallet_api_key_create('gone $user ' || i, '{transfer}') FROM generate_series(1, 3 * $times) i"`;
    for my $case ([ 'a length', 0, 202 ], [ 'chunks', 1, 202 ], [ 'an invented key', 0, 401 ]) {
        my ($name, $is_chunked, $expected) = @$case;
        my @half = map {
            my $key = $expected == 202 ? shift @keys : sprintf 'pgw_%032x%032x', $$, ++$cents;
            my $socket = connect_raw();
            print $socket +(payment($is_chunked, "Authorization: Bearer $key"))[0];
            shutdown $socket, SHUT_WR;
            $socket;
        } 1 .. $times;
        my %statuses;
        $statuses{ (read_answers($_, 1))[0]{status} // 'closed' }++ for @half;
        is_deeply(\%statuses, { $expected => $times }, "half closed, with a new key, $name: the answer");
    }
    my $first = $cents + 1;
    my @whole;
    for my $key (@keys) {
        my ($bytes, $amount) = payment(0, "Authorization: Bearer $key");
        my $socket = connect_raw();
        print $socket $bytes;
        close $socket;
        push @whole, $amount;
    }
    is(status_of('/healthz'), 200, 'they have all been read');
    is((stop_shim($strict))[0], 0, 'a shim that asks for keys ends well');
    check_stored('gone, with a new key', $first, 0, @whole);
}

my ($status, $seconds) = stop_shim($url);
is($status, 0, 'the shim ends well');
cmp_ok($seconds, '<', 5, 'and at once: no request of a client that left is still under way');
done_testing();
