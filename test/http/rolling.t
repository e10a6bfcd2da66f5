#!/usr/bin/perl
# A rolling restart: three shims behind nginx are stopped and started one after the other while
# clients pay. No request is lost, whether it has an Idempotency-Key or not, and each is carried out once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use File::Temp;
use IO::Select;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

my ($nginx) = grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
plan skip_all => 'needs nginx' if !$nginx;

my $dir = File::Temp->newdir('/tmp/pg_wallet_rolling.XXXXXX');
my @schema = ('--schema', $ENV{WALLET_SCHEMA} || 'public');
my (@ports, @shims, $proxy);

# deploy/nginx.conf with other ports, in the smallest possible frame. MORE goes into its upstream, and
# FIELDS into its location.
sub configure {
    my ($more, $fields) = @_;
    open my $ours, '<', "$FindBin::Bin/../../deploy/nginx.conf" or die $!;
    my $server = do { local $/; <$ours> };
    $server =~ s/127\.0\.0\.1:800([123])\b/127.0.0.1:$ports[$1 - 1]/g;
    $server =~ s/listen 8080;/listen 127.0.0.1:$ports[3];/;
    $server =~ s/(server 127\.0\.0\.1:$ports[2];)/$1 $more/;
    $server =~ s/(proxy_pass \S+;)/$1 $fields/;
    open my $file, '>', "$dir/nginx.conf" or die $!;
    print $file "pid $dir/pid;\nevents {}\nhttp {\nlog_format shims '\$upstream_addr \$status';\naccess_log $dir/access.log shims;\n";
    print $file "${_}_temp_path $dir/$_;\n" for qw(client_body proxy fastcgi uwsgi scgi);
    print $file "$server}\n";
    close $file;
}

sub start_nginx {
    $proxy = fork // die $!;
    if ($proxy == 0) {
        exec $nginx, '-p', $dir, '-c', "$dir/nginx.conf", '-e', "$dir/error.log", '-g', 'daemon off;' or POSIX::_exit(1);
    }
    my $deadline = time + 10;
    until (IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ports[3]")) {
        BAIL_OUT('nginx does not start: ' . `cat $dir/error.log`) if time > $deadline;
        sleep 0.02;
    }
}

sub stop_nginx {
    kill 'TERM', $proxy if $proxy;
    waitpid $proxy, 0 if $proxy;
    undef $proxy;
}

sub start { my ($i) = @_; return $shims[$i] = start_shim(@schema, '--port', $ports[$i]); }
sub restart { my ($i) = @_; is((stop_shim($shims[$i]))[0], 0, 'shim ' . ($i + 1) . ' has stopped'); start($i); }

# Waits until nginx sends its share of requests to a shim. A few may come to it that were on their way.
sub used {
    my ($i) = @_;
    open my $log, '<', "$dir/access.log" or return 0;
    seek $log, 0, 2;
    my ($deadline, $count) = (time + 20, 0);
    while (time < $deadline) {
        while (<$log>) { return 1 if /^127\.0\.0\.1:$ports[$i] 2/ && ++$count == 20; }
        sleep 0.05;
        seek $log, 0, 1;
    }
    return 0;
}

# Pays until told to end by its standard input; then tells each answer that it got.
sub pay_on {
    my ($end, $out, $payment) = @_;
    my ($count, $socket, @said) = (0);
    my $select = IO::Select->new($end);
    until ($select->can_read(0)) {
        my $key = $count++ % 2 ? "Idempotency-Key: rolling-$$-$count\r\n" : '';
        $socket //= connect_raw();
        print $socket "POST /api/v1/transaction HTTP/1.1\r\nHost: localhost\r\n${key}Content-Type: application/json\r\nContent-Length: "
            . length($payment) . "\r\n\r\n$payment";
        my ($answer) = read_answers($socket, 1);
        push @said, ($answer->{status} // 'closed') . ' ' . (($answer->{body} // '') =~ s/^.*"handshake_id":"($HANDSHAKE)".*/$1/r =~ s/\n/ /gr);
        undef $socket if !defined $answer->{status} || $answer->{head} =~ /^Connection: close/mi;
        sleep 0.002;
    }
    print $out map { "$_\n" } @said;
    close $out;
}

# Has clients pay while CODE runs; every answer is looked at.
sub while_paying {
    my ($what, $code) = @_;
    my ($user, $from) = wallet('100000');
    my ($other, $to) = wallet('0');
    my $payment = qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":0.01});
    my @clients;
    for (1 .. 5) {
        pipe my $reader, my $writer or die $!;
        pipe my $end, my $ender or die $!;
        my $pid = fork // die $!;
        if ($pid == 0) {
            close $_ for map { $_->{ender} } @clients;
            close $ender;
            pay_on($end, $writer, $payment);
            POSIX::_exit(0);
        }
        close $writer;
        push @clients, { reader => $reader, ender => $ender, pid => $pid };
    }
    $code->();
    close $_->{ender} for @clients;
    my @said = map { my $reader = $_->{reader}; <$reader> } @clients;
    waitpid $_->{pid}, 0 for @clients;
    my @lost = grep { !/^202 $HANDSHAKE$/ } @said;
    is(scalar(@lost), 0, "$what: every request of " . @said . ' is answered') or diag(@lost[0 .. ($#lost < 5 ? $#lost : 5)], `tail -n 5 $dir/error.log`);
    my %handshakes = map { $_ => 1 } map { /^202 ($HANDSHAKE)$/ } @said;
    is(scalar(keys %handshakes), @said - @lost, "$what: each with a handshake of its own");
    my ($deadline, $amount) = time + 20;
    my $due = sprintf '%.2f', keys(%handshakes) * 0.01;
    do { $amount = json(get("wallet/async?user_id=$other&wallet_id=$to"))->{amount} } while $amount < $due && time < $deadline;
    cmp_ok($amount, '==', $due, "$what: each is carried out once");
}

@ports = free_ports(4);
start($_) for 0 .. 2;
$ENV{WALLET_URL} = "http://127.0.0.1:$ports[3]";
configure('', '');
start_nginx();
my $deadline = time + 10;
sleep 0.05 while grep({ get('')->{status} == 503 || ask('GET', '/readyz')->{status} != 200 } 1 .. 6) && time < $deadline;

while_paying('nginx as it is', sub {
    ok(used(0), 'requests go to the first shim');
    restart(0);
    restart(1);
    # By default nginx leaves a shim alone for 10 s that has refused a connection.
    ok(used(0), 'the first shim is used again');
    restart(2);
});
stop_nginx();

# Connections between nginx and the shims that are kept open.
configure('keepalive 8;', 'proxy_http_version 1.1; proxy_set_header Connection "";');
start_nginx();
while_paying('kept connections', sub {
    ok(used(0), 'requests go to the first shim');
    restart(0);
    ok(used(1), 'and to the second one');
    restart(1);
});
stop_nginx();
END { my $status = $?; stop_nginx(); $? = $status; }

done_testing();
