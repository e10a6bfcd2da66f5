#!/usr/bin/perl
# meta.t: META.json is what the PGXN Meta Spec 1.0.0 (https://pgxn.org/meta/spec.txt) demands: the members
# that must be there, their types, and no members but those of the specification and x_ ones.
use strict;
use warnings;

use File::Basename qw(dirname);
use JSON::PP;
use Test::More;

chdir dirname(__FILE__) . '/../..' or die "cannot change the folder: $!";
open my $in, '<', 'META.json' or die "META.json: $!";
my $meta = decode_json(do { local $/; <$in> });

my $semver = qr/(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-?[A-Za-z][\w-]*)?/;
my $range  = qr/^(?:0|(?:(?:[<>]=?|==|!=)\s*)?$semver(?:\s*,\s*(?:[<>]=?|==|!=)\s*$semver)*)$/;
my $term   = qr/^[^\s\/\\[:cntrl:]]{2,}$/;
my $text   = qr/\S/;
my $url    = qr{^https?://\S+$};
my %license = map { $_ => 1 } qw(agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd gfdl_1_2 gfdl_1_3
    gpl_1 gpl_2 gpl_3 lgpl_2_1 lgpl_3_0 mit mozilla_1_0 mozilla_1_1 openssl perl_5 postgresql qpl_1_0 ssleay sun
    zlib open_source restricted unrestricted unknown);

# members($what, $object, must => [...], may => [...]): an object with these members and no others.
sub members
{
    my ($what, $object, %names) = @_;
    my %known = map { $_ => 1 } @{ $names{must} // [] }, @{ $names{may} // [] };

    is(ref $object, 'HASH', "$what is an object") or return;
    is_deeply([ grep { !exists $object->{$_} } @{ $names{must} // [] } ], [], "$what lacks nothing");
    is_deeply([ grep { !$known{$_} && !/^x_/i } sort keys %$object ], [], "$what has nothing else");
}

members('META.json', $meta,
    must => [qw(name version abstract maintainer license provides meta-spec)],
    may  => [qw(description generated_by release_status tags prereqs no_index resources)]);
like($meta->{name}, $term, 'name');
like($meta->{version}, qr/^$semver$/, 'version');
like($meta->{$_}, $text, $_) for qw(abstract maintainer description generated_by);
ok($license{$meta->{license}}, 'license');
like($meta->{release_status} // 'stable', qr/^(?:stable|testing|unstable)$/, 'release_status');
members('meta-spec', $meta->{'meta-spec'}, must => ['version'], may => ['url']);
is($meta->{'meta-spec'}{version}, '1.0.0', 'meta-spec, version');
like($meta->{'meta-spec'}{url}, $url, 'meta-spec, url');

ok(%{ $meta->{provides} }, 'provides');
for my $name (sort keys %{ $meta->{provides} })
{
    my $each = $meta->{provides}{$name};

    like($name, $term, "provides, $name");
    members("provides, $name", $each, must => [qw(file version)], may => [qw(abstract docfile)]);
    like($each->{version}, qr/^$semver$/, "provides, $name, version");
    ok(-f $each->{$_}, "provides, $name, $_ is there") for grep { exists $each->{$_} } qw(file docfile);
}

members('prereqs', $meta->{prereqs}, may => [qw(configure build test runtime develop)]);
for my $phase (sort keys %{ $meta->{prereqs} })
{
    my $relations = $meta->{prereqs}{$phase};

    members("prereqs, $phase", $relations, may => [qw(requires recommends suggests conflicts)]);
    for my $relation (sort keys %$relations)
    {
        my $versions = $relations->{$relation};

        like($versions->{$_}, $range, "prereqs, $phase, $relation, $_") for sort keys %$versions;
    }
}
is(scalar(grep { ref || !/$term/ && !/^[^\/\\]{2,255}$/ } @{ $meta->{tags} }), 0, 'tags');
done_testing();
