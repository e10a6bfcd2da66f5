#!/usr/bin/perl
# manual.pl man VERSION | conf FILE: reads what `wallet-shim --help` prints, and prints the man page
# wallet-shim(8), or the settings of FILE with every variable that FILE leaves out as a comment behind
# them. So neither of the two can miss an option.
use strict;
use warnings;

my ($what, $argument) = @ARGV;
my $help = do { local $/; <STDIN> };
my @options;

push @options, { flag => $1, help => $2, variable => $3, default => $4 }
    while $help =~ /^ +--(\S+) +(.+)\n +\[variable (\w+), default "(.*)"\]$/mg;
die "manual.pl: no option in what wallet-shim --help says\n" unless @options;

sub print_conf
{
    my ($file) = @_;
    open my $in, '<', $file or die "manual.pl: $file: $!\n";
    my $settings = do { local $/; <$in> };

    print $settings, "\n# All other settings, with their defaults.\n";
    for my $option (grep { $settings !~ /^#?$_->{variable}=/m } @options)
    {
        printf "\n# %s\n#%s=%s\n", sentence($option->{help}), @$option{qw(variable default)};
    }
}

# The names of libraries and members begin with a small letter in any place.
sub sentence { my ($text) = @_; return ($text =~ /^libpq/ ? $text : ucfirst $text) . '.' }

# A hyphen that somebody may copy and a backslash are themselves; a dot at the beginning is no command.
sub roff
{
    my ($text) = @_;

    $text =~ s/\\/\\e/g;
    $text =~ s/-/\\-/g;
    return $text =~ s/^([.'])/\\&$1/mr;
}

sub print_man
{
    my ($version) = @_;

    print qq(.TH WALLET\\-SHIM 8 "" "pg_wallet $version" "System administration"\n);
    for my $line (<DATA>)
    {
        if ($line =~ /^\@options$/)
        {
            print ".TP\n\\fB\\-\\-", roff($_->{flag}), "\\fR\n", roff(sentence($_->{help})), "\n",
                'Variable \fB', roff($_->{variable}), '\fR, default "', roff($_->{default}), "\".\n"
                for @options;
        }
        else
        {
            print $line;
        }
    }
}

if    ($what eq 'man')  { print_man($argument) }
elsif ($what eq 'conf') { print_conf($argument) }
else                    { die "usage: manual.pl man VERSION | conf FILE\n" }

__DATA__
.SH NAME
wallet\-shim \- HTTP server of pg_wallet, the payment system in PostgreSQL
.SH SYNOPSIS
.B wallet\-shim
.RI [ option ]...
.SH DESCRIPTION
.B wallet\-shim
answers HTTP requests for wallets and payments.
It keeps nothing itself: a request goes into the queue of the PostgreSQL extension pg_wallet, is durable when the
client has its answer, and is carried out by the worker inside the database.
Any number of these servers may stand before one database.
.PP
As a service it is called
.IR wallet\-shim ,
runs as the user
.IR wallet_shim ,
and takes its settings from
.IR /etc/pg\-wallet/shim.conf .
.SH OPTIONS
Each option has a variable of the environment.
An option wins over its variable.
@options
.TP
\fB\-\-help\fR
Print the options and exit.
.TP
\fB\-\-version\fR
Print the version and exit.
.SH ENVIRONMENT
The variables of libpq (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSFILE, PGPASSWORD, PGSSLMODE and others) say where
the database is.
A password belongs in PGPASSFILE or PGPASSWORD: every user of the machine can read the options of a process.
.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
Answer every client that has connected, and exit.
.TP
.B SIGQUIT
Exit at once.
.TP
.B SIGHUP
Read the certificate and its key again.
.SH EXIT STATUS
0 after SIGTERM or SIGINT, 2 for a wrong option, 1 for all other errors.
.SH FILES
.TP
.I /etc/pg\-wallet/shim.conf
Settings of the service, a line NAME=value for each variable.
Only root can read the file, which may have a password.
.SH SEE ALSO
.BR psql (1),
.BR systemctl (1),
.BR systemd.exec (5)
.PP
.I README.md
and the pages of
.I docs
in the folder of the package's documentation.
