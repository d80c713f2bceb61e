# lbd: build, test, lint, install. `make` builds into build/, `make demo` and `make test` also install what is missing.
#
# Sources are found by directory: a new file in lib/, daemon/ or tests/ needs no change here.

VERSION := 0.1.0
B ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr
DESTDIR ?=
PYTHON := /usr/bin/python3
# `make V=1` shows the commands.
Q := $(if $(V),,@)
say = @printf '  %-5s %s\n' $(1) $(patsubst $(B)/%,%,$@)

PREFIXED_LIBEXEC := $(PREFIX)/libexec/lbd

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	-Werror=format-security -Werror
# Not every clang takes it.
ZERO_INIT := $(shell echo | $(CC) -ftrivial-auto-var-init=zero -x c -c -o /dev/null - 2>/dev/null && echo -ftrivial-auto-var-init=zero)
HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
	$(ZERO_INIT) -fPIE -fno-strict-overflow -fno-delete-null-pointer-checks -fno-strict-aliasing
ifeq ($(SANITIZE),)
HARDENING += -D_FORTIFY_SOURCE=$(if $(findstring clang,$(CC)),2,3)
OPTIMIZE ?= -O2
else
OPTIMIZE ?= -O1
SANITIZER := -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

CFLAGS ?= -g
ALL_CFLAGS = -std=gnu17 $(OPTIMIZE) $(CFLAGS) $(WARNINGS) $(HARDENING) $(SANITIZER) -pthread \
	-D_GNU_SOURCE -Ilib/include -I. -DLB_VERSION='"$(VERSION)"' -DLB_LIBEXEC='"$(PREFIXED_LIBEXEC)"' -MMD -MP
ALL_LDFLAGS = -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--as-needed $(SANITIZER) $(LDFLAGS)

objects = $(patsubst %.c,$(B)/%.o,$(1))
sources = $(sort $(wildcard $(foreach d,$(1),$(d)/*.c)))

LIB_OBJ := $(call objects,$(call sources,lib/base lib/wire lib/core lib/conf lib/view))
SYS_OBJ := $(call objects,$(call sources,daemon/sys daemon/ipc))
KEEPER_OBJ := $(call objects,$(call sources,daemon/keeper))
PROXY_OBJ := $(call objects,$(call sources,daemon/proxy daemon/proxy/control daemon/proxy/worker daemon/proxy/share))
WORKER_OBJ := $(call objects,$(call sources,daemon/proxy/worker daemon/proxy/share))
CONTROL_OBJ := $(call objects,$(call sources,daemon/proxy/control daemon/proxy/share))
LBCTL_OBJ := $(call objects,$(call sources,daemon/lbctl))

# The keeper locks all of its memory and needs SHA-256 alone of libcrypto, which is 4.7 MB as a shared library.
KEEPER_LIBS := -lev -lmnl -lnftnl -lyaml -l:libcrypto.a -lcap-ng -lseccomp -lsystemd
PROXY_LIBS := -lev -lyaml -lssl -lcrypto -lmicrohttpd -ljansson -lm -lcap-ng -lseccomp -lsystemd
LBCTL_LIBS := -lcurl -ljansson -lyaml -lcrypto
TEST_LIBS := -lcheck -lsubunit -lrt -lm -lev -lmnl -lnftnl -lyaml -lssl -lcrypto -ljansson -lcap-ng -lseccomp -lsystemd

PROGRAMS := $(B)/lbd $(B)/lbd-proxy $(B)/lbctl
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/unit/test_*.c)))
PROBES := $(patsubst tests/lab/probe/%.c,$(B)/tests/lab/%,$(sort $(wildcard tests/lab/probe/*.c)))
SIM := $(if $(wildcard tests/sim/*.c),$(B)/tests/sim/sim)
FUZZERS := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.SECONDARY:
.PHONY: all deps test unit sim scenario demo lint asan tsan fuzz replay install clean format
all: $(PROGRAMS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The page is part of this object as it is.
$(B)/daemon/proxy/control/status_page.o: daemon/proxy/control/status_page.html

$(B)/liblb.a: $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/libsys.a: $(SYS_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/lbd: $(KEEPER_OBJ) $(B)/libsys.a $(B)/liblb.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(KEEPER_LIBS)
$(B)/lbd-proxy: $(PROXY_OBJ) $(B)/libsys.a $(B)/liblb.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PROXY_LIBS)
$(B)/lbctl: $(LBCTL_OBJ) $(B)/libsys.a $(B)/liblb.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LBCTL_LIBS)

# lbctl's tests link its objects; the others link the two libraries only.
$(B)/tests/unit/test_lbctl_%: $(B)/tests/unit/test_lbctl_%.o $(filter-out %/main.o,$(LBCTL_OBJ)) $(B)/liblb.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LBCTL_LIBS) -lcheck -lsubunit -lrt -lm
# The worker's tests drive its thread without the control thread.
$(B)/tests/unit/test_worker_%: $(B)/tests/unit/test_worker_%.o $(B)/tests/unit/worker_rig.o $(WORKER_OBJ) \
		$(B)/libsys.a $(B)/liblb.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS)
# The control thread's tests drive its modules without worker threads.
$(B)/tests/unit/test_control_%: $(B)/tests/unit/test_control_%.o $(CONTROL_OBJ) $(B)/libsys.a $(B)/liblb.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS) -lmicrohttpd
$(B)/tests/unit/test_mailbox: $(B)/tests/unit/test_mailbox.o $(WORKER_OBJ) $(B)/libsys.a $(B)/liblb.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS)
$(B)/tests/unit/test_%: $(B)/tests/unit/test_%.o $(B)/libsys.a $(B)/liblb.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS)
$(B)/tests/sim/sim: $(call objects,$(call sources,tests/sim)) $(B)/liblb.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcrypto -lyaml -lm
$(B)/tests/lab/%: tests/lab/probe/%.c
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) -pie -o $@ $<

# A decoder's fuzzer replays its corpus with a plain main; `make fuzz` builds the same file with libFuzzer.
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(B)/liblb.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lyaml -lcrypto -ljansson

deps:
	@tests/tools/deps

include bench/targets.mk
include tests/tools/targets.mk

clean:
	rm -rf $(B)

-include $(shell test -d $(B) && find $(B) -path $(B)/tree -prune -o -type f -name '*.d' -print)
