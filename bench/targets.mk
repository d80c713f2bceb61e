# Targets that measure lbd beside what it replaces. Results go to bench/results and into the READMEs.

FELT := $(addprefix $(B)/bench/failover/probe/,felt.o connects.o sessions.o download.o client.o)
FAILOVER_PROBES := $(addprefix $(B)/bench/failover/,client origin owner adverts nodeinit) $(B)/tests/lab/setgroups.so

LOAD_PROGRAMS := $(addprefix $(B)/bench/load/,loadgen origin pick)

.PHONY: bench bench-failover bench-load bench-short

$(B)/bench/failover/client: $(FELT)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^
$(B)/bench/failover/%: $(B)/bench/failover/probe/%.o
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^

# What each fault costs the clients of the VIP, for lbd and for HAProxy and Keepalived, in about 40 minutes on a machine
# that does nothing else. FAILOVER="--rounds 1 --stacks lbd" measures less, FAILOVER=--resume goes on after an interrupt.
FAILOVER_RUN = LBD_BUILD=$(abspath $(B)) PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=bench:tests $(PYTHON) -m failover
bench-failover: deps
	@tests/tools/deps bench
	@$(MAKE) --no-print-directory $(PARALLEL) all $(PROBES) $(FAILOVER_PROBES)
	@$(FAILOVER_RUN) $(FAILOVER)

# The load and what answers it share no code with lbd.
$(B)/bench/load/loadgen $(B)/bench/load/origin: %: %.o
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^
$(B)/bench/load/pick: $(B)/bench/load/pick.o $(B)/liblb.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^

# lbd beside HAProxy and nginx under load, in 15 minutes on a machine that does nothing else.
# LOAD="--only keepalive --threads 1" measures a part and only prints it.
LOAD_RUN = LBD_BUILD=$(abspath $(B)) PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=bench:tests tests/lab/enter $(PYTHON) -m load
bench-load: deps
	@tests/tools/deps bench
	@$(MAKE) --no-print-directory $(PARALLEL) all $(LOAD_PROGRAMS)
	@$(LOAD_RUN) $(LOAD)

bench: bench-failover bench-load

# The short form that `make test` runs as well: lbd through the most telling faults once, and planted faults; the loads, tiny.
bench-short: $(PROGRAMS) $(PROBES) $(FAILOVER_PROBES) $(LOAD_PROGRAMS)
	@$(RUN_TESTS) bench
