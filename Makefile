# pg_wallet: every way in.
#
#   make                 build the extension and the shim
#   make install         install the extension into the server of PG_CONFIG (plain PGXS)
#   make installcheck    its SQL, isolation and TAP tests on servers of their own (PGXS, not as root)
#   make run             a private database and the shim in the foreground; PORT=8000 RUN_DIR=.run
#   make start|stop|status    the same in the background
#   make test            every suite on throwaway servers; ends with "N passed, N failed"
#   make torture         the long version of what chance decides: half an hour of faults, an hour of
#                        fuzzing, random statements and operations; DURATION=1800 KILLS=1000 SEED=N
#   make fuzz            fuzzes the parsers, the rules and the HTTP side: FUZZ_SECONDS=60 FUZZ_SEED=N
#   make coverage        how much of the money's path the tests go through
#   make memcheck        a server and its worker under valgrind, in some minutes
#   make assertcheck     SQL, isolation and TAP tests on a server built with --enable-cassert: PG_CONFIG=
#   make lint            warnings as errors, layout, static analysis
#   make bench           every figure beside its yardstick (bench-quick: in a minute)
#
# A variable given on make's command line (PORT, RUN_DIR, PG_CONFIG) reaches the scripts through
# the environment; their own defaults hold otherwise.

.DEFAULT_GOAL := build

MODULE_big = pg_wallet
EXTENSION = extension/pg_wallet
# The install script is put together from its parts; upgrade scripts would be files of their own.
SCRIPT = extension/pg_wallet--1.0.sql
DATA_built = $(SCRIPT)
DATA = $(filter-out $(SCRIPT),$(sort $(wildcard extension/pg_wallet--*.sql)))
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard extension/*.c)))

# The server's own headers trip over the three tests that -Wextra brings and that are off here.
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-declaration-after-statement
ifdef WERROR
PG_CFLAGS += -Werror
endif

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

$(OBJS): $(wildcard extension/*.h) $(BUILT_FOR)

$(SCRIPT): $(sort $(wildcard extension/install/*.sql))
	awk 'FNR == 1 && NR > 1 { print "" } 1' $^ >$@

else
all install installcheck uninstall clean:
	$(error $(PG_CONFIG) knows no PGXS: install the postgresql-server-dev package, or give PG_CONFIG)
endif

.PHONY: build shim clean-shim run start stop status test torture fuzz coverage memcheck assertcheck lint bench bench-quick

build: all shim

shim:
	$(MAKE) -C shim

clean: clean-shim

clean-shim:
	$(MAKE) -C shim clean

run start stop status:
	@bash bin/run.sh $@

test:
	@bash test/run.sh

# Each part's own measure, and its default; DURATION, where it is given, holds for all that take time.
torture:
	@SUITES="$(or $(SUITES),torture fuzz tap)" TESTS="$(or $(TESTS),torture fuzz model sqlsmith)" \
		DURATION=$(or $(DURATION),1800) KILLS=$(or $(KILLS),1000) KEYS=$(or $(KEYS),10000) \
		LATELY=$(or $(LATELY),500) FUZZ_SECONDS=$(or $(FUZZ_SECONDS),$(DURATION),3600) \
		SQLSMITH_SECONDS=$(or $(SQLSMITH_SECONDS),$(DURATION),1800) \
		MODEL_OPERATIONS=$(or $(MODEL_OPERATIONS),100000) bash test/run.sh

fuzz:
	@bash test/fuzz/run.sh $(or $(FUZZ_SECONDS),60) $(FUZZ_SEED)

coverage:
	@bash test/unit/coverage.t

memcheck:
	@SUITES=memcheck bash test/run.sh

assertcheck:
	@SUITES=assertcheck bash test/run.sh

lint:
	@bash test/lint.sh

bench:
	@bash bench/run.sh

bench-quick:
	@bash bench/run.sh --quick
