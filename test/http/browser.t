#!/usr/bin/perl
# A real browser (Debian's chromium, without a window) shows foreign web pages that try to pay
# through a shim without API keys, in each way that a page has: no money moves, and no request is
# queued. One page of the shim's own origin shows that the tries are good ones.
#
# The pages come from a small server, which relays what is no page of its own to the shim, byte by
# byte. So a page can have the same origin as the shim in the browser's eyes, as after a DNS name has
# been led to this machine (DNS rebinding).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);

my ($chromium) = grep { -x } map { "$_/chromium" } split /:/, $ENV{PATH};
if (!$chromium) {
    plan skip_all => 'chromium is not installed' if ($ENV{CI} // '') ne 'true';
    plan tests => 1;
    fail('chromium is installed');
    exit 1;
}

my %victim;    # by the name of the page that goes for it: its user, its wallet, a wallet to pay to

# --- the server of the pages, and the relay to the shim

my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 64, ReuseAddr => 1) or BAIL_OUT("no server: $@");
my $relay = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 64, ReuseAddr => 1) or BAIL_OUT("no relay: $@");
my %port = (web => $server->sockport, shim => $relay->sockport);

# --- the pages

# [name, its host; 'web': its own port, 'shim': that of the relay to the shim]
my @pages = (
    [ 'another host name',          'evil.localhost',  'web' ],
    [ 'another port',               'localhost',       'web' ],
    [ 'another port of an address', '127.0.0.1',       'web' ],
    [ 'a name of the Internet',     'evil.example',    'web' ],
    [ 'DNS rebinding',              'evil.example',    'shim' ],
    [ 'DNS rebinding by a local name', 'localhost.evil.example', 'shim' ],
    [ 'the own origin',             'localhost',       'shim' ],
);
my $own = $#pages;
for my $i (0 .. $#pages) {
    my ($user, $wallet) = wallet('100');
    my (undef, $to) = wallet('0');
    $victim{$i} = { user => $user, wallet => $wallet, to => $to };
}

# Every way to send a request without asking the user. Each one pays another sum, or asks for a read.
my $script = <<'END';
const pay = sum => `{"user_id":${user},"source_wallet_id":${wallet},"dest_wallet_id":${to},"trans_sum":${sum}}`;
const api = shim + '/api/v1/', form = 'application/x-www-form-urlencoded';
const tries = [
    () => fetch(api + 'transaction', {method: 'POST', mode: 'no-cors', body: pay(1), headers: {'Content-Type': form}}),
    () => fetch(api + 'transaction', {method: 'POST', mode: 'no-cors', body: pay(2), headers: {'Content-Type': 'text/plain'}}),
    () => fetch(api + 'transaction', {method: 'POST', mode: 'no-cors', body: new Blob([pay(3)])}),
    () => fetch(api + 'transaction', {method: 'POST', body: pay(4), headers: {'Content-Type': 'application/json'}}),
    () => fetch(api + 'transaction', {method: 'POST', body: pay(5), headers: {'Content-Type': form}, credentials: 'include'}),
    () => fetch(api + 'transaction/bulk', {method: 'POST', mode: 'no-cors', body: '[' + pay(6) + ']', headers: {'Content-Type': form}}),
    () => navigator.sendBeacon(api + 'transaction', new Blob([pay(7)], {type: form})),
    () => fetch(api + 'transaction', {method: 'POST', mode: 'no-cors', body: pay(8), keepalive: true, referrerPolicy: 'no-referrer', headers: {'Content-Type': form}}),
    () => new Promise(done => { const x = new XMLHttpRequest; x.open('POST', api + 'transaction'); x.setRequestHeader('Content-Type', form); x.onloadend = done; x.send(pay(9)); }),
    () => loaded(Object.assign(document.createElement('img'), {src: api + `wallet?user_id=${user}&wallet_id=${wallet}`})),
    () => loaded(Object.assign(document.createElement('img'), {referrerPolicy: 'no-referrer', src: api + `wallet?user_id=${user}&wallet_id=${to}`})),
    () => loaded(Object.assign(document.createElement('script'), {src: api + `wallet?user_id=${user}&wallet_id=${wallet}`})),
    () => loaded(Object.assign(document.createElement('iframe'), {src: api + `wallet?user_id=${user}&wallet_id=${wallet}`})),
    () => loaded(Object.assign(document.createElement('iframe'), {sandbox: 'allow-scripts', srcdoc: `<script>
        fetch('${api}transaction', {method: 'POST', mode: 'no-cors', body: '${pay(10)}', headers: {'Content-Type': '${form}'}})</` + `script>`})),
    () => new Promise(done => { const s = new WebSocket(api.replace('http', 'ws') + `wallet?user_id=${user}&wallet_id=${wallet}`); s.onerror = s.onclose = done; }),
    () => {
        const frame = Object.assign(document.createElement('iframe'), {name: 'target'});
        const sent = Object.assign(document.createElement('form'), {method: 'POST', action: api + 'transaction', target: 'target', enctype: 'text/plain'});
        sent.append(Object.assign(document.createElement('input'), {name: pay(11).replace('}', ',"x":"'), value: '"}'}));
        document.body.append(frame, sent);
        const done = new Promise(then => frame.onload = then);
        sent.submit();
        return done;
    },
];
function loaded(element) {
    return new Promise(done => { element.onload = element.onerror = done; document.body.append(element); });
}
(async () => {
    const limit = ms => new Promise(done => setTimeout(done, ms));
    const ends = await Promise.allSettled(tries.map(one => Promise.race([Promise.resolve().then(one), limit(3000)])));
    await limit(100);
    await fetch(home + `/done?${page}`, {method: 'POST', mode: 'no-cors', body: ends.map(e => e.status + ' ' + (e.reason || '')).join('\n')});
})();
END

