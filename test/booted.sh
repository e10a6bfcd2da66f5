# shellcheck shell=bash
# A systemd that runs as process 1 of namespaces of its own, in a folder that has all of a Debian. To be
# sourced after bin/lib.sh by a script that has enter(), which runs a command where the folder is mounted,
# and $keeper, a process that is there.
# What runs there has processes, mounts, cgroups and a network of its own, and sees nothing of this machine.

booted_group='' booted_init='' booted_job=''

# Mounts what systemd finds in a container, and becomes it. For process 1 of new namespaces.
become_init() { # ROOT
    local name
    cd "$1" || return
    mount -t proc -o nosuid,nodev,noexec proc proc
    # This machine's settings of the kernel are not for systemd to change.
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs dev
    for name in null zero full random urandom tty; do cp -a "/dev/$name" dev; done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
    mount -t tmpfs tmpfs dev/shm
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    mount -t tmpfs -o mode=755 tmpfs run
    mount --move . /
    exec chroot . setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-syslog \
        env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --show-status=no
}

# With `enter`, but for the processes, whose ids are then those of this machine.
# shellcheck disable=SC2154 # keeper
booted_file() { nsenter "--target=$keeper" --mount --root --wd cat "$1" 2>/dev/null; }

booted_is_up() {
    booted_init=$(booted_file "$booted_group/init.scope/cgroup.procs") && [[ -n $booted_init ]] || return
    [[ $(booted systemctl is-system-running 2>/dev/null) =~ ^(running|degraded)$ ]]
}

# booted CMD...: runs CMD where systemd runs.
booted() {
    nsenter "--target=$booted_init" --mount --uts --ipc --net --pid --cgroup --root --wd /usr/bin/env -i HOME=/root \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# can_boot PLACE: may we have cgroups of our own? They are mounted in PLACE/cgroup.
can_boot() {
    enter mkdir "$1/cgroup" && enter mount -t cgroup2 cgroup2 "$1/cgroup" &&
        enter mkdir "$1/cgroup/${1##*/}" || return
    booted_group=$1/cgroup/${1##*/}
}

# boot ROOT: starts systemd in ROOT, a mount, and returns when all has started that ROOT has enabled.
boot() {
    # shellcheck disable=SC2016 # for the inner bash
    enter bash -euc "$(declare -f become_init)"'
        echo 0 >"$1/cgroup.procs"
        exec unshare --mount --uts --ipc --net --cgroup --pid --fork --kill-child \
            bash -euc "$(declare -f become_init); become_init \"\$1\"" _ "$2"' _ "$booted_group" "$1" </dev/null &
    booted_job=$!
    wait_until 60 booted_is_up
}

# shut_down: as `poweroff` does, or at once where that does not help.
shut_down() {
    [[ -n $booted_job ]] || return 0
    { [[ -n $booted_init ]] && booted systemctl poweroff && wait_until 30 booted_is_over; } ||
        kill -KILL "${booted_init:-$booted_job}" || true
    wait "$booted_job" || true
    booted_init='' booted_job=''
}

booted_is_over() { ! kill -0 "$booted_job" 2>/dev/null; }

# To be called when all is over: no cgroup is left. One is busy until its last process has ended.
forget_boot() {
    [[ -z $booted_group ]] ||
        wait_until 10 enter find "$booted_group" -depth -type d -exec rmdir {} + 2>/dev/null
}
