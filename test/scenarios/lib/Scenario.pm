package Scenario;

# Scenario.pm: reads a scenario, a file of operations and their expected outcomes, one line each.
# test/README.md, "Scenarios", explains the lines.
use strict;
use warnings;

use Exporter qw(import);
our @EXPORT_OK = qw(read_scenario codes_by_sqlstate microseconds %missing %verbs);

use constant WAYS => qw(rules direct queue);

# The names of no wallet and of no operation, with ids that none has.
our %missing = (none => 4611686018427387903, nowhere => 4611686018427387904);

# Each verb:
#   words    its arguments in their order, KEY:TYPE, with ? where one may be left out
#   options  words that may follow, in any order, each with the type of its value; flags have none
#   kind     of the request; a verb without a kind is no request
#   call     of the function for a direct call
#   leg      'too' or 'only': may it stand in a group
#   ways     in which alone a line may be run
my %end = (in => 'duration', until => 'moment');
our %verbs = (
    wallet => { words => [qw(new:new amount:amount? currency:currency?)], kind => 'wallet', call => 'wallet_create' },
    balance => { words => [qw(wallet:wallet balance:balance?)], kind => 'wallet_read' },
    transfer => { words => [qw(source:wallet destination:wallet quantity:quantity)], kind => 'transaction', call => 'wallet_transfer', leg => 'too' },
    fee => { words => [qw(source:wallet destination:wallet quantity:quantity)], kind => 'fee', leg => 'only' },
    split => { words => [qw(source:wallet quantity:quantity shares:shares)], kind => 'transaction', leg => 'only' },
    deposit => { words => [qw(wallet:wallet amount:amount)], kind => 'deposit', call => 'wallet_deposit', leg => 'too' },
    withdraw => { words => [qw(wallet:wallet quantity:quantity)], kind => 'withdrawal', call => 'wallet_withdraw', leg => 'too' },
    hold => { words => [qw(source:wallet destination:payee amount:amount)], options => { max => 'amount', %end },
        kind => 'hold', call => 'wallet_hold', leg => 'too' },
    capture => { words => [qw(hold:operation amount:amount?)], options => { keep => 'flag' }, kind => 'capture', call => 'wallet_capture', leg => 'too' },
    void => { words => [qw(hold:operation amount:amount?)], kind => 'void', call => 'wallet_void', leg => 'too' },
    extend => { words => [qw(hold:operation amount:amount?)], options => \%end, kind => 'hold_extend', call => 'wallet_hold_extend', leg => 'too' },
    reverse => { words => [qw(transfer:operation amount:amount?)], options => { shortfall => 'word' },
        kind => 'reversal', call => 'wallet_reverse', leg => 'too' },
    group => { words => [], kind => 'group', call => 'wallet_group', legs => 1 },
    reverse_group => { words => [qw(group:operation)], options => { keep_fees => 'flag' }, kind => 'group_reversal', call => 'wallet_reverse_group' },
    many => { words => [], options => { all_or_nothing => 'flag' }, legs => 1, ways => ['direct'] },
    ask => { words => [qw(kind:word payload:text)], ways => ['queue'] },
    call => { words => [qw(statement:text)], operator => 1, ways => [qw(direct queue)] },
    status => { words => [qw(wallet:wallet status:word)], operator => 1 },
    limits => { words => [qw(wallet:wallet)], options => { floor => 'balance', ceiling => 'ceiling' }, operator => 1 },
    close => { words => [qw(wallet:wallet)], options => { sweep => 'wallet' }, operator => 1 },
    clock => { words => [qw(moment:point)], operator => 1 },
    expire => { words => [], operator => 1 },
    expect => { words => [qw(thing:thing fields:fields)], operator => 1 },
    row => { words => [qw(thing:operation fields:fields)], operator => 1 },
    journal => { words => [qw(wallet:wallet rows:rows)], operator => 1 },
    holds => { words => [qw(wallet:wallet state:word names:names)], operator => 1, ways => [qw(direct queue)] },
);
# What may follow any request: who asks, and what is asked with it.
my %with_requests = (by => 'asker', key => 'word', valid => 'moment', most => 'amount', may_reverse => 'flag');

# What a wallet, a hold and a row of the journal have. A moment is an expectation of its own form.
my %fields = (
    wallet => [qw(balance held available floor ceiling status)],
    hold => [qw(state rest captured total max expires)],
    row => [qw(kind amount held link group size overdraw expires max source_balance destination_balance posted)],
);

