#!/usr/bin/perl
# document.t: shim/openapi.json is in order to redocly's lint, and the client that openapi-typescript makes
# of it takes the requests of README.md, and the answers that README.md shows.
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Temp;
use Test::More;

chdir dirname(__FILE__) . '/../..' or die "cannot change the folder: $!";
my $bin = ($ENV{CONTRACT_TOOLS} || die 'CONTRACT_TOOLS names the folder of the tools') . '/node_modules/.bin';
my $dir = File::Temp->newdir;

sub run {
    my (@command) = @_;
    my $said = qx{@command 2>&1};
    return ($? >> 8, $said);
}

my ($status, $said) = run("$bin/redocly lint --format=stylish shim/openapi.json");
is($status, 0, 'redocly lint finds no error') or diag($said);
unlike($said, qr/\bwarning\b/i, 'and nothing to warn of') or diag($said);

($status, $said) = run("$bin/openapi-typescript shim/openapi.json --output $dir/wallet.ts");
is($status, 0, 'openapi-typescript makes a client') or BAIL_OUT($said);

# README.md's examples: [method, path, query string, body, header fields, answer].
my @examples;
open my $readme, '<', 'README.md' or die "README.md: $!";
while (my $line = <$readme>) {
    if ($line =~ m{^\$ curl (.*)}) {
        my $words = $1;
        my ($path, $query) = $words =~ m{http://127\.0\.0\.1:8000(/[^\s?']*)\??([^\s']*)} or next;
        my ($method) = $words =~ /-X (\w+)/;
        my ($body) = $words =~ /(?:-d|--json) '([^']*)'/;
        my %fields = map { split /: /, $_, 2 } $words =~ /-H '([^']*)'/g;
        push @examples, [ $method || (defined $body ? 'POST' : 'GET'), $path, $query, $body, \%fields, '' ];
    }
    elsif (@examples && $examples[-1][5] eq '' && $line =~ /^\{/) {
        chomp($examples[-1][5] = $line);
    }
}
cmp_ok(scalar(grep { $_->[0] eq 'POST' } @examples), '>=', 4, 'README.md posts');
cmp_ok(scalar(grep { $_->[0] eq 'GET' } @examples), '>=', 3, 'README.md reads');

# A number stays a number: the parameters of a query string have the types of the document.
sub literal { my ($value) = @_; return $value =~ /^\d{1,15}$/ ? $value : qq("$value"); }

sub question_of {
    my ($query, $body) = @_;
    return $body if defined $body;
    return '{' . join(',', map { my ($name, $value) = split /=/; qq("$name":) . literal($value) } split /&/, $query) . '}';
}

my @lines = (<<'END');
import type { paths } from "./wallet";

type Json<T> = T extends { content: { "application/json": infer B } } ? B : never;
type Problem<T> = T extends { content: { "application/problem+json": infer B } } ? B : never;
type Post<P extends keyof paths> = NonNullable<paths[P]["post"]>;
type Get<P extends keyof paths> = NonNullable<paths[P]["get"]>;
type Body<P extends keyof paths> = Post<P> extends { requestBody: infer B } ? Json<B> : never;
type Question<P extends keyof paths> = Get<P> extends { parameters: { query: infer Q } } ? Q : never;
type Fields<O> = O extends { parameters: { header?: infer H } } ? NonNullable<H> : never;
type Answers<O> = O extends { responses: infer R } ? R[keyof R] : never;
type Answer<O> = Json<Answers<O>> | Problem<Answers<O>>;

END
my $count = 0;
for my $example (@examples) {
    my ($method, $path, $query, $body, $fields, $answer) = @{$example};
    my ($type, $operation) = $method eq 'POST' ? (qq(Body<"$path">), qq(Post<"$path">)) : (qq(Question<"$path">), qq(Get<"$path">));
    my $question = $method eq 'POST' ? $body : question_of($query, $body);
    my $header = join ', ', map { qq("$_": "$fields->{$_}") } sort keys %{$fields};
    $count++;
    push @lines, "export const request$count: $type = $question;\n";
    push @lines, "export const fields$count: Fields<$operation> = { $header };\n" if %{$fields};
    push @lines, "export const answer$count: Answer<$operation> = $answer;\n" if $answer;
}

# What the client must not take, and what a program may do with an answer. (The type of a refusal that
# is missed is an error: @ts-expect-error must find one.)
push @lines, <<'END';

export const least: Body<"/api/v1/wallet"> = { user_id: 1 };
export const large: Body<"/api/v1/deposit"> = { user_id: "9007199254740993", wallet_id: 1, amount: "92233720368547758.07" };
// @ts-expect-error: user_id is missing
export const nobody: Body<"/api/v1/wallet"> = { amount: 1 };
// @ts-expect-error: an unknown member
export const unknown: Body<"/api/v1/wallet"> = { user_id: 1, colour: "red" };
// @ts-expect-error: the amount is missing
export const free: Body<"/api/v1/transaction"> = { user_id: 1, source_wallet_id: 1, dest_wallet_id: 2 };
// @ts-expect-error: no such field
export const field: Fields<Post<"/api/v1/transaction">> = { "Idempotence-Key": "a" };

export function became(outcome: Json<Get<"/api/v1/transaction">["responses"][200]>): number | string {
    if (outcome.status === "processed") return outcome.transaction_id;
    // @ts-expect-error: there is no such code
    if (outcome.info.code === "no_such_code") return "";
    return outcome.info.code === "insufficient_funds" ? outcome.info.msg : outcome.info.code;
}
END
open my $requests, '>', "$dir/requests.ts" or die $!;
print $requests @lines;
close $requests or die $!;

($status, $said) = run("$bin/tsc --noEmit --strict --target es2022 --module esnext --moduleResolution bundler $dir/requests.ts");
is($status, 0, "TypeScript takes the $count requests of README.md, and their answers") or diag("$said\n", @lines);

done_testing();
