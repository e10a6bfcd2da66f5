#!/usr/bin/perl
# version.t: there is one version number, default_version in pg_wallet.control. The library, the shim and
# the install script get theirs from it; what is written by hand has to say the same.
use strict;
use warnings;

use File::Basename qw(dirname);
use JSON::PP;
use Test::More;

chdir dirname(__FILE__) . '/../..' or die "cannot change the folder: $!";

sub slurp {
    my ($file) = @_;
    open my $handle, '<', $file or die "cannot read $file: $!";
    local $/;
    return scalar <$handle>;
}

sub json { return decode_json(slurp($_[0])) }

my ($version) = slurp('extension/pg_wallet.control') =~ /^default_version = '(.*)'$/m;
like($version, qr/^\d+\.\d+\.\d+$/, 'pg_wallet.control has a version of three numbers');

my $meta = json('META.json');
is($meta->{version}, $version, 'META.json');
is($meta->{provides}{pg_wallet}{version}, $version, 'META.json, provides');
is(json('shim/openapi.json')->{info}{version}, $version, 'openapi.json');
my ($change) = slurp('CHANGELOG.md') =~ /^## (\S+)/m;
is($change, $version, 'the first heading of CHANGELOG.md');

is((slurp('debian/changelog') =~ /^pg-wallet \((\S+)-\d+\)/)[0], $version, 'the first entry of debian/changelog');

# What the build has made.
is(`shim/wallet-shim --version`, "wallet-shim $version\n", 'wallet-shim --version');
is_deeply([ glob "extension/pg_wallet--$version.sql" ], ["extension/pg_wallet--$version.sql"], 'the install script');
ok(index(slurp('pg_wallet.so'), "\x00$version\x00") > 0, 'the library');

# Elsewhere nobody writes it down, so nobody forgets to change it.
my @files = grep { -f && !m{^(?:CHANGELOG\.md|debian/changelog|META\.json|extension/pg_wallet\.control|shim/openapi\.json)$} && !/openapi\.c$/ }
    (qw(Makefile README.md docker-compose.yml .gitignore), glob('docs/*.md bin/* .ci/* bench/*'),
    glob('deploy/* debian/*'), glob('extension/*.[ch] extension/install/* extension/Dockerfile shim/*.[ch] shim/*/*.[ch] shim/*file'));
for my $file (@files) {
    my @lines = grep { /(?<![\d.])\Q$version\E(?![\d.])|pg_wallet(?:--|[ :@-]v?)\d+\.\d/ } split /\n/, slurp($file);
    is_deeply(\@lines, [], "$file writes down no version of pg_wallet");
}
cmp_ok(scalar @files, '>', 50, 'files were looked at');

done_testing();
