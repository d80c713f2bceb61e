"""The failover benchmark: each fault against each stack in the same lab, and what a client felt."""
