#!/usr/bin/perl
# Signals: what SIGHUP reads again, what a service manager is told, what does no harm, and how a
# shim leaves without losing a request.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use File::Temp;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Socket;
use Test::More;
use Time::HiRes qw(sleep time);

$SIG{PIPE} = 'IGNORE';
my $dir = File::Temp->newdir;
my @schema = ('--schema', $ENV{WALLET_SCHEMA} || 'public');
my $program = "$FindBin::Bin/../../shim/wallet-shim";

sub ready {
    my $deadline = time + 10;
    sleep 0.02 while ask('GET', '/readyz')->{status} != 200 && time < $deadline;
}

# Waits until the log has a text.
sub logged {
    my ($url, $text) = @_;
    my $deadline = time + 10;
    while (time < $deadline) {
        return 1 if shim_log($url) =~ $text;
        sleep 0.02;
    }
    diag(shim_log($url));
    return 0;
}

# --- signals that a service gets by mistake

my $url = $ENV{WALLET_URL} = start_shim(@schema);
ready();
my ($user, $wallet) = wallet('1000');
my (undef, $to) = wallet('0');
my $kept = connect_raw($url);
for my $name (qw(HUP USR1 USR2 ALRM PIPE VTALRM PROF IO PWR WINCH URG TSTP TTIN TTOU XCPU XFSZ STKFLT CONT CHLD), 34, 50, 64) {
    kill $name, shim_pid($url);
    print $kept "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    my ($answer) = read_answers($kept, 1);
    is($answer->{status} // 'none', 200, "SIG$name: the shim answers");
    last if !defined $answer->{status};
}
ok(logged($url, qr/SIGHUP: without --tls-cert there is nothing to read again/), 'SIGHUP: the log says what was read');
my ($status, $seconds) = stop_shim($url, 'QUIT');
is($status, 1 << 8, 'SIGQUIT: exit status 1, no core');
ok($seconds < 1, 'at once');

# --- what a service manager is told

sub notified {
    my ($socket) = @_;
    IO::Select->new($socket)->can_read(10) or return 'nothing';
    $socket->recv(my $text, 4096);
    return $text;
}
for my $case ([ 'a path', "$dir/notify", "$dir/notify" ], [ 'an abstract name', "\0pg_wallet $$", "\@pg_wallet $$" ]) {
    my ($what, $name, $variable) = @$case;
    my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $name) or BAIL_OUT("no socket: $!");
    local $ENV{NOTIFY_SOCKET} = $variable;
    $url = $ENV{WALLET_URL} = start_shim(@schema);
    like(notified($socket), qr/^READY=1$/m, "$what: ready");
    is(ask('GET', '/readyz')->{status}, 200, "$what: when requests find the database");
    kill 'HUP', shim_pid($url);
    like(notified($socket), qr/^RELOADING=1\nMONOTONIC_USEC=\d+$/m, "$what: reloading");
    like(notified($socket), qr/^READY=1$/m, "$what: ready again");
    is((stop_shim($url))[0], 0, "$what: it ends");
    like(notified($socket), qr/^STOPPING=1$/m, "$what: stopping");
    ok(!IO::Select->new($socket)->can_read(0), "$what: and that was all");

    next if $what ne 'a path';
    my $from = time;
    $url = start_shim('--db', 'host=/nonexistent');
    like(notified($socket), qr/^READY=1$/m, 'without a database: ready');
    ok(time - $from < 5, 'soon');
    stop_shim($url);
}
{
    local $ENV{NOTIFY_SOCKET} = "$dir/nobody";
    $url = $ENV{WALLET_URL} = start_shim(@schema);
    ok(logged($url, qr/cannot tell the service manager at ".*nobody": No such file/), 'nobody to tell: the log says so');
    is(ask('GET', '/healthz')->{status}, 200, 'and the shim serves');
    stop_shim($url);
}

# --- SIGHUP: certificate and key

