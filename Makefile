# pg_wallet: every way in.
#
#   make                 builds the extension and the shim (the HTTP server)
#   make help            prints this
#   make run             a private database and the shim in the foreground, until Ctrl-C; PORT=8000 RUN_DIR=.run
#   make start           the same in the background
#   make stop            stops what run or start has started; the data stays
#   make status          says what runs. Scripts: bash bin/run.sh status exits with 0 (ready), 1 (not ready) or 3 (stopped)
#   make ha-start        two databases under Patroni, etcd, haproxy and two shims on this machine: docs/high-availability.md;
#                        PORT=8000 (and the ten ports after it) RUN_DIR=.run-ha
#   make ha-stop         stops them; the data stays
#   make ha-status       says what runs, and which database leads
#   make test            every test on throwaway servers, in 10 to 20 minutes on two cores; ends with "N passed, N failed";
#                        SUITES="regress tap" TESTS="queue crash" VERBOSE=1 (see test/suites.sh)
#   make install         installs the extension into the server of PG_CONFIG (plain PGXS)
#   make uninstall       removes the extension's files from the server of PG_CONFIG
#   make installcheck    after make install: the SQL, isolation and TAP tests on temporary servers (PGXS, not as root)
#   make shim            builds the shim alone; make -C shim install installs the shim, make -C shim uninstall removes it
#   make dist            makes the release for PGXN out of the last commit, as a zip
#   make deb             builds Debian packages of the extension and the shim into deb/; DEB_DIR=
#   make clean           deletes what make has built
#   make clean-shim      deletes what make shim has built
#   make lint            warnings as errors, layout, static analysis
#   make bench           every figure beside its yardstick, in about an hour; FIGURES="1 4 whole": only these
#   make bench-quick     the same in about a minute: for trying, not for quoting
#   make bench-curves    what an item costs by how many there are, in minutes; fails where the cost rises with
#                        the number; QUICK=1 shows that everything works, FULL=1 goes on to 10^8 transfers
#   make torture         the long version of what chance decides: half an hour of faults, an hour of fuzzing,
#                        random statements and operations; DURATION=1800 KILLS=1000 SEED=N
#   make torture-ha      every fault of docs/high-availability.md ten times, in hours; as root also cuts of the network;
#                        FAULTS=10 FROZEN=45 KINDS=freeze HA_STRICT=on
#   make fuzz            fuzzes the parsers, the rules and the HTTP side; FUZZ_SECONDS=60 FUZZ_SEED=N
#   make coverage        how much of the money's path the tests go through
#   make memcheck        a server and its worker under valgrind, in some minutes
#   make assertcheck     SQL, isolation and TAP tests on a server built with --enable-cassert: PG_CONFIG=
#
# A variable given on make's command line (PORT, RUN_DIR, PG_CONFIG) reaches the scripts through
# the environment; their own defaults hold otherwise.

.DEFAULT_GOAL := build

MODULE_big = pg_wallet
EXTENSION = extension/pg_wallet
# The one version number. test/unit/version.t compares what is written by hand with it.
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" extension/pg_wallet.control)
# The install script is put together from its parts, in this order; upgrade scripts would be files
# of their own.
INSTALL_PARTS = tables partitions payments holds queue maintenance proof proof_operations audit monitoring keys shape additions rights
SCRIPT = extension/pg_wallet--$(EXTVERSION).sql
DATA_built = $(SCRIPT)
DATA = $(sort $(wildcard extension/pg_wallet--*--*.sql))
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard extension/*/*.c)))

# The server's own headers trip over the three tests that -Wextra brings and that are off here.
PG_CPPFLAGS = -Iextension
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-declaration-after-statement \
	-DPG_WALLET_VERSION='"$(EXTVERSION)"'
ifdef WERROR
PG_CFLAGS += -Werror
endif
# Handshakes are sealed with Nettle.
SHLIB_LINK += -lnettle

# Temporary servers of their own, preloaded as the extension wants it.
TEST_CONFIG = --temp-config=test/postgresql.conf
REGRESS := $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --temp-instance=./tmp_check $(TEST_CONFIG) --encoding=UTF8 --no-locale
ISOLATION := $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --temp-instance=./tmp_check_iso $(TEST_CONFIG)
PROVE_TESTS := $(sort $(wildcard test/t/*.pl))
TAP_TESTS := $(if $(PROVE_TESTS),1)
EXTRA_CLEAN = tmp_check tmp_check_iso output_iso log

# LLVM bitcode needs clang at build time, which not every server with JIT has.
override with_llvm = no

PG_CONFIG ?= pg_config
# The rules are plain C: what they assert is checked where the server checks its own assertions.
PG_CPPFLAGS += $(if $(findstring --enable-cassert,$(shell $(PG_CONFIG) --configure 2>/dev/null)),,-DNDEBUG)
# Said before anything is compiled; extension/base/version.h says it to those who compile without us.
SERVER_VERSION := $(shell $(PG_CONFIG) --version 2>/dev/null)
SERVER_MAJOR := $(shell echo '$(SERVER_VERSION)' | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
ifneq ($(and $(SERVER_VERSION),$(filter build all install installcheck %.so %.o,$(or $(MAKECMDGOALS),build))),)
ifeq ($(filter 15 16 17 18,$(SERVER_MAJOR)),)
$(error pg_wallet needs PostgreSQL 15, 16, 17 or 18, and $(PG_CONFIG) is of $(SERVER_VERSION))
endif
endif
# Absent until the server's development package is there, which the scripts below see to.
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifneq ($(PGXS),)
include $(PGXS)

# Objects made for another server version are of no use.
BUILT_FOR := extension/.built-for
ifneq ($(shell cat $(BUILT_FOR) 2>/dev/null),$(VERSION))
$(shell echo '$(VERSION)' >$(BUILT_FOR))
endif
EXTRA_CLEAN += $(BUILT_FOR)

$(OBJS): $(wildcard extension/*.h extension/*/*.h) extension/pg_wallet.control $(BUILT_FOR) | may-compile