my $name = qr/[a-z]\w*/i;
my $length = qr/\d+(?:us|ms|s|min|h|d)/;
my %patterns = (
    new => qr/^(?!(?:none|nowhere|outside|operator)$)$name$/,
    wallet => qr/^$name$/,
    operation => qr/^@?$name(?:\.\d+)?$/,
    asker => qr/^$name$/,
    word => qr/^\S+$/,
    amount => qr/^-?(?:0|[1-9]\d*)(?:\.\d+)?$/,
    balance => qr/^-?(?:0|[1-9]\d*)(?:\.\d+)?$/,
    ceiling => qr/^(?:infinity|-?(?:0|[1-9]\d*)(?:\.\d+)?)$/,
    currency => qr/^[a-z]{3}$/,
    duration => qr/^-?$length$/,
    moment => qr/^(?:infinity|[+-]$length)$/,
    point => qr/^(?:[+-]$length|$name(?:[+-]$length)?)$/,
);
$patterns{payee} = $patterns{wallet};

# A length of time as microseconds; the sign is optional.
sub microseconds {
    my ($text) = @_;
    my %unit = (us => 1, ms => 1000, s => 1_000_000, min => 60_000_000, h => 3_600_000_000, d => 86_400_000_000);
    my ($sign, $number, $unit) = $text =~ /^([+-]?)(\d+)([a-z]+)$/ or die "$text is no length of time\n";
    return ($sign eq '-' ? -1 : 1) * $number * $unit{$unit};
}