SKIP: {
    skip 'needs IO::Socket::SSL', 1 if !eval { require IO::Socket::SSL };

    sub certificate {
        my ($name) = @_;
        system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=$name"
                . " -keyout $dir/$name.key -out $dir/$name.pem 2>/dev/null") == 0
            or BAIL_OUT('openssl makes no certificate');
    }
    # Puts files in the place of those in use, as a tool that renews certificates does.
    sub install {
        my ($certificate, $key, $mode) = @_;
        for my $file ([ $certificate, 'pem' ], [ $key, 'key' ]) {
            unlink "$dir/used.$file->[1]";
            next if !defined $file->[0];
            system('cp', "$dir/$file->[0].$file->[1]", "$dir/used.$file->[1].new") == 0 or die;
            chmod $mode // 0600, "$dir/used.$file->[1].new";
            rename "$dir/used.$file->[1].new", "$dir/used.$file->[1]" or die $!;
        }
    }
    sub connect_tls {
        my ($address) = $url =~ m{^https://(.*)};
        my $socket = IO::Socket::SSL->new(PeerAddr => $address, Timeout => 20, SSL_verify_mode => 0);
        $socket->autoflush(1) if $socket;
        return $socket;
    }
    sub name_of { my ($socket) = @_; return $socket ? $socket->peer_certificate('cn') : 'no connection'; }
    sub hang_up {
        my ($text) = @_;
        my $seen = () = shim_log($url) =~ /SIGHUP/g;
        kill 'HUP', shim_pid($url);
        my $deadline = time + 10;
        sleep 0.02 while (() = shim_log($url) =~ /SIGHUP/g) == $seen && time < $deadline;
        return shim_log($url);
    }
    certificate($_) for qw(first second third);
    open my $garbage, '>', "$dir/garbage.pem" or die $!;
    print $garbage 'x' x 1000;
    close $garbage;

    install('first', 'first');
    $url = $ENV{WALLET_URL} = start_shim('--threads', 2, '--tls-cert', "$dir/used.pem", '--tls-key', "$dir/used.key");
    my $old = connect_tls();
    is(name_of($old), 'first', 'the certificate of the start');
    install('second', 'second');
    hang_up();
    is(join(' ', map { name_of(connect_tls()) } 1 .. 8), join(' ', ('second') x 8), 'new connections get the new one, in every event loop');
    print $old "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    is((read_answers($old, 1))[0]{status}, 200, 'an old connection goes on');
    my @broken = (
        [ 'a key of another certificate', 'third', 'first', 0600, qr/cannot use the certificate/ ],
        [ 'no certificate', undef, 'third', 0600, qr/cannot open the file ".*used\.pem"/ ],
        [ 'no key', 'third', undef, 0600, qr/cannot open the file ".*used\.key"/ ],
        [ 'no PEM', 'garbage', 'third', 0600, qr/cannot use the certificate/ ],
        [ 'a key for everybody to read', 'third', 'third', 0644, qr/must not be open to everybody/ ],
    );
    for my $case (@broken) {
        my ($what, $certificate, $key, $mode, $says) = @$case;
        install($certificate, $key, $mode);
        my $before = length shim_log($url);
        my $said = substr hang_up(), $before;
        like($said, $says, "$what: the log says so");
        like($said, qr/SIGHUP: .* stay in use/, "$what: and what that means");
        is(name_of(connect_tls()), 'second', "$what: the old one stays");
    }
    install('third', 'third');
    hang_up() for 1 .. 3;
    is(name_of(connect_tls()), 'third', 'a good pair again');
    print $old "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    is((read_answers($old, 1))[0]{status}, 200, 'the first connection still goes on');
    is((stop_shim($url))[0], 0, 'SIGTERM ends it');
}

# --- the delay

my $payment = qq({"user_id":$user,"source_wallet_id":$wallet,"dest_wallet_id":$to,"trans_sum":0.01});