$(SCRIPT): $(INSTALL_PARTS:%=extension/install/%.sql)
	awk 'FNR == 1 && NR > 1 { print "" } 1' $^ >$@

# What cannot be done is said in one line, before it is begun.
install install-lib installdirs installdirs-lib uninstall uninstall-lib: | may-install
installcheck: | may-check
.PHONY: may-compile may-install may-check

may-compile:
	@command -v $(firstword $(CC)) >/dev/null || { \
		echo 'pg_wallet: no C compiler called $(firstword $(CC)): bash bin/packages.sh run installs what is missing' >&2; exit 1; }

may-install:
	@for dir in '$(DESTDIR)$(pkglibdir)' '$(DESTDIR)$(datadir)/extension'; do \
		while [ ! -e "$$dir" ]; do dir=$$(dirname "$$dir"); done; \
		[ -w "$$dir" ] || { \
			echo "pg_wallet: $$(id -un) may not write to $$dir: become root, as in sudo make $(MAKECMDGOALS)" >&2; exit 1; }; \
	done

may-check:
	@[ "$$(id -u)" != 0 ] || { \
		echo 'pg_wallet: root may start no server: run make installcheck as another user, or make test' >&2; exit 1; }
	@[ -e '$(DESTDIR)$(pkglibdir)/$(MODULE_big).so' ] || { \
		echo 'pg_wallet: $(DESTDIR)$(pkglibdir) has no $(MODULE_big).so: make install comes first' >&2; exit 1; }

else
all install installcheck uninstall clean:
	$(error $(PG_CONFIG) knows no PGXS: install the postgresql-server-dev package, or give PG_CONFIG)
endif

.PHONY: build help shim clean-shim run start stop status ha-start ha-stop ha-status dist deb test torture torture-ha fuzz coverage memcheck assertcheck lint bench bench-quick bench-curves

build: all shim

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

shim:
	$(MAKE) -C shim

clean: clean-shim

clean-shim:
	$(MAKE) -C shim clean

run start stop:
	@bash bin/run.sh $@

# Succeeds whatever runs: what is stopped is no failure of make.
status:
	@bash bin/run.sh report

ha-start ha-stop:
	@bash bin/ha.sh $(@:ha-%=%)

ha-status:
	@bash bin/ha.sh report

dist:
	git archive --format=zip --prefix=$(MODULE_big)-$(EXTVERSION)/ -o $(MODULE_big)-$(EXTVERSION).zip HEAD

deb:
	@bash bin/deb.sh '$(or $(DEB_DIR),deb)'

test:
	@bash test/suites.sh

# Each part's own measure, and its default; DURATION, where it is given, holds for all that take time.
torture:
	@SUITES="$(or $(SUITES),torture fuzz tap run)" TESTS="$(or $(TESTS),torture fuzz model sqlsmith sigkill packages)" BARE=1 \
		DURATION=$(or $(DURATION),1800) KILLS=$(or $(KILLS),1000) KEYS=$(or $(KEYS),10000) \
		LATELY=$(or $(LATELY),500) FUZZ_SECONDS=$(or $(FUZZ_SECONDS),$(DURATION),3600) \
		SQLSMITH_SECONDS=$(or $(SQLSMITH_SECONDS),$(DURATION),1800) \
		MODEL_OPERATIONS=$(or $(MODEL_OPERATIONS),500000) bash test/suites.sh

torture-ha:
	@SUITES=ha FAULTS=$(or $(FAULTS),10) FROZEN=$(or $(FROZEN),45) bash test/suites.sh

fuzz:
	@bash test/fuzz/fuzz.sh $(or $(FUZZ_SECONDS),60) $(FUZZ_SEED)

coverage:
	@bash test/unit/coverage.sh

memcheck:
	@SUITES=memcheck bash test/suites.sh

assertcheck:
	@SUITES=assertcheck bash test/suites.sh

lint:
	@bash test/lint.sh

bench:
	@bash bench/bench.sh

bench-quick:
	@bash bench/bench.sh --quick

bench-curves:
	@bash bench/curves.sh
