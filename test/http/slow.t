#!/usr/bin/perl
# Clients that take their time, and clients that send too much, hundreds at once: they are ended, or
# refused, in bounded time and memory, and somebody else is served meanwhile.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use IO::Select;
use List::Util qw(max min sum);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

$SIG{PIPE} = 'IGNORE';
my ($user, $from) = wallet('1000000');
my (undef, $to) = wallet('0');
my $payment = qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":0.01});
my $post = "POST /api/v1/%s HTTP/1.1\r\nHost: localhost\r\n";
my @schema = ('--schema', $ENV{WALLET_SCHEMA} || 'public');

sub ready {
    my $deadline = time + 20;
    sleep 0.02 while ask('GET', '/readyz')->{status} != 200 && time < $deadline;
}

# --- somebody else, on a connection of his own each time: by turns a look and a payment

my (%answers, $longest);
sub reset_others { %answers = (); $longest = 0; }

sub ask_once {
    my ($url) = @_;
    my $is_payment = sum(0, values %answers) % 2;
    my $from_time = time;
    my $socket = connect_raw($url);
    print $socket $is_payment ? sprintf($post, 'transaction') . 'Content-Length: ' . length($payment) . "\r\n\r\n$payment"
        : "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    my ($answer) = read_answers($socket, 1);
    $longest = max($longest, time - $from_time);
    $answers{ ($is_payment ? 'POST ' : 'GET ') . ($answer->{status} // 'closed') }++;
}

# --- a crowd, in a process of its own

# crowd(CODE): CODE gets a handle on which to tell; (a handle to read what it tells, how to end it).
sub crowd {
    my ($code) = @_;
    pipe my $told, my $tell or die "cannot make a pipe: $!";
    my $pid = fork // die "cannot fork: $!";
    if ($pid == 0) {
        close $told;
        $tell->autoflush(1);
        eval { $code->($tell); 1 } or print STDERR $@;
        POSIX::_exit(0);
    }
    close $tell;
    return ($told, sub { kill 'KILL', $pid; waitpid $pid, 0 });
}
sub has_told { my ($told) = @_; return scalar IO::Select->new($told)->can_read(0); }

# Takes what has come in on the connections: their text, their status, and whether they are ended.
sub listen_to {
    my ($select, $clients) = @_;
    for my $socket ($select->can_read(0)) {
        my $client = $clients->{ fileno $socket };
        my $size = sysread $socket, $client->{text}, 65_536, length $client->{text};
        next if !defined $size && $!{EAGAIN};
        ($client->{status}) = $client->{text} =~ m{\AHTTP/1\.1 (\d+) };
        next if $size;
        $client->{ended} = time;
        $select->remove($socket);
    }
}

# --- a byte now and then

my $timeout = 2;
my $url = $ENV{WALLET_URL} = start_shim('--request-timeout', $timeout, @schema);
ready();
my $each = 200;
my ($told, $stop) = crowd(sub {
    my ($tell) = @_;
    my $select = IO::Select->new;
    my %clients;
    for my $start (map { ("X-Slow: ", "Content-Length: 8000\r\n\r\n") } 1 .. $each) {
        my $began = time;
        my $socket = connect_raw($url);
        $socket->blocking(0);
        syswrite $socket, sprintf($post, 'transaction') . $start;
        $clients{ fileno $socket } = { socket => $socket, began => $began, text => '' };
        $select->add($socket);
    }
    print $tell "trickling\n";
    my $until = time + 20;
    while ($select->count && time < $until) {
        # What cannot be sent any more is an end that is yet to be read.
        syswrite $_, 'x' for $select->handles;
        sleep 0.1;
        listen_to($select, \%clients);
    }
    my @lives = map { ($_->{ended} // time) - $_->{began} } values %clients;
    my %ends;
    $ends{ $_->{ended} ? $_->{status} // 'closed' : 'open' }++ for values %clients;
    print $tell join(' ', min(@lives), max(@lives), %ends), "\n";
});
is(<$told>, "trickling\n", "$each clients send a head slowly, $each a body");
reset_others();
for (1 .. 100) { ask_once($url); sleep 0.01; }
ok(!has_told($told), 'all that time somebody else asks');
my ($shortest_life, $longest_life, %ends) = split ' ', <$told> // '';
$stop->();
is_deeply(\%answers, { 'GET 200' => 50, 'POST 202' => 50 }, 'and is served');
cmp_ok($longest, '<', 2, 'without a long wait');
is(sum(0, map { $ends{$_} // 0 } 408, 'closed'), 2 * $each, 'each slow client is ended, though it goes on sending') or diag(explain(\%ends));
cmp_ok($shortest_life, '>', 0.9 * $timeout, 'not before its time');
cmp_ok($longest_life, '<', $timeout + 3, 'nor long after it');
diag(sprintf '%d slow clients: ended after %.1f to %.1f s (%s), the longest answer to somebody else took %.0f ms',
    2 * $each, $shortest_life, $longest_life, join(', ', map { "$ends{$_} x $_" } sort keys %ends), $longest * 1000);
stop_shim($url);

# --- too much

# A sanitizer keeps what was freed for a while: here the shim is the one that is shipped.
delete $ENV{SHIM_PROGRAM};
$url = $ENV{WALLET_URL} = start_shim('--bulk-memory', 8, @schema);
ready();

sub sized { my ($path, $body) = @_; return sprintf($post, $path) . 'Content-Length: ' . length($body) . "\r\n\r\n$body"; }

sub chunked {
    my ($path, $body, $size) = @_;
    my $chunks = join '', map { sprintf "%x\r\n%s\r\n", length, $_ } unpack "(a$size)*", $body;
    return sprintf($post, $path) . "Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n";
}
sub padded { my ($text, $size) = @_; return $text . ' ' x ($size - length $text); }

my ($size_max, $bulk_max, $discarded_max) = (8192, 2 << 20, 1 << 20);
# [what it shows, how many, the bytes, what each may get]
my @crowd = (
    [ 'as much as there may be', 50, sized('transaction', padded($payment, $size_max)), qr/^202$/ ],
    [ 'as much, in chunks', 50, chunked('transaction', padded($payment, $size_max), 1000), qr/^202$/ ],
    [ 'a byte more', 50, sized('transaction', padded($payment, $size_max + 1)), qr/^413$/ ],
    [ 'a byte more, in chunks', 50, chunked('transaction', padded($payment, $size_max + 1), 1000), qr/^413$/ ],
    [ 'much more', 50, sized('transaction', padded($payment, 400_000)), qr/^413$/ ],
    [ 'much more, in chunks', 50, chunked('transaction', padded($payment, 400_000), 50_000), qr/^413$/ ],
    [ 'a gigabyte announced', 50, sprintf($post, 'transaction') . "Content-Length: 1000000000\r\n\r\n" . ' ' x 100_000, qr/^413$/ ],
    [ 'chunks that do not end', 25, chunked('transaction', ' ' x ($discarded_max + 500_000), 50_000), qr/^413$/ ],
    [ 'a large bulk request', 15, sized('transaction/bulk', padded("[$payment]", $bulk_max)), qr/^(202|503)$/ ],
    [ 'a bulk request with a byte more', 15, sized('transaction/bulk', padded("[$payment]", $bulk_max + 1)), qr/^(413|503)$/ ],
    [ 'a bulk request with a byte more, in chunks', 15, chunked('transaction/bulk', padded("[$payment]", $bulk_max + 1), 60_000), qr/^(413|503)$/ ],
);
my $count = sum(map { $_->[1] } @crowd);
my $mib = sum(map { $_->[1] * length $_->[2] } @crowd) / 1024 / 1024;

pipe my $wait, my $go or die "cannot make a pipe: $!";
($told, $stop) = crowd(sub {
    my ($tell) = @_;
    my ($readers, $writers) = (IO::Select->new, IO::Select->new);
    my %clients;
    for my $kind (0 .. $#crowd) {
        for (1 .. $crowd[$kind][1]) {
            my $socket = connect_raw($url);
            $socket->blocking(0);
            $clients{ fileno $socket } = { bytes => \$crowd[$kind][2], kind => $kind, sent => 0, text => '' };
            $_->add($socket) for $readers, $writers;
        }
    }
    # All but the last byte, by turns; then the last one of all.
    my $until = time + 60;
    for my $kept (1, 0) {
        my $sending = IO::Select->new($writers->handles);
        while ($sending->count && time < $until) {
            for my $socket ($sending->can_write(0.1)) {
                my $client = $clients{ fileno $socket };
                my $size = min(65_536, length(${ $client->{bytes} }) - $kept - $client->{sent});
                my $sent = $size ? syswrite $socket, ${ $client->{bytes} }, $size, $client->{sent} : 0;
                $client->{sent} += $sent // 0;
                $writers->remove($socket) if !defined $sent && !$!{EAGAIN};
                $sending->remove($socket) if !$size || !defined $sent && !$!{EAGAIN};
            }
            listen_to($readers, \%clients);
        }
        next if !$kept;
        print $tell "held\n";
        <$wait>;
    }
    listen_to($readers, \%clients) while time < $until && grep { !defined $_->{status} && !$_->{ended} } values %clients;
    for my $kind (0 .. $#crowd) {
        my %ends;
        $ends{ $_->{status} // ($_->{ended} ? 'closed' : 'open') }++ for grep { $_->{kind} == $kind } values %clients;
        print $tell join(' ', %ends), "\n";
    }
});
sub memory_kib {
    open my $file, '<', '/proc/' . shim_pid($url) . '/status' or die "no status: $!";
    local $/;
    return (<$file> =~ /^RssAnon:\s+(\d+) kB/m)[0];
}
my $before = memory_kib();
my $most = $before;
sub look_and_ask { ask_once($url); $most = max($most, memory_kib()); }

reset_others();
my $start = time;
do { look_and_ask() } until has_told($told);
is(<$told>, "held\n", "$count clients have sent all but a byte");
look_and_ask() for 1 .. 50;
syswrite $go, "go\n";
look_and_ask() until has_told($told);
for my $kind (@crowd) {
    my ($name, $times, undef, $expected) = @$kind;
    my %said = split ' ', <$told> // '';
    is(sum(0, map { $said{$_} } grep { /$expected/ } keys %said), $times, "$name, $times times: " . join ', ', map { "$said{$_} x $_" } sort keys %said);
}
my $seconds = time - $start;
$stop->();
my $asked = sum(values %answers);
is(sum(map { $answers{$_} // 0 } 'GET 200', 'POST 202'), $asked, 'somebody else is served') or diag(explain(\%answers));
cmp_ok($longest, '<', 2, 'without a long wait');
cmp_ok($most, '<', 64 * 1024, 'no more than 64 MiB of memory');
diag(sprintf '%d clients sent %.0f MiB in %.1f s: at most %.0f MiB of memory, %.0f before; of %d answers to somebody else the longest took %.0f ms',
    $count, $mib, $seconds, $most / 1024, $before / 1024, $asked, $longest * 1000);
is((stop_shim($url))[0], 0, 'the shim ends well');
done_testing();
