package Scenario;

# Scenario.pm: reads a scenario, a file of operations and their expected outcomes, one line each.
# test/README.md, "Scenarios", explains the lines.
use strict;
use warnings;

use File::Basename qw(dirname);
use Exporter qw(import);
our @EXPORT_OK = qw(read_scenario codes_by_sqlstate %missing %kinds %kind_of);

use lib dirname(__FILE__) . '/../../../docs';
use Kinds;

use constant WAYS => qw(rules direct queue);

# The names of no wallet, with ids that no wallet has.
our %missing = (none => 4611686018427387903, nowhere => 4611686018427387904);

# Each verb with its arguments: wallet is a name or one that no wallet has, new the name of a wallet to be made.
my %verbs = (
    wallet => [qw(new amount? currency?)],
    transfer => [qw(wallet wallet amount)],
    deposit => [qw(wallet amount)],
    withdraw => [qw(wallet amount)],
    status => [qw(wallet status)],
    balance => [qw(wallet balance?)],
);

# The kind of request that a verb is. Any other kind is a verb of its own name, whose arguments are the members of
# its payload; there is no direct call of it.
our %kinds = map { ($_->{name} => $_) } Kinds::read_kinds(dirname(__FILE__) . '/../../../extension/rules/kinds.h');
our %kind_of = (wallet => 'wallet', transfer => 'transaction', deposit => 'deposit',
    withdraw => 'withdrawal', balance => 'wallet_read');
my %called_directly = map { ($_ => 1) } keys %verbs;
my %argument_of = (ID => 'wallet', AMOUNT => 'amount', AMOUNT_OR_ZERO => 'amount?', CURRENCY => 'currency?');
for my $kind (values %kinds) {
    next if grep { $_ eq $kind->{name} } values %kind_of;
    $kind_of{ $kind->{name} } = $kind->{name};
    $verbs{ $kind->{name} } = [ map { $argument_of{ $_->{type} } // die "no argument for $_->{type}\n" }
        grep { $_->{name} ne 'user_id' } @{ $kind->{members} } ];
}
my %patterns = (
    new => qr/^(?!none$|nowhere$)[a-z]\w*$/i,
    wallet => qr/^[a-z]\w*$/i,
    amount => qr/^-?(?:0|[1-9]\d*)(?:\.\d+)?$/,
    balance => qr/^-?(?:0|[1-9]\d*)(?:\.\d+)?$/,
    currency => qr/^[a-z]{3}$/,
    status => qr/^\w+$/,
);

# The name of each code in codes.h by its SQLSTATE.
sub codes_by_sqlstate {
    my ($header) = @_;
    open my $handle, '<', $header or die "cannot read $header: $!\n";
    my %names = map { /^\s*X\(CODE_\w+, "(\w+)", "(\w{5})"/ ? ($2, $1) : () } <$handle>;
    die "$header has no codes\n" unless %names;
    return %names;
}

# The words of a line as an operation.
sub read_arguments {
    my ($operation, @words) = @_;
    for my $argument (@{ $verbs{ $operation->{verb} } }) {
        my ($type, $optional) = $argument =~ /^(\w+)(\??)$/;
        next if $optional && !@words;
        die "$operation->{verb} lacks its $type\n" unless @words;
        my $word = shift @words;
        die "$word is no $type\n" unless $word =~ $patterns{$type};
        if ($type eq 'new' || $type eq 'wallet') { push @{ $operation->{wallets} }, $word }
        else { $operation->{$type} = $word }
    }
    die "nobody knows what @words means here\n" if @words;
    return;
}

sub read_line {
    my ($text, $names, $codes) = @_;
    my %operation = (wallets => []);
    my ($mark, $rest, undef, $code) = $text =~ /^(?:\[([^\]]*)\] *)?(.*?)( *-> *(\S+))?$/;
    my @marked = defined $mark ? split ' ', $mark : (WAYS);
    for my $way (@marked) {
        die "there is no way $way: there are ${\join ', ', WAYS}\n" unless grep { $_ eq $way } WAYS;
    }
    die "the mark names no way\n" unless @marked;
    $operation{ways} = { map { $_ => 1 } @marked };

    my ($verb, @words) = split ' ', $rest;
    die "there is no operation ${\($verb // '')}: there are ${\join ', ', sort keys %verbs}\n"
        unless exists $verbs{ $verb // '' };
    $operation{verb} = $verb;
    if (@words >= 2 && $words[-2] eq 'by') {
        (undef, $operation{by}) = splice @words, -2;
        die "a status has no user\n" if $verb eq 'status';
        die "a direct call has no user: mark the line with [rules queue]\n" if $operation{ways}{direct};
    }
    die "there is no direct call of a $verb: mark the line with [rules queue]\n" if $operation{ways}{direct} && !$called_directly{$verb};
    read_arguments(\%operation, @words);
    for my $name (@{ $operation{wallets} }, $operation{by} // ()) {
        die "no line above makes a wallet $name\n"
            unless exists $missing{$name} || $names->{$name} || $verb eq 'wallet';
    }

    die "there is no code $code\n" if defined $code && !$codes->{$code};
    die "a balance that is refused has none\n" if defined $code && defined $operation{balance};
    die "a balance needs the amount that is expected, or a code\n"
        if $verb eq 'balance' && !defined $code && !defined $operation{balance};
    $operation{expected} = $operation{balance} // $code // 'processed';
    $names->{ $operation{wallets}[0] } = 1 if $verb eq 'wallet' && $operation{expected} eq 'processed';
    return \%operation;
}

# The operations of a file. Dies with the file and the line of what it does not understand.
sub read_scenario {
    my ($file, $header) = @_;
    my %by_sqlstate = codes_by_sqlstate($header);
    my %codes = map { $_ => 1 } 'processed', values %by_sqlstate;
    my (%names, @operations);
    open my $handle, '<', $file or die "cannot read $file: $!\n";
    while (my $line = <$handle>) {
        chomp(my $text = $line);
        $text =~ s/(?:^|\s+)#.*//;
        $text =~ s/^\s+|\s+$//g;
        next if $text eq '';
        my $operation = eval { read_line($text, \%names, \%codes) };
        die "$file:$.: $@" unless $operation;
        push @operations, { %$operation, line => $., text => $text =~ s/ +/ /gr };
    }
    die "$file has no operation\n" unless @operations;
    return @operations;
}

1;