# The name of each code in codes.h by its SQLSTATE.
sub codes_by_sqlstate {
    my ($header) = @_;
    open my $handle, '<', $header or die "cannot read $header: $!\n";
    my %names = map { /^\s*X\(CODE_\w+, "(\w+)", "(\w{5})"/ ? ($2, $1) : () } <$handle>;
    die "$header has no codes\n" unless %names;
    return %names;
}

# ---- The words of a line ----

# What a line says, while it is read: the verb, its values by their keys, and the wallets that it names.
sub next_word {
    my ($operation, $words, $type) = @_;
    die "$operation->{verb} lacks its $type\n" unless @$words;
    my $word = shift @$words;
    die "$word is no $type\n" if $patterns{$type} && $word !~ $patterns{$type};
    return $word;
}

# Readers of what is more than one word.
my %readers = (
    quantity => sub {
        my ($operation, $words) = @_;
        if (@$words && $words->[0] =~ /^(?:all|up_to)$/) {
            $operation->{values}{mode} = shift @$words;
            return undef if $operation->{values}{mode} eq 'all';
        }
        return next_word($operation, $words, 'amount');
    },
    shares => sub {
        my ($operation, $words) = @_;
        my @shares;
        while (@$words) {
            my $wallet = next_word($operation, $words, 'wallet');
            my $share = next_word($operation, $words, 'share');
            die "$share is no share: there are 5, 250000ppm and rest\n" unless $share =~ /^(?:rest|-?\d+ppm|-?\d+(?:\.\d+)?)$/;
            push @{ $operation->{wallets} }, $wallet;
            push @shares, [ $wallet, $share ];
        }
        die "split lacks its shares\n" unless @shares;
        return \@shares;
    },
    text => sub {
        my (undef, $words) = @_;
        return join ' ', splice @$words;
    },
    fields => sub {
        my ($operation, $words) = @_;
        my $known = $fields{ $operation->{of} };
        my @pairs;
        while (@$words) {
            my $field = next_word($operation, $words, 'field');
            die "there is no $field: there are @$known\n" unless grep { $_ eq $field } @$known;
            push @pairs, [ $field, next_word($operation, $words, 'value') ];
        }
        die "$operation->{verb} lacks its fields\n" unless @pairs;
        return \@pairs;
    },
    rows => sub {
        my ($operation, $words) = @_;
        my @rows;
        while (@$words) {
            push @rows, [ next_word($operation, $words, 'word'), next_word($operation, $words, 'amount') ];
        }
        die "journal lacks its rows\n" unless @rows;
        return \@rows;
    },
    names => sub {
        my (undef, $words) = @_;
        return [ splice @$words ];
    },
);

sub read_value {
    my ($operation, $words, $type) = @_;
    return 1 if $type eq 'flag';
    return $readers{$type}->($operation, $words) if $readers{$type};
    my $value = next_word($operation, $words, $type);
    push @{ $operation->{wallets} }, $value if $type =~ /^(?:new|wallet)$/ || $type eq 'payee' && $value ne 'outside';
    return $value;
}

# A wallet or an operation that a line above has made.
sub check_name {
    my ($names, $word, $what) = @_;
    my $known = $missing{$word} || $names->{$word} && ($what eq 'wallet') == exists $names->{$word}{wallet};
    die "no line above makes a wallet $word\n" if !$known && $what eq 'wallet';
    die "no line above has the name $word\n" unless $known;
    return;
}

sub read_arguments {
    my ($operation, $names, @words) = @_;
    my $verb = $verbs{ $operation->{verb} };
    my %options = (%{ $verb->{options} // {} }, $verb->{kind} ? %with_requests : ());
    for my $argument (@{ $verb->{words} }) {
        my ($key, $type, $optional) = $argument =~ /^(\w+):(\w+)(\??)$/;
        next if $optional && (!@words || exists $options{ $words[0] });
        if ($type eq 'thing') {
            my $word = next_word($operation, \@words, 'operation');
            my $known = $names->{ $word =~ s/\.\d+$//r } or die "no line above has the name $word\n";
            $operation->{of} = exists $known->{wallet} ? 'wallet' : 'hold';
            $operation->{values}{$key} = $word;
            next;
        }
        $operation->{of} = 'row' if $operation->{verb} eq 'row';
        my @shares_only = $type eq 'shares' ? options_cut(\%options, \@words) : ();
        $operation->{values}{$key} = read_value($operation, \@words, $type);
        push @words, @shares_only;
    }
    while (@words && exists $options{ $words[0] }) {
        my $option = shift @words;
        die "$operation->{verb} has $option twice\n" if exists $operation->{values}{$option};
        $operation->{values}{$option} = read_value($operation, \@words, $options{$option});
    }
    die "nobody knows what @words means here\n" if @words;
    return;
}

# Cuts the options off a list of shares, which ends where they begin.
sub options_cut {
    my ($options, $words) = @_;
    my ($first) = grep { exists $options->{ $words->[$_] } } 0 .. $#$words;
    return defined $first ? splice @$words, $first : ();
}

sub check_names {
    my ($operation, $names) = @_;
    my $values = $operation->{values};
    if ($operation->{verb} ne 'wallet') {
        check_name($names, $_, 'wallet') for @{ $operation->{wallets} };
    }
    check_name($names, $values->{by}, 'wallet') if defined $values->{by} && $values->{by} ne 'operator';
    for my $argument (@{ $verbs{ $operation->{verb} }{words} }) {
        my ($key, $type) = $argument =~ /^(\w+):(\w+)/;
        next unless defined $values->{$key};
        check_name($names, $values->{$key} =~ s/^@|\.\d+$//gr, 'operation') if $type eq 'operation';
        check_name($names, $values->{$key} =~ s/[+-].*//r, 'operation') if $type eq 'point' && $values->{$key} =~ /^\w/;
    }
    return;
}

# ---- Who asks ----

# Between which wallets an operation moves or holds money; undef where nobody can say.
sub sides {
    my ($operation, $names) = @_;
    my ($verb, $values) = @{$operation}{qw(verb values)};
    return ($values->{source}, $values->{destination}) if $verb =~ /^(?:transfer|hold|fee)$/;
    return ($values->{wallet}, 'outside') if $verb eq 'withdraw';
    return ('outside', $values->{wallet}) if $verb eq 'deposit';
    my $of = $names->{ ($values->{hold} // $values->{transfer} // '') =~ s/^@//r } or return;
    return @{$of}{qw(destination source)} if $verb eq 'reverse';
    return @{$of}{qw(source destination)};
}

# The name of the wallet whose user asks where the line does not say so, or operator.
sub asker {
    my ($operation, $names) = @_;
    my ($verb, $values) = @{$operation}{qw(verb values)};
    return $values->{by} if defined $values->{by};
    if ($verb eq 'group') {
        my %askers = map { $_->{asker} => 1 } @{ $operation->{legs} // [] };
        return keys %askers == 1 ? (keys %askers)[0] : 'operator';
    }
    return 'operator' if $verb eq 'reverse_group';
    return 'operator' if ($values->{shortfall} // '') eq 'overdraw';
    my ($source, $destination) = sides($operation, $names);
    if ($verb =~ /^(?:capture|void|extend|reverse)$/) {
        my $asker = $verb eq 'extend' ? $source : $verb eq 'reverse' ? $source : $destination;
        return !defined $asker || $asker eq 'outside' || $verb eq 'reverse' && ($destination // '') eq 'outside' ? 'operator' : $asker;
    }
    my ($first) = grep { !exists $missing{$_} } @{ $operation->{wallets} };
    return $first // 'none';
}

# ---- Lines ----

# What stands behind the arrow.
sub read_expectation {
    my ($operation, $text, $codes) = @_;
    $operation->{expected} = $operation->{values}{balance} // 'processed';
    return unless defined $text;
    my ($word, @more) = split ' ', $text;
    if ($word =~ $patterns{amount} && !@more) { $operation->{moved} = $word }
    elsif ($word eq 'again' && @more == 1) { $operation->{again} = $more[0] }
    else {
        die "there is no code $word\n" unless $codes->{$word};
        $operation->{expected} = $word;
        @{$operation}{qw(part number)} = @more if @more == 2 && $more[0] =~ /^(?:leg|row)$/ && $more[1] =~ /^\d+$/;
        die "nobody knows what @more means here\n" if @more && !defined $operation->{part};
        die "a balance that is refused has none\n" if defined $operation->{values}{balance};
    }
    return;
}

# What a direct call cannot say, and what the rules alone cannot know.
sub check_ways {
    my ($operation) = @_;
    my ($verb, $values, $ways) = @{$operation}{qw(verb values ways)};
    my @all = @{ $verbs{$verb}{ways} // [WAYS] };
    for my $way (sort keys %$ways) {
        die "there is no $verb in the way $way: mark the line with [@all]\n" unless grep { $_ eq $way } @all;
    }
    if ($ways->{direct}) {
        die "a direct call has no user: mark the line with [rules queue]\n" if defined $values->{by} && $values->{by} ne 'operator';
        for my $option (qw(valid most may_reverse)) {
            die "a direct call has no $option: mark the line with [rules queue]\n" if exists $values->{$option};
        }
    }
    die "the rules know no key: mark the line with [direct queue]\n" if $ways->{rules} && exists $values->{key};
    die "only the queue knows what is queued: mark the line with [queue]\n" if $operation->{while_queued} && keys %$ways != !!$ways->{queue};
    return;
}

sub read_ways {
    my ($mark, $verb) = @_;
    my @marked = defined $mark ? split ' ', $mark : @{ $verbs{$verb}{ways} // [WAYS] };
    for my $way (@marked) {
        die "there is no way $way: there are ${\join ', ', WAYS}\n" unless grep { $_ eq $way } WAYS;
    }
    die "the mark names no way\n" unless @marked;
    return { map { $_ => 1 } @marked };
}

sub read_line {
    my ($text, $names, $codes, $parent) = @_;
    my %operation = (wallets => [], values => {});
    my ($mark, $rest, undef, $arrow) = $text =~ /^(?:\[([^\]]*)\] *)?(.*?)( *-> *(\S.*))?$/;
    $operation{name} = $1 if $rest =~ s/^($name): *//;
    $operation{is_dry} = 1 if $rest =~ s/^dry +//;
    $operation{while_queued} = 1 if $rest =~ s/ +while queued$//;

    my ($verb, @words) = split ' ', $rest;
    $verb = 'transfer' if $parent && $parent->{verb} eq 'many' && defined $verb && unshift @words, $verb;
    die "there is no operation ${\($verb // '')}: there are ${\join ', ', sort keys %verbs}\n"
        unless exists $verbs{ $verb // '' };
    $operation{verb} = $verb;
    my $leg = $verbs{$verb}{leg} // 'never';
    die "a $verb is no leg\n" if $parent && $leg eq 'never';
    die "a $verb is a leg alone: begin the line with -\n" if !$parent && $leg eq 'only';
    $operation{ways} = $parent ? $parent->{ways} : read_ways($mark, $verb);
    read_arguments(\%operation, $names, @words);
    die "a leg has no user, key or deadline of its own\n" if $parent && grep { exists $with_requests{$_} } keys %{ $operation{values} };
    check_names(\%operation, $names);
    read_expectation(\%operation, $arrow, $codes);
    check_ways(\%operation);
    die "a balance needs the amount that is expected, or a code\n"
        if $verb eq 'balance' && $operation{expected} eq 'processed';
    $operation{asker} = asker(\%operation, $names) if $verbs{$verb}{kind};
    return \%operation;
}

# What later lines may name.
sub enter_names {
    my ($operation, $names) = @_;
    my $made = $operation->{wallets}[0];
    $names->{$made} = { wallet => $made } if $operation->{verb} eq 'wallet' && $operation->{expected} eq 'processed';
    return unless defined $operation->{name};
    die "$operation->{name} has been made by a line above\n" if exists $names->{ $operation->{name} };
    my ($source, $destination) = sides($operation, $names);
    $names->{ $operation->{name} } = { source => $source, destination => $destination };
    return;
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
        my $is_leg = $text =~ s/^- *//;
        my $parent = $is_leg ? $operations[-1] : undef;
        my $operation = eval {
            die "a leg stands below a group\n" if $is_leg && !($parent && $verbs{ $parent->{verb} }{legs});
            read_line($text, \%names, \%codes, $parent);
        };
        die "$file:$.: $@" unless $operation;
        %$operation = (%$operation, line => $., text => ($is_leg ? '- ' : '') . $text =~ s/ +/ /gr);
        if ($is_leg) {
            push @{ $parent->{legs} }, $operation;
            push @{ $parent->{wallets} }, @{ $operation->{wallets} };
            $parent->{asker} = asker($parent, \%names) if $parent->{verb} eq 'group';
            next;
        }
        eval { enter_names($operation, \%names); 1 } or die "$file:$.: $@";
        push @operations, $operation;
    }
    die "$file has no operation\n" unless @operations;
    return @operations;
}

1;