$url = $ENV{WALLET_URL} = start_shim(@schema, '--drain-delay', 2);
ready();
$kept = connect_raw($url);
my $from = time;
kill 'TERM', shim_pid($url);
ok(logged($url, qr/stopping on signal 15/), 'SIGTERM with a delay');
my $answer = ask('GET', '/readyz');
is("$answer->{status} " . code_of($answer), '503 stopping', '/readyz says that the shim leaves');
is(ask('GET', '/healthz')->{status}, 200, 'all else is answered');
$answer = post('transaction', $payment);
is($answer->{status}, 202, 'a payment, too');
is(json(outcome('transaction', $user, json($answer)->{handshake_id}))->{status}, 'processed', 'and its outcome');
my ($closing, $answers) = (0, 0);
while (time < $from + 5) {
    print $kept "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    my ($said) = read_answers($kept, 1);
    last if ($said->{status} // 0) != 200;
    $answers++;
    ($closing = time - $from) && last if $said->{head} =~ /^Connection: close/mi;
    kill 'HUP', shim_pid($url) if $answers == 1;
    sleep 0.05;
}
ok($answers > 5, 'a connection is kept at first') or diag($answers);
ok($closing >= 0.9 && $closing < 2, 'and closed with an answer in the second half') or diag($closing);
waitpid shim_pid($url), 0;
is($?, 0, 'then it ends, with exit status 0');
$seconds = time - $from;
ok($seconds > 1.9 && $seconds < 4, 'after the delay') or diag($seconds);

$url = $ENV{WALLET_URL} = start_shim('--drain-delay', 60);
kill 'TERM', shim_pid($url);
ok(logged($url, qr/stopping on signal 15/), 'a long delay');
($status, $seconds) = stop_shim($url, 'INT');
is($status, 0, 'another signal ends it: exit status 0');
ok($seconds < 5, 'soon');
is(system("$program --drain-delay=-1 2>/dev/null") >> 8, 2, 'a delay out of range');

# --- nobody who got a connection is left without an answer

# Sends payments until the shim takes no connection; returns how many, and how many were lost.
sub hammer {
    my ($keeps) = @_;
    my ($address) = $url =~ m{^http://([^/]+)};
    my ($sent, $lost, $socket) = (0, 0);
    my $request = "POST /api/v1/transaction HTTP/1.1\r\nHost: localhost\r\n" . ($keeps ? '' : "Connection: close\r\n")
        . 'Content-Length: ' . length($payment) . "\r\n\r\n$payment";
    my $deadline = time + 20;
    while (time < $deadline) {
        $socket //= IO::Socket::INET->new(PeerAddr => $address, Timeout => 10) or last;
        $socket->autoflush(1);
        $sent++;
        print $socket $request;
        my ($answer) = read_answers($socket, 1);
        $lost++ if ($answer->{status} // 0) != 202;
        undef $socket if !$keeps || ($answer->{head} // '') =~ /^Connection: close/mi || !defined $answer->{status};
    }
    return ($sent, $lost);
}
for my $keeps (0, 1) {
    my ($sent, $lost, @clients) = (0, 0);
    $url = $ENV{WALLET_URL} = start_shim(@schema);
    ready();
    for (1 .. 6) {
        pipe my $reader, my $writer or die $!;
        my $pid = fork // die $!;
        if ($pid == 0) {
            print $writer join ' ', hammer($keeps);
            close $writer;
            POSIX::_exit(0);
        }
        close $writer;
        push @clients, $reader;
    }
    sleep 0.3;
    is((stop_shim($url))[0], 0, 'stopped under load');
    for my $reader (@clients) {
        my ($s, $l) = split / /, <$reader>;
        $sent += $s;
        $lost += $l;
    }
    1 while wait > 0;
    is($lost, 0, ($keeps ? 'connections that are kept' : 'a connection for each') . ": none of $sent payments is lost");
}

# Two hundred who have come while the shim slept, and whom it has not accepted when it is to stop.
$url = $ENV{WALLET_URL} = start_shim(@schema);
ready();
my $head = "POST /api/v1/transaction HTTP/1.1\r\nHost: localhost\r\nContent-Length: " . length($payment) . "\r\n\r\n";
kill 'STOP', shim_pid($url);
my @waiting = map { connect_raw($url) } 1 .. 200;
print $_ "$head$payment" for @waiting;
kill 'TERM', shim_pid($url);
kill 'CONT', shim_pid($url);
is(scalar(grep { ((read_answers($_, 1))[0]{status} // 0) == 202 } @waiting), 200, 'all who wait to be accepted are answered');
waitpid shim_pid($url), 0;
is($?, 0, 'then it ends');

done_testing();
