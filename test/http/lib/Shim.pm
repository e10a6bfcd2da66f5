# Shim.pm: how the HTTP tests speak to the shim: with HTTP::Tiny where the client may be polite,
# and through a bare socket where it may not.
#
# WALLET_URL names the shim under test. All tests share one database with each other and with
# earlier runs, so users are drawn from a random range and wallets are known by their outcomes.
package Shim;

use strict;
use warnings;

use Exporter 'import';
use File::Temp;
use FindBin;
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
    $HANDSHAKE url new_user post get ask json outcome outcome_of wallet pay code_of
    connect_raw talk read_answers free_ports
    start_shim stop_shim shim_log shim_access shim_pid
);

our $HANDSHAKE = qr/[0-9a-f]{64}/;
my $seconds_max = 20;
my $user_id = 1_000_000_000 + int(rand(2**52));
# Certificates are made by the tests: the openssl program looks at them, not every client.
my $client = HTTP::Tiny->new(timeout => $seconds_max, verify_SSL => 0);
my %started;

sub url { return $ENV{WALLET_URL} || BAIL_OUT('WALLET_URL must name a running shim'); }

# A user whom nobody has used before.
sub new_user { return $user_id++; }

# ask(METHOD, PATH, BODY, {HEADER => VALUE}): HTTP::Tiny's answer.
sub ask {
    my ($method, $path, $body, $headers) = @_;
    my %options = (headers => { %{ $headers || {} } });
    if (defined $body) {
        $options{content} = $body;
        $options{headers}{'Content-Type'} //= 'application/json';
    }
    return $client->request($method, url() . $path, \%options);
}

sub post { my ($path, $body, $headers) = @_; return ask('POST', "/api/v1/$path", $body, $headers); }
sub get { my ($path, $body, $headers) = @_; return ask('GET', "/api/v1/$path", $body, $headers); }

# An answer's body, decoded; {} where it is no JSON.
sub json {
    my ($answer) = @_;
    return eval { JSON::PP->new->utf8->decode($answer->{content}) } || {};
}

sub code_of {
    my $problem = json(@_);
    return ref $problem eq 'HASH' && $problem->{code} || '';
}

# Asks for a handshake until its outcome is there: the answer of the last GET.
sub outcome {
    my ($kind, $user, $handshake) = @_;
    my $deadline = time + $seconds_max;
    my $answer;
    do {
        $answer = get($kind, qq({"user_id":$user,"handshake_id":"$handshake"}));
        return $answer if $answer->{status} != 202;
        sleep 0.01;
    } while time < $deadline;
    return $answer;
}

# Sends a POST and waits for what becomes of it.
sub outcome_of {
    my ($kind, $user, $body) = @_;
    my $answer = post($kind, $body);
    return $answer if $answer->{status} != 202;
    return outcome($kind, $user, json($answer)->{handshake_id});
}

# A new user with a wallet: (user_id, wallet_id).
sub wallet {
    my ($amount, $currency) = @_;
    my $user = new_user();
    my $more = $currency ? qq(,"currency":"$currency") : '';
    my $answer = outcome_of('wallet', $user, qq({"user_id":$user,"amount":$amount$more}));
    my $wallet = json($answer)->{wallet_id} or BAIL_OUT("no wallet: $answer->{content}");
    return ($user, $wallet);
}

