#!/usr/bin/perl
# scenarios.t: what a scenario cannot say is refused with the file and the line, and what it says is read.
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Temp;
use Test::More;

chdir dirname(__FILE__) . '/../..' or die "cannot change the folder: $!";
use lib dirname(__FILE__) . '/../scenarios/lib';
use Scenario qw(codes_by_sqlstate microseconds read_scenario);

my $header = 'extension/rules/codes.h';

# What is read of these lines, or the complaint.
sub told_of {
    my ($text) = @_;
    my $file = File::Temp->new(SUFFIX => '.scenario');
    print {$file} $text;
    close $file or die "cannot write $file: $!";
    my @operations = eval { read_scenario("$file", $header) };
    return ($@ =~ s/^\Q$file\E:?//r, @operations);
}

for my $case (
    [ 'pay A B 1', qr/^1: there is no operation pay/ ],
    [ "wallet A\n\nwallet", qr/^3: wallet lacks its new/ ],
    [ "wallet A\ntransfer A B 1", qr/^2: no line above makes a wallet B/ ],
    [ "wallet A -1 -> amount_negative\nbalance A 0", qr/^2: no line above makes a wallet A/ ],
    [ "wallet A\ndeposit A", qr/^2: deposit lacks its amount/ ],
    [ "wallet A\ndeposit A much", qr/^2: much is no amount/ ],
    [ "wallet A\ndeposit A 1e2", qr/^2: 1e2 is no amount/ ],
    [ "wallet A\ndeposit A 1 2", qr/^2: nobody knows what 2 means here/ ],
    [ "wallet A\ndeposit A 1 -> poor", qr/^2: there is no code poor/ ],
    [ "wallet A\ndeposit A 1 -> internal_error processed", qr/^2: nobody knows what/ ],
    [ "wallet A\ndeposit A 1 -> internal_error leg", qr/^2: nobody knows what/ ],
    [ 'wallet none', qr/^1: none is no new/ ],
    [ 'wallet outside', qr/^1: outside is no new/ ],
    [ 'wallet A 1 dollars', qr/^1: dollars is no currency/ ],
    [ "wallet A\nbalance A", qr/^2: a balance needs the amount/ ],
    [ "wallet A\nbalance A 1 -> wallet_not_found", qr/^2: a balance that is refused has none/ ],
    [ "wallet A\ndeposit A 1 by A", qr/^2: a direct call has no user/ ],
    [ "wallet A\ndeposit A 1 valid +1h", qr/^2: a direct call has no valid/ ],
    [ "wallet A\ndeposit A 1 most 5", qr/^2: a direct call has no most/ ],
    [ "wallet A\ndeposit A 1 key k", qr/^2: the rules know no key/ ],
    [ "wallet A\n[rules queue] deposit A 1 by C", qr/^2: no line above makes a wallet C/ ],
    [ "wallet A\n[rules] status A closed by A", qr/^2: nobody knows what by A means/ ],
    [ '[worker] wallet A', qr/^1: there is no way worker/ ],
    [ '[] wallet A', qr/^1: the mark names no way/ ],
    [ "wallet A\n[rules] holds A open H", qr/^2: there is no holds in the way rules/ ],
    [ "wallet A\nhold A B 1", qr/^2: no line above makes a wallet B/ ],
    [ "wallet A\nhold A outside 1 in soon", qr/^2: soon is no duration/ ],
    [ "wallet A\nhold A outside 1 until 1h", qr/^2: 1h is no moment/ ],
    [ "wallet A\nhold A outside 1 max 2 max 3", qr/^2: hold has max twice/ ],
    [ "wallet A\ncapture H", qr/^2: no line above has the name H/ ],
    [ "wallet A\ncapture A", qr/^2: no line above has the name A/ ],
    [ "wallet A\nH: hold A outside 1\ntransfer A H 1", qr/^3: no line above makes a wallet H/ ],
    [ "wallet A\nA: hold A outside 1", qr/^2: A has been made by a line above/ ],
    [ "wallet A\nexpect A rest 1", qr/^2: there is no rest: there are balance/ ],
    [ "wallet A\nH: hold A outside 1\nexpect H balance 1", qr/^3: there is no balance: there are state/ ],
    [ "wallet A\nexpect A", qr/^2: expect lacks its fields/ ],
    [ "wallet A\nexpect A held", qr/^2: expect lacks its value/ ],
    [ "wallet A\njournal A deposit", qr/^2: journal lacks its amount/ ],
    [ "wallet A\n- deposit A 1", qr/^2: a leg stands below a group/ ],
    [ "wallet A\ngroup\n- balance A 1", qr/^3: a balance is no leg/ ],
    [ "wallet A\ngroup\n- deposit A 1 key k", qr/^3: a leg has no user, key or deadline/ ],
    [ "wallet A\nfee A A 1", qr/^2: a fee is a leg alone/ ],
    [ "wallet A\ngroup\n- split A 1 A half", qr/^3: half is no share/ ],
    [ "wallet A\nclock noon", qr/^2: no line above has the name noon/ ],
    [ "wallet A\nstatus A frozen while queued", qr/^2: only the queue knows what is queued/ ],
    [ "# nothing\n\n", qr/has no operation/ ])
{
    my ($text, $complaint) = @$case;
    like((told_of($text))[0], $complaint, $text =~ s/\n/; /gr);
}

my ($complaint, @operations) = told_of(<<'END');
wallet A 15.50 eur   # not usd
[rules queue]  transfer A none 15 by A  ->  destination_wallet_not_found
balance A 15.5
H: hold A outside 7 max 9 in 90min
[direct queue] capture @H 3 keep key k1 -> 3
expect H state open rest 4 expires H+90min
[queue] clock +1h while queued
dry withdraw A up_to 20
G: group -> insufficient_funds leg 1
- withdraw A all
- split A 5 A 1 none 250000ppm none rest
END
is($complaint, '', 'nothing to complain of');
my %everywhere = (ways => { rules => 1, direct => 1, queue => 1 });
is_deeply(\@operations, [
    { verb => 'wallet', wallets => ['A'], values => { new => 'A', amount => '15.50', currency => 'eur' }, asker => 'A', expected => 'processed',
        %everywhere, line => 1, text => 'wallet A 15.50 eur' },
    { verb => 'transfer', wallets => [ 'A', 'none' ], values => { source => 'A', destination => 'none', quantity => 15, by => 'A' },
        asker => 'A', expected => 'destination_wallet_not_found',
        ways => { rules => 1, queue => 1 }, line => 2, text => '[rules queue] transfer A none 15 by A -> destination_wallet_not_found' },
    { verb => 'balance', wallets => ['A'], values => { wallet => 'A', balance => '15.5' }, asker => 'A', expected => '15.5',
        %everywhere, line => 3, text => 'balance A 15.5' },
    { verb => 'hold', name => 'H', wallets => ['A'], values => { source => 'A', destination => 'outside', amount => 7, max => 9, in => '90min' },
        asker => 'A', expected => 'processed', %everywhere, line => 4, text => 'H: hold A outside 7 max 9 in 90min' },
    { verb => 'capture', wallets => [], values => { hold => '@H', amount => 3, keep => 1, key => 'k1' }, asker => 'operator', expected => 'processed',
        moved => 3, ways => { direct => 1, queue => 1 }, line => 5, text => '[direct queue] capture @H 3 keep key k1 -> 3' },
    { verb => 'expect', of => 'hold', wallets => [], values => { thing => 'H', fields => [ [qw(state open)], [qw(rest 4)], [qw(expires H+90min)] ] },
        expected => 'processed', %everywhere, line => 6, text => 'expect H state open rest 4 expires H+90min' },
    { verb => 'clock', wallets => [], values => { moment => '+1h' }, while_queued => 1, expected => 'processed',
        ways => { queue => 1 }, line => 7, text => '[queue] clock +1h while queued' },
    { verb => 'withdraw', is_dry => 1, wallets => ['A'], values => { wallet => 'A', mode => 'up_to', quantity => 20 }, asker => 'A', expected => 'processed',
        %everywhere, line => 8, text => 'dry withdraw A up_to 20' },
    { verb => 'group', name => 'G', wallets => [qw(A A A none none)], values => {}, asker => 'A', expected => 'insufficient_funds', part => 'leg', number => 1,
        %everywhere, line => 9, text => 'G: group -> insufficient_funds leg 1', legs => [
            { verb => 'withdraw', wallets => ['A'], values => { wallet => 'A', mode => 'all', quantity => undef }, asker => 'A', expected => 'processed',
                %everywhere, line => 10, text => '- withdraw A all' },
            { verb => 'split', wallets => [qw(A A none none)], asker => 'A', expected => 'processed',
                values => { source => 'A', quantity => 5, shares => [ [qw(A 1)], [qw(none 250000ppm)], [qw(none rest)] ] },
                %everywhere, line => 11, text => '- split A 5 A 1 none 250000ppm none rest' } ] } ], 'what lines say');
is(microseconds('-90min'), -5_400_000_000, 'a length of time');

my %name_of = codes_by_sqlstate($header);
is($name_of{PW215}, 'insufficient_funds', 'codes have names');

# The scenarios that there are can be read, and each has something to do in each way.
for my $file (sort glob 'test/scenarios/*.scenario') {
    my @found = read_scenario($file, $header);
    for my $way (qw(rules direct queue)) {
        ok(scalar(grep { $_->{ways}{$way} } @found), "$file, $way");
    }
}
# What a program makes is what it would make now.
for my $file (sort glob 'test/scenarios/pairs_*.scenario') {
    my ($kind) = $file =~ /pairs_(\w+)\.scenario/;
    open my $handle, '<', $file or die "cannot read $file: $!";
    my $text = do { local $/; <$handle> };
    is($text, scalar(qx($^X test/scenarios/pairs.pl $kind)), "$file is made by pairs.pl");
}
done_testing();
