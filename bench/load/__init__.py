"""lbd beside HAProxy and nginx under the same load, see bench/README.md."""
