package Database;

# Database.pm: carries out the operations of a scenario in a database, by direct calls or through the queue.
#
# One session of psql carries out a file. What it prints is one line an answer: the number of the operation, a bar,
# and the answer. The answer to an operation is `processed AMOUNT POSTED_AT ID`, with what its first row says, or a
# code with the leg or row that was refused; a moment is a number of microseconds since 1970.
use strict;
use warnings;

use Exporter qw(import);
our @EXPORT_OK = qw(by_direct by_queue faults numbers user_of);

use Payload qw(payload_sql arguments_sql numbered);
use Program qw(output_of);
use Scenario qw(microseconds %missing %verbs);

use constant NO_USER => 999999999;

my $prelude = <<'SQL';
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE TEMPORARY TABLE made (name text PRIMARY KEY, id bigint, handshake text);
CREATE TEMPORARY TABLE asked (n integer, name text, kind text, user_id bigint, handshake text);
CREATE TEMPORARY TABLE clock (now timestamptz);

-- What operations have made, by the names of the scenario.
CREATE FUNCTION pg_temp.keep(name text, ordinal integer, id bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO made (name, id) SELECT n, $3 FROM unnest(CASE $2 WHEN 0 THEN ARRAY[$1, $1 || '.0'] ELSE ARRAY[$1 || '.' || $2] END) AS n
        WHERE $1 <> '' ON CONFLICT ON CONSTRAINT made_pkey DO UPDATE SET id = excluded.id
$$;
CREATE FUNCTION pg_temp.id(name text) RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce((SELECT m.id FROM made AS m WHERE m.name = $1), CASE $1 WHEN 'nowhere' THEN 4611686018427387904 ELSE 4611686018427387903 END)
$$;
CREATE FUNCTION pg_temp.name(id bigint) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT m.name FROM made AS m WHERE m.id = $1 ORDER BY m.name LIMIT 1), $1::text, 'none')
$$;
CREATE FUNCTION pg_temp.handshake(name text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT m.handshake FROM made AS m WHERE m.name = $1), repeat('0', 64))
$$;

-- Moments.
CREATE FUNCTION pg_temp.moment(from_now text) RETURNS timestamptz LANGUAGE sql AS $$
    SELECT CASE $1 WHEN 'infinity' THEN timestamptz 'infinity' ELSE (SELECT c.now FROM clock AS c) + nullif($1, 'infinity')::interval END