sub pay {
    my ($user, $from, $to, $sum) = @_;
    return outcome_of('transaction', $user,
        qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":$sum}));
}

# So many ports of this machine that nobody listens on.
sub free_ports {
    my ($count) = @_;
    my @sockets = map { IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $! } 1 .. $count;
    return map { $_->sockport } @sockets;
}

# --- without manners -------------------------------------------------------------------------

sub connect_raw {
    my ($address) = (shift // url()) =~ m{^https?://([^/]+)};
    my $socket = IO::Socket::INET->new(PeerAddr => $address, Timeout => $seconds_max)
        or BAIL_OUT("cannot connect to $address: $@");
    $socket->autoflush(1);
    return $socket;
}

# read_answers(SOCKET, COUNT): reads COUNT answers, or until the shim closes. Returns a list of
# {status, head, body, time}, and a last {closed => 1} where it closed.
sub read_answers {
    my ($socket, $count) = @_;
    my ($text, @answers) = ('');
    my $deadline = time + $seconds_max;
    my $select = IO::Select->new($socket);
    while (@answers < $count && time < $deadline) {
        # TLS may have read more than it has handed on.
        next unless $socket->can('pending') && $socket->pending || $select->can_read($deadline - time);
        my $size = sysread($socket, $text, 65536, length $text);
        while ($text =~ m{\A(HTTP/1\.1 (\d+) .*?)\r\n\r\n}s) {
            my ($head, $status) = ($1, $2);
            my ($length) = $head =~ /^Content-Length: (\d+)\r?$/mi;
            my $whole = length($head) + 4 + ($length // 0);
            last if length $text < $whole;
            push @answers, { status => $status, head => $head, time => time,
                body => substr($text, length($head) + 4, $length // 0) };
            substr($text, 0, $whole) = '';
        }
        return (@answers, { closed => 1 }) if !$size;
    }
    return @answers;
}

# Sends bytes on a connection of their own and reads one answer: (answer, whether it was closed).
sub talk {
    my ($bytes, $url) = @_;
    my $socket = connect_raw($url);
    local $SIG{PIPE} = 'IGNORE';
    print $socket $bytes;
    my ($answer, $more) = read_answers($socket, 2);
    return ($answer, $more && $more->{closed} || $answer && $answer->{closed} || 0);
}

# --- a shim of the test's own ----------------------------------------------------------------

# start_shim(FLAG...): starts the shim under test on a free port; its URL, once it listens. Requests
# need no key unless the flags say so.
sub start_shim {
    my @flags = ('--auth', 'off', @_);
    my $log = File::Temp->new(SUFFIX => '.log');
    my $access = File::Temp->new(SUFFIX => '.access');
    my $program = $ENV{SHIM_PROGRAM} || "$FindBin::Bin/../../shim/wallet-shim";
    my $pid = fork // die "cannot fork: $!";
    if ($pid == 0) {
        open STDERR, '>', $log->filename or die "cannot write $log: $!";
        open STDOUT, '>>', $access->filename or die "cannot write $access: $!";
        delete @ENV{ grep { /^WALLET_/ } keys %ENV };
        exec $program, '--port', 0, @flags or die "cannot start $program: $!";
    }
    my $deadline = time + $seconds_max;
    while (time < $deadline) {
        if (open my $file, '<', $log->filename) {
            local $/;
            if (<$file> =~ m{listening on (https?://\S+)}) {
                $started{$1} = { pid => $pid, log => $log, access => $access };
                return $1;
            }
        }
        sleep 0.01;
    }
    kill 'KILL', $pid;
    BAIL_OUT("$program does not start");
}

# Sends a signal and waits: (exit status, seconds it took).
sub stop_shim {
    my ($url, $signal) = @_;
    my $shim = $started{$url};
    my $from = time;
    kill $signal || 'TERM', $shim->{pid};
    waitpid $shim->{pid}, 0;
    my $status = $?;
    delete $shim->{pid};
    return ($status, time - $from);
}

sub shim_pid { my ($url) = @_; return $started{$url}{pid}; }

# What it has said to stderr, and to stdout.
sub said {
    my ($url, $to) = @_;
    open my $file, '<', $started{$url}{$to}->filename or return '';
    local $/;
    return scalar(<$file>) // '';
}

sub shim_log { return said($_[0], 'log'); }
sub shim_access { return said($_[0], 'access'); }

END {
    my $status = $?;
    for my $shim (values %started) {
        if ($shim->{pid}) {
            kill 'KILL', $shim->{pid};
            waitpid $shim->{pid}, 0;
        }
    }
    $? = $status;
}

1;
