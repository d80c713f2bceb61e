# Targets that measure lbd beside what it replaces. Results go to bench/results and into the READMEs.

FELT := $(addprefix $(B)/bench/failover/probe/,felt.o connects.o sessions.o download.o client.o)
FAILOVER_PROBES := $(addprefix $(B)/bench/failover/,client origin owner adverts nodeinit)

.PHONY: bench bench-failover

$(B)/bench/failover/client: $(FELT)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^
$(B)/bench/failover/%: $(B)/bench/failover/probe/%.o
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^