sub page {
    my ($i, $shim) = @_;
    my %of = (%{ $victim{$i} }, page => $i);
    return "<!DOCTYPE html><body><script>const shim = '$shim', home = 'http://127.0.0.1:$port{web}', " . join(', ', map { "$_ = $of{$_}" } sort keys %of) . ";\n$script</script>";
}

# --- what the server does

my %origin = map { $_ => "http://$pages[$_][1]:$port{ $pages[$_][2] }" } 0 .. $#pages;
my $start = '<!DOCTYPE html><title>start</title>' . join '', map { "<iframe src=\"$origin{$_}/page/$_\"></iframe>" } 0 .. $#pages;

my $select = IO::Select->new($server, $relay);
my (%head, %peer, %done);

sub reply {
    my ($socket, $body) = @_;
    print $socket "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: no-store\r\nConnection: close\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    $select->remove($socket);
    close $socket;
}

sub leave {
    my ($socket) = @_;
    for my $end (grep { defined } $socket, delete $peer{$socket}) {
        delete $head{$end};
        delete $peer{$end};
        $select->remove($end);
        close $end;
    }
}

# A request of its own is answered here; a connection with anything else belongs to the shim from then on.
sub take {
    my ($socket) = @_;
    my $size = sysread $socket, my $bytes, 65536;
    return leave($socket) if !$size;
    if ($peer{$socket}) {
        my $to = $peer{$socket};
        print $to $bytes;
        return;
    }
    $head{$socket} .= $bytes;
    return if $head{$socket} !~ /\r\n\r\n/;
    my ($path) = $head{$socket} =~ m{^\w+ (\S+)};
    if ($path =~ m{^/done\?(\d+)}) {
        my $page = $1;
        my ($length) = $head{$socket} =~ /^Content-Length: (\d+)/mi;
        return if length($head{$socket} =~ s/\A.*?\r\n\r\n//sr) < $length;
        $done{$page} = $head{$socket} =~ s/\A.*?\r\n\r\n//sr;
        return reply($socket, '');
    }
    if ($path =~ m{^/page/(\d+)}) {
        my $shim = $pages[$1][2] eq 'shim' ? '' : url();
        return reply($socket, page($1, $shim));
    }
    return reply($socket, $path eq '/start' ? $start : '') if $path !~ m{^/api/};
    my $other = connect_raw();
    @peer{ $socket, $other } = ($other, $socket);
    $select->add($other);
    print $other delete $head{$socket};
}

# --- the browser

my $profile = File::Temp->newdir;
my $log = File::Temp->new;
my $browser = fork // die "cannot fork: $!";
if ($browser == 0) {
    setpgrp;
    $ENV{HOME} = "$profile";
    open STDOUT, '>', $log->filename;
    open STDERR, '>&', \*STDOUT;
    exec $chromium, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-extensions',
        '--disable-background-networking', '--disable-component-update', '--remote-debugging-port=0', "--user-data-dir=$profile",
        '--host-resolver-rules=MAP *.example 127.0.0.1', "http://localhost:$port{web}/start"
        or die "cannot start $chromium: $!";
}
local $SIG{PIPE} = 'IGNORE';
my $deadline = time + 60;
while (keys %done < @pages && time < $deadline && waitpid($browser, 1) == 0) {
    for my $socket ($select->can_read(0.5)) {
        if ($socket == $server || $socket == $relay) {
            my $new = $socket->accept or next;
            $new->autoflush(1);
            $head{$new} = '';
            $select->add($new);
        } elsif ($select->exists($socket)) {
            take($socket);
        }
    }
}
kill 'KILL', -$browser;
waitpid $browser, 0;

# --- what came of it

my $said = join '', grep { !/dbus/ } <$log>;
is(join(' ', sort keys %done), join(' ', 0 .. $#pages), 'every page has tried everything') or diag(substr $said, 0, 4000);

# A last request, after all others of the queue.
my ($last_user, $last) = wallet('1');
is(json(outcome_of('deposit', $last_user, qq({"user_id":$last_user,"wallet_id":$last,"amount":1})))->{status}, 'processed', 'the queue is empty');
my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
for my $i (0 .. $#pages) {
    my ($user, $wallet) = @{ $victim{$i} }{qw(user wallet)};
    my $amount = json(get("wallet/async?user_id=$user&wallet_id=$wallet"))->{amount};
    # One request made the wallet.
    my $queued = $super =~ /t/ ? `psql -XAtc 'SELECT count(*) - 1 FROM wallet.request WHERE user_id = $user'` =~ s/\n//r : undef;
    if ($i == $own) {
        # All the sums but those of text/plain (2 and 11), an unnamed type (3) and the sandbox (10).
        cmp_ok($amount, '<', 100 - 1 - 4 - 5, "$pages[$i][0]: pays");
        cmp_ok($queued // 9, '>=', 9, "$pages[$i][0]: $queued requests were queued");
        next;
    }
    cmp_ok($amount, '==', 100, "$pages[$i][0] ($origin{$i}): no money has moved");
    is($queued // 0, 0, "$pages[$i][0]: no request was queued") or diag($done{$i});
}

done_testing();
