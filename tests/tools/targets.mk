# Targets that test, judge, show and install the product; how things are built is in the Makefile.

RUN_TESTS := tests/tools/run-tests --build $(B)
TEST_GROUPS := unit sim replay docs layers lab scenario bench
SHIMS := $(patsubst tests/lab/shim/%.c,$(B)/tests/lab/%.so,$(sort $(wildcard tests/lab/shim/*.c)))

# The daemons as of other versions, for upgrades there and back. "next" speaks a newer version and this one; "later" goes on from
# what this one leaves, but not the other way. Compiled again is only what knows a version.
EDITIONS := next later
EDITION_next := -DSUCCESSION_VERSION=2
EDITION_later := -DRESUME_VERSION=2
VERSIONED := $(shell grep -lrE '\b(LB_VERSION|SUCCESSION_VERSION|RESUME_VERSION)\b' --include='*.c' lib daemon/keeper daemon/proxy)
EDITION_PROGRAMS := $(foreach e,$(EDITIONS),$(B)/editions/$(e)/lbd $(B)/editions/$(e)/lbd-proxy)

TEST_PROGRAMS := $(PROGRAMS) $(UNIT_TESTS) $(SIM) $(FUZZERS) $(PROBES) $(SHIMS) $(EDITION_PROGRAMS) $(FAILOVER_PROBES) \
	$(LOAD_PROGRAMS)
LAYER_GATES := layers purity names sizes
FUZZ_SECONDS ?= 60
DOC_DIR := $(DESTDIR)$(PREFIX)/share/doc/lbd
MAN_DIR := $(DESTDIR)$(PREFIX)/share/man
EXAMPLES = $(sort $(wildcard conf/*.yaml conf/kubernetes/*))
COMPLETIONS = $(sort $(wildcard conf/completion/*))
COMPLETION_DIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
# systemd and its generators look below /lib as well as below /usr/lib, not below another prefix.
UNIT_DIR := $(DESTDIR)$(if $(filter /usr,$(PREFIX)),/lib,$(PREFIX)/lib)/systemd/system
C_FILES = $(shell git ls-files '*.c' '*.h')

# Uses every processor unless the caller said how many.
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: test-programs lab docs lint-layers scenario-table deb image

test-programs: $(TEST_PROGRAMS)

# Everything that must hold for a change, from a clean checkout: one command, one last line with the counts.
test: deps
	@$(MAKE) --no-print-directory $(PARALLEL) test-programs
	@$(RUN_TESTS) $(TEST_GROUPS)

# One group alone.
unit: $(UNIT_TESTS)
	@$(RUN_TESTS) unit
sim: $(SIM)
	@$(RUN_TESTS) sim
replay: $(FUZZERS)
	@$(RUN_TESTS) replay
docs: $(PROGRAMS)
	@$(RUN_TESTS) docs
lint-layers: $(PROGRAMS)
	@$(RUN_TESTS) layers
lab scenario: $(PROGRAMS) $(PROBES) $(SHIMS) $(EDITION_PROGRAMS)
	@$(RUN_TESTS) $@

# Every fault once, and what was measured as a table in tests/scenario/README.md.
scenario-table: $(PROGRAMS) $(PROBES) $(SHIMS) $(EDITION_PROGRAMS)
	@tests/tools/scenario-table --build $(B)

# The product on the reference cluster inside this machine; needs no root beyond installing packages.
demo: deps
	@$(MAKE) --no-print-directory $(PARALLEL) all $(PROBES)
	@cd tests && LBD_BUILD=$(abspath $(B)) PYTHONDONTWRITEBYTECODE=1 lab/enter $(PYTHON) -m lab demo

# The same tests with sanitizers, in directories of their own. The lab ends lbd in order, so that leaks are looked for, and
# gives limits of time that are about work and not about the protocol this much more room.
SANITIZED_SLOWER := 3
asan: deps
	@$(MAKE) --no-print-directory $(PARALLEL) B=build-asan SANITIZE=address,undefined test-programs
	@LBD_SANITIZE=address LBD_SLOW=$(SANITIZED_SLOWER) ASAN_OPTIONS=verify_asan_link_order=0 \
		tests/tools/run-tests --build build-asan unit sim replay lab scenario

# The proxy is the only program with threads: its units, and the scenarios in which they all have something to do.
TSAN_SCENARIOS := test_steady_state or test_reload or test_admin
tsan: deps
	@$(MAKE) --no-print-directory $(PARALLEL) B=build-tsan SANITIZE=thread test-programs
	@LBD_SANITIZE=thread LBD_SLOW=$(SANITIZED_SLOWER) SCENARIO="$(TSAN_SCENARIOS)" \
		tests/tools/run-tests --build build-tsan threads scenario

# Every decoder with libFuzzer, FUZZ_SECONDS each, starting from its corpus.
fuzz:
	@tests/tools/deps build lint
	@tests/tools/fuzz $(FUZZ_SECONDS)

lint:
	@tests/tools/deps build test lint
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@tests/tools/lint/all $(B)

format:
	clang-format -i $(C_FILES)

# The programs with their unit and account, what is read about them, and what is set up beside them.
install: all
	install -D -m 755 $(B)/lbd $(DESTDIR)$(PREFIX)/sbin/lbd
	install -D -m 755 $(B)/lbd-proxy $(DESTDIR)$(PREFIXED_LIBEXEC)/lbd-proxy
	install -D -m 755 $(B)/lbctl $(DESTDIR)$(PREFIX)/bin/lbctl
	sed -e 's|/usr/sbin/|$(PREFIX)/sbin/|' -e 's|/usr/bin/|$(PREFIX)/bin/|' systemd/lbd.service >$(B)/lbd.service
	install -D -m 644 $(B)/lbd.service $(UNIT_DIR)/lbd.service
	install -D -m 644 systemd/lbd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/lbd.conf
	install -D -m 644 systemd/lbd.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/lbd.conf
	for page in conf/man/*.[1-8]; do install -D -m 644 -t $(MAN_DIR)/man$${page##*.} $$page || exit 1; done
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/lbd/prometheus conf/prometheus/lbd.rules.yml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/lbd/grafana conf/grafana/lbd.json
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/lbd/lnav conf/lnav/lbd.json
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/lbd/goaccess conf/goaccess/lbd.conf conf/goaccess/clients.sed
	install -D -m 644 -t $(DOC_DIR) README.md
	for file in $(EXAMPLES); do install -D -m 644 $$file $(DOC_DIR)/examples/$${file#conf/} || exit 1; done
	for file in $(COMPLETIONS); do install -D -m 644 $$file $(COMPLETION_DIR)/$$(basename $$file .bash) || exit 1; done

# build/lbd_VERSION_ARCH.deb with the distribution's tools; the same sources give the same bytes.
deb:
	@tests/tools/deps build deb
	@tests/tools/package $(B) $(VERSION)

# The package's programs and their libraries as an OCI image layout in build/oci, made without a container engine.
image: deb
	@tests/tools/image $(B)/lbd_$(VERSION)_$$(dpkg --print-architecture).deb $(B)/oci

# What scenarios preload into the programs under test.
$(B)/tests/lab/%.so: tests/lab/shim/%.c
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -shared -o $@ $< -ldl

# of(EDITION, OBJECTS): those of them that the edition has of its own; rest(OBJECTS): the others.
of = $(patsubst $(B)/%,$(B)/editions/$(1)/%,$(filter $(call objects,$(VERSIONED)),$(2)))
rest = $(filter-out $(call objects,$(VERSIONED)),$(1))

define edition
$(B)/editions/$(1)/%.o: override VERSION := $(VERSION)+$(1)
$(B)/editions/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(EDITION_$(1)) -c -o $$@ $$<
$(B)/editions/$(1)/lbd: $$(call of,$(1),$$(KEEPER_OBJ) $$(LIB_OBJ)) $$(call rest,$$(KEEPER_OBJ)) $(B)/libsys.a $(B)/liblb.a
	$$(call say,LD)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(KEEPER_LIBS)
$(B)/editions/$(1)/lbd-proxy: $$(call of,$(1),$$(PROXY_OBJ) $$(LIB_OBJ)) $$(call rest,$$(PROXY_OBJ)) $(B)/libsys.a $(B)/liblb.a
	$$(call say,LD)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(PROXY_LIBS)
endef
$(foreach e,$(EDITIONS),$(eval $(call edition,$(e))))
