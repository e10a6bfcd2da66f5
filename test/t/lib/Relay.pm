# Relay: a TCP port that leads to a server, and to another one when it is told so. Connections that exist stay with the
# server to which they were made, as those of a proxy do that closes nothing.
package Relay;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;

# Relay->new($node): leads to this PostgreSQL::Test::Cluster.
sub new
{
    my ($class, $node) = @_;
    my $listener = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "cannot listen: $!";
    my $self = bless { port => $listener->sockport, file => PostgreSQL::Test::Utils::tempdir() . '/target' }, $class;

    $self->lead_to($node);
    $self->{pid} = fork // die "cannot fork: $!";
    return $self if $self->{pid};
    serve($listener, $self->{file});
    require POSIX;
    POSIX::_exit(0);
}

sub connstr { my ($self, $db) = @_; return "host=127.0.0.1 port=$self->{port} dbname=$db"; }

# New connections lead to this server.
sub lead_to
{
    my ($self, $node) = @_;

    open my $file, '>', "$self->{file}.new" or die "cannot write: $!";
    print $file $node->host . '/.s.PGSQL.' . $node->port;
    close $file;
    rename "$self->{file}.new", $self->{file} or die "cannot rename: $!";
    return;
}

sub stop { my ($self) = @_; kill 'KILL', $self->{pid}; waitpid $self->{pid}, 0; return; }

sub serve
{
    my ($listener, $target) = @_;
    my $select = IO::Select->new($listener);
    my %other;

    local $SIG{PIPE} = 'IGNORE';
    while (my @ready = $select->can_read)
    {
        for my $socket (@ready)
        {
            if ($socket == $listener)
            {
                my $client = $listener->accept or next;
                open my $file, '<', $target or next;
                my $server = IO::Socket::UNIX->new(Peer => scalar <$file>, Timeout => 1) or next;
                @other{ $client, $server } = ($server, $client);
                $select->add($client, $server);
                next;
            }
            my $other = $other{$socket} or next;
            my $bytes;
            next if sysread($socket, $bytes, 65536) && syswrite($other, $bytes);
            delete @other{ $socket, $other };
            $select->remove($socket, $other);
            close $_ for $socket, $other;
        }
    }
    return;
}

1;
