# Targets that test, judge and show the product; the build itself is in the Makefile.

unit: $(UNIT_TESTS)
	@set -e; for t in $^; do $$t; done