$$;
CREATE FUNCTION pg_temp.shown(moment timestamptz) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN isfinite($1) THEN to_char($1 AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') ELSE 'infinity' END
$$;
CREATE FUNCTION pg_temp.us(moment timestamptz) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN $1 IS NULL THEN 'none' WHEN isfinite($1) THEN (extract(epoch FROM $1) * 1000000)::bigint::text ELSE 'infinity' END
$$;
-- The clock runs on from this moment; or all that the scenario's wallets do happens in this moment: their
-- updated_at says so, since the clock stands behind them.
CREATE FUNCTION pg_temp.set_clock(moment timestamptz, stands boolean, base bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE clock SET now = moment;
    IF stands THEN
        UPDATE wallet.wallet SET updated_at = moment WHERE user_id > base;
    END IF;
    PERFORM set_config('pg_wallet.clock_offset', extract(epoch FROM moment - clock_timestamp() - CASE WHEN stands THEN interval '1 hour' ELSE interval '0' END) || ' s', false);
    RETURN pg_temp.us(moment);
END
$$;

-- What the worker does once a second: the holds expire that are due in this moment.
CREATE FUNCTION pg_temp.expire() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('pg_wallet.clock_offset', extract(epoch FROM (SELECT c.now FROM clock AS c) - clock_timestamp()) || ' s', false);
    PERFORM wallet_process();
    RETURN 'processed';
END
$$;

-- What a statement answers, or what a call's rows say.
CREATE FUNCTION pg_temp.answer(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE statement INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS answer = PG_EXCEPTION_DETAIL;
    RETURN format('%s %s (%s)', SQLSTATE, SQLERRM, answer);
END
$$;
CREATE FUNCTION pg_temp.carry(name text, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line record;
    answer text;
    rows integer := 0;
BEGIN
    FOR line IN EXECUTE format('SELECT t.transfer_id, t.amount, t.posted_at FROM %s AS t', call) LOOP
        answer := coalesce(answer, concat_ws(' ', 'processed', line.amount, pg_temp.us(line.posted_at), line.transfer_id));
        PERFORM pg_temp.keep(name, rows, line.transfer_id);
        rows := rows + 1;
    END LOOP;
    RETURN coalesce(answer, 'processed');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS answer = PG_EXCEPTION_DETAIL;
    RETURN format('%s %s (%s)', SQLSTATE, SQLERRM, answer);
END
$$;

-- The journal in amounts.
CREATE TEMPORARY VIEW journal AS
    SELECT t.*, wallet.kind_name(t.kind) AS kind_name, c.minor_digits
        FROM wallet.transfer AS t JOIN wallet.currency AS c
            ON c.code = coalesce((SELECT w.currency FROM wallet.wallet AS w WHERE w.wallet_id = t.source_wallet_id),
                (SELECT w.currency FROM wallet.wallet AS w WHERE w.wallet_id = t.destination_wallet_id));
CREATE FUNCTION pg_temp.newest(wallet_id bigint, rows integer) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(n.kind_name || ' ' || wallet.amount(n.amount, n.minor_digits), ' ' ORDER BY n.transfer_id) FROM (
        SELECT j.* FROM journal AS j
            WHERE j.source_wallet_id = $1 OR j.destination_wallet_id = $1 AND j.kind_name NOT IN ('hold', 'void', 'hold_extend', 'expiry')
            ORDER BY j.transfer_id DESC LIMIT $2) AS n
$$;

-- How a request ended.
CREATE FUNCTION pg_temp.outcome(name text, kind text, user_id bigint, handshake text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found record;
    line record;
    answer text;
    rows integer := 0;
BEGIN
    IF handshake !~ '^[0-9a-f]{64}$' THEN
        RETURN handshake;
    END IF;
    found := wallet_lookup(kind, user_id, handshake);
    IF found.state <> 'processed' THEN
        RETURN concat_ws(' ', coalesce(found.code, found.state), 'leg ' || (to_jsonb(found) ->> 'leg'));
    END IF;
    IF kind = 'wallet_read' THEN
        RETURN found.amount;
    END IF;
    FOR line IN SELECT j.* FROM journal AS j
        WHERE j.transfer_id = found.transfer_id OR j.group_id = found.transfer_id ORDER BY j.transfer_id LOOP
        answer := coalesce(answer, concat_ws(' ', 'processed', wallet.amount(line.amount, line.minor_digits), pg_temp.us(line.posted_at), line.transfer_id));
        PERFORM pg_temp.keep(name, rows, line.transfer_id);
        rows := rows + 1;
    END LOOP;
    RETURN coalesce(answer, 'processed');
EXCEPTION WHEN OTHERS THEN
    RETURN format('%s %s', SQLSTATE, SQLERRM);
END
$$;
SQL

sub sql {
    my (@lines) = @_;
    return output_of(\@lines, $ENV{PSQL} // 'psql', '-XqAt', '-F', '|', '-v', 'ON_ERROR_STOP=1');
}

sub quoted {
    my ($text) = @_;
    return q(') . $text =~ s/'/''/gr . q(');
}

# Users have numbers in the order of their names' first appearance, above a number that nobody has.
sub numbers {
    my ($base, @operations) = @_;
    my %number_of = map { $_ => undef } keys %missing;
    for my $name (map { @{ $_->{wallets} } } @operations) {
        $number_of{$name} = ++$base unless exists $number_of{$name};
    }
    return \%number_of;
}

# The number of the user who asks; undef where an operator does.
sub user_of {
    my ($operation, $number_of) = @_;
    my $asker = $operation->{asker} // 'none';
    return $asker eq 'operator' ? undef : $number_of->{$asker} // NO_USER;
}

# The number of the last user who has a wallet.
sub last_user { return (sql("SELECT coalesce(max(user_id), 0) FROM wallet.wallet;\n"))[0] }

sub faults { return sql("SELECT name, detail FROM wallet_verify() WHERE NOT ok;\n") }

# ---- What both ways do alike ----

my %wallet_fields = (
    balance => 'w.amount', held => 'w.held', available => 'w.available', floor => 'w.floor',
    ceiling => 'w.ceiling', status => 'w.status',
);
my %hold_fields = (
    state => 'h.state', rest => 'h.rest', captured => 'h.captured', total => 'h.amount', max => 'h.max_capture',
    expires => 'pg_temp.us(h.expires_at)',
);
my %row_fields = (
    kind => 'j.kind_name', overdraw => q(CASE WHEN j.overdraw THEN 'yes' ELSE 'no' END), size => 'j.group_size',
    expires => 'pg_temp.us(j.expires_at)', posted => 'pg_temp.us(j.posted_at)', link => 'pg_temp.name(j.link_id)', group => 'pg_temp.name(j.group_id)',
    held => 'wallet.amount(coalesce(j.held, 0), j.minor_digits)', max => 'wallet.amount(j.max_capture, j.minor_digits)',
    map { ($_ => "wallet.amount(j.$_, j.minor_digits)") } qw(amount source_balance destination_balance),
);

sub fields_statement {
    my ($operation, $known, $from) = @_;
    my @expressions = map { "coalesce(($known->{ $_->[0] })::text, 'none')" } @{ $operation->{values}{fields} };
    return "SELECT concat_ws(' ', " . join(', ', @expressions) . ") FROM $from";
}

# A name in a text that the scenario writes itself: $A is an id, $A.user the user, $@H the handshake.
sub spelt_out {
    my ($text, $number_of) = @_;
    $text =~ s/\$\@(\w+)/"pg_temp.handshake(" . quoted($1) . ')'/ge;
    $text =~ s/\$(\w+)\.user/$number_of->{$1} \/\/ NO_USER/ge;
    $text =~ s/\$(\w+(?:\.\d+)?)/exists $number_of->{$1} ? numbered($1, $number_of) : "pg_temp.id(" . quoted($1) . ')'/ge;
    return $text;
}

sub point_statement {
    my ($point, $base) = @_;
    my ($name, $shift) = $point =~ /^(\w*)([+-]\w+)?$/;
    my $interval = quoted(microseconds($shift // '0us') . ' us');
    my $stands = defined $shift && $shift =~ /us$/ ? 'true' : 'false';
    return "SELECT pg_temp.set_clock(pg_temp.moment($interval), $stands, $base)" if $name eq '';
    return "SELECT pg_temp.set_clock((SELECT h.expires_at FROM wallet.hold AS h WHERE h.hold_id = pg_temp.id(" . quoted($name) . ")) + $interval\::interval, true, $base)";
}

# What an operator does, or a look at what there is: the same calls in both ways.
sub operator_statement {
    my ($operation, $number_of, $base) = @_;
    my ($verb, $values) = @{$operation}{qw(verb values)};
    my @wallets = map { numbered($_, $number_of) } @{ $operation->{wallets} };
    return "SELECT 'processed' FROM wallet_set_status($wallets[0], " . quoted($values->{status}) . ')' if $verb eq 'status';
    return "SELECT 'processed' FROM wallet_close(" . join(', ', @wallets) . ')' if $verb eq 'close';
    return "SELECT 'processed' FROM " . spelt_out($values->{statement}, $number_of) if $verb eq 'call';
    return point_statement($values->{moment}, $base) if $verb eq 'clock';
    return 'SELECT pg_temp.expire()' if $verb eq 'expire';
    return "SELECT pg_temp.newest($wallets[0], " . @{ $values->{rows} } . ')' if $verb eq 'journal';
    return fields_statement($operation, \%row_fields, 'journal AS j WHERE j.transfer_id = pg_temp.id(' . quoted($values->{thing}) . ')') if $verb eq 'row';
    if ($verb eq 'limits') {
        my @limits = map { defined $values->{$_} ? "$_ => " . quoted($values->{$_}) : () } qw(floor ceiling);
        return "SELECT 'processed' FROM wallet_set_limits(" . join(', ', @wallets, @limits) . ')';
    }
    if ($verb eq 'holds') {
        my $state = $values->{state} eq 'all' ? 'NULL' : quoted($values->{state});
        return "SELECT coalesce(string_agg(pg_temp.name(h.hold_id), ' ' ORDER BY h.hold_id), 'none') FROM wallet_holds($wallets[0], $state) AS h";
    }
    return $operation->{of} eq 'wallet'
        ? fields_statement($operation, \%wallet_fields, 'wallet_get(' . numbered($values->{thing}, $number_of) . ') AS w')
        : fields_statement($operation, \%hold_fields, 'wallet_hold_get(pg_temp.id(' . quoted($values->{thing}) . ')) AS h');
}

sub dry_statement {
    my ($operation, $number_of) = @_;
    my ($kind, $user) = ($verbs{ $operation->{verb} }{kind}, user_of($operation, $number_of));
    return "SELECT CASE d ->> 'would' WHEN 'processed' THEN 'processed' ELSE concat_ws(' ', d ->> 'code', 'leg ' || (d ->> 'leg')) END FROM wallet_dry_run('$kind', "
        . payload_sql($operation, $number_of, $user) . '::json) AS d';
}

sub line_of {
    my ($n, $expression) = @_;
    return "SELECT '$n|' || $expression;\n";
}

sub answer_line {
    my ($n, $statement) = @_;
    return line_of($n, 'pg_temp.answer(' . quoted($statement) . ')');
}

# The answers by the numbers of the operations.
sub answers {
    my ($now, @lines) = @_;
    my $start = "INSERT INTO clock SELECT to_timestamp($now / 1000000);\n";
    my @answers;
    for my $row (sql($prelude, $start, @lines)) {
        my ($n, $answer) = split /\|/, $row, 2;
        $answers[$n] = $answer if defined $answer;
    }
    return @answers;
}

# ---- Direct calls ----

sub direct_line {
    my ($n, $operation, $number_of, $base) = @_;
    my ($verb, $values) = @{$operation}{qw(verb values)};
    return answer_line($n, operator_statement($operation, $number_of, $base)) if $verbs{$verb}{operator};
    return answer_line($n, dry_statement($operation, $number_of)) if $operation->{is_dry};
    return answer_line($n, 'SELECT amount FROM wallet_get(' . numbered($values->{wallet}, $number_of) . ')') if $verb eq 'balance';
    if ($verb eq 'wallet') {
        my @arguments = ($number_of->{ $operation->{wallets}[0] }, $values->{amount} // 0, quoted($values->{currency} // 'usd'));
        return answer_line($n, "SELECT 'processed' FROM wallet_create(" . join(', ', @arguments) . ')');
    }
    if ($verb eq 'many') {
        my @legs = map { $_->{values} } @{ $operation->{legs} };
        my $ids = sub { 'ARRAY[' . join(', ', map { numbered($_, $number_of) } @_) . ']::bigint[]' };
        my @arguments = ($ids->(map { $_->{source} } @legs), $ids->(map { $_->{destination} } @legs),
            'ARRAY[' . join(', ', map { $_->{quantity} } @legs) . ']::numeric[]');
        return answer_line($n, "SELECT string_agg(code, ' ' ORDER BY ordinal) FROM wallet_transfer_many("
            . join(', ', @arguments, $values->{all_or_nothing} ? 'all_or_nothing => true' : ()) . ')');
    }
    my $call = "$verbs{$verb}{call}(" . arguments_sql($operation, $number_of) . ')';
    return line_of($n, 'pg_temp.carry(' . quoted($operation->{name} // '') . ', ' . quoted_call($call) . ')');
}

# The ids in a call are looked up when the call is made, with it.
sub quoted_call { return quoted($_[0]) }

sub by_direct {
    my ($now, @operations) = @_;
    my $base = last_user();
    my $number_of = numbers($base, @operations);
    return answers($now, map { direct_line($_, $operations[$_], $number_of, $base) } 0 .. $#operations);
}

# ---- The queue ----

my $process = <<'SQL';
SELECT wallet_process() AS processed \gset
SELECT n || '|' || pg_temp.outcome(name, kind, user_id, handshake) FROM asked ORDER BY n;
TRUNCATE asked;
SQL

# Must what was queued before be carried out first? Then the operation needs an id that the batch makes.
sub needs_ids {
    my ($operation, $pending) = @_;
    return grep { $pending->{$_} } @{ $operation->{wallets} }, referred($operation);
}

# The operations that an operation names by their ids.
sub referred {
    my ($operation) = @_;
    my $values = $operation->{values};
    my @names = grep { defined && !/^@/ } @{$values}{qw(hold transfer group)};
    push @names, ($values->{payload} // '') =~ /\$(\w+)/g;
    return map { s/\.\d+$//r } @names, map { referred($_) } @{ $operation->{legs} // [] };
}

sub enqueue_line {
    my ($n, $operation, $number_of) = @_;
    my ($verb, $values) = @{$operation}{qw(verb values)};
    my $kind = $verbs{$verb}{kind} // $values->{kind};
    my $user = user_of($operation, $number_of);
    my $payload = $verb eq 'ask' ? undef : payload_sql($operation, $number_of, $user);
    if ($verb eq 'ask') {
        ($user) = map { $number_of->{$_} // NO_USER } $values->{payload} =~ /\$(\w+)\.user/;
        my @pieces = split /(\$\@?\w+(?:\.\w+)?)/, $values->{payload};
        $payload = 'concat(' . join(', ', map { /^\$/ ? spelt_out($_, $number_of) : quoted($_) } @pieces) . ')';
    }
    my @arguments = (quoted($kind), "$payload\::json", defined $values->{key} ? quoted($values->{key}) : 'NULL');
    my $statement = 'SELECT wallet_enqueue(' . join(', ', @arguments) . ')';
    # Who may call wallet_enqueue() as we do may reverse anybody's transfers: here the line says so.
    if ($verb =~ /^(?:reverse|group)/ || exists $values->{may_reverse} || defined $values->{most}) {
        my $rights = 2 * ($values->{may_reverse} // 0) + !defined $user;
        $statement = "SELECT coalesce(handshake_id, code) FROM wallet_enqueue_utf8(ARRAY[${\quoted($kind)}], ARRAY[convert_to($payload, 'UTF8')], "
            . (defined $values->{key} ? "ARRAY[convert_to(${\quoted($values->{key})}, 'UTF8')]" : 'NULL')
            . ", ARRAY[$rights], ARRAY[${\(defined $values->{most} ? quoted($values->{most}) : 'NULL')}]::text[])";
    }
    my $name = quoted($operation->{name} // '');
    return "INSERT INTO asked SELECT $n, $name, '$kind', ${\($user // 0)}, pg_temp.answer(" . quoted($statement) . ");\n"
        . ($name eq q('') ? '' : "INSERT INTO made (name, handshake) SELECT name, handshake FROM asked WHERE n = $n AND handshake ~ '^[0-9a-f]{64}\$';\n");
}

# Requests are queued one after the other and carried out as one batch, up to the next one that needs an id which the
# batch makes. The queue has no request for what an operator does, or for a look: that comes between two batches.
sub by_queue {
    my ($now, @operations) = @_;
    my $base = last_user();
    my $number_of = numbers($base, @operations);
    my (@lines, %pending, $is_pending);
    for my $n (0 .. $#operations) {
        my $operation = $operations[$n];
        my $is_operators = $verbs{ $operation->{verb} }{operator} || $operation->{is_dry};
        if ($is_pending && !$operation->{while_queued} && ($is_operators || needs_ids($operation, \%pending)) && $operation->{verb} ne 'wallet') {
            push @lines, $process;
            %pending = ();
            $is_pending = 0;
        }
        if ($is_operators) {
            push @lines, answer_line($n, $operation->{is_dry} ? dry_statement($operation, $number_of) : operator_statement($operation, $number_of, $base));
            next;
        }
        $pending{ $operation->{wallets}[0] } = 1 if $operation->{verb} eq 'wallet';
        $pending{ $operation->{name} } = 1 if defined $operation->{name};
        $is_pending = 1;
        push @lines, enqueue_line($n, $operation, $number_of);
    }
    return answers($now, @lines, $process);
}

1;
