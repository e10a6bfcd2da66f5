#!/usr/bin/perl
# scenarios.t: what a scenario cannot say is refused with the file and the line, and what it says is read.
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Temp;
use Test::More;

chdir dirname(__FILE__) . '/../..' or die "cannot change the folder: $!";
use lib dirname(__FILE__) . '/../scenarios/lib';
use Scenario qw(codes_by_sqlstate read_scenario);

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
    [ 'wallet none', qr/^1: none is no new/ ],
    [ 'wallet A 1 dollars', qr/^1: dollars is no currency/ ],
    [ "wallet A\nbalance A", qr/^2: a balance needs the amount/ ],
    [ "wallet A\nbalance A 1 -> wallet_not_found", qr/^2: a balance that is refused has none/ ],
    [ "wallet A\ndeposit A 1 by A", qr/^2: a direct call has no user/ ],
    [ "wallet A\n[rules queue] deposit A 1 by C", qr/^2: no line above makes a wallet C/ ],
    [ "wallet A\n[rules] status A closed by A", qr/^2: a status has no user/ ],
    [ '[worker] wallet A', qr/^1: there is no way worker/ ],
    [ '[] wallet A', qr/^1: the mark names no way/ ],
    [ "# nothing\n\n", qr/has no operation/ ])
{
    my ($text, $complaint) = @$case;
    like((told_of($text))[0], $complaint, $text =~ s/\n/; /gr);
}

my ($complaint, @operations) = told_of(<<'END');
wallet A 15.50 eur   # not usd
[rules queue]  transfer A none 15 by A  ->  destination_wallet_not_found
balance A 15.5
END
is($complaint, '', 'nothing to complain of');
is_deeply(\@operations, [
    { verb => 'wallet', wallets => ['A'], amount => '15.50', currency => 'eur', expected => 'processed',
        ways => { rules => 1, direct => 1, queue => 1 }, line => 1, text => 'wallet A 15.50 eur' },
    { verb => 'transfer', wallets => [ 'A', 'none' ], amount => 15, by => 'A', expected => 'destination_wallet_not_found',
        ways => { rules => 1, queue => 1 }, line => 2, text => '[rules queue] transfer A none 15 by A -> destination_wallet_not_found' },
    { verb => 'balance', wallets => ['A'], balance => '15.5', expected => '15.5',
        ways => { rules => 1, direct => 1, queue => 1 }, line => 3, text => 'balance A 15.5' } ], 'what lines say');

my %name_of = codes_by_sqlstate($header);
is($name_of{PW215}, 'insufficient_funds', 'codes have names');

# The scenarios that there are can be read, and each has something to do in each way.
for my $file (sort glob 'test/scenarios/*.scenario') {
    my @found = read_scenario($file, $header);
    for my $way (qw(rules direct queue)) {
        ok(scalar(grep { $_->{ways}{$way} } @found), "$file, $way");
    }
}
done_testing();
