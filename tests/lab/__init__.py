"""The lab: the reference cluster in network namespaces, used by scenarios, the demo and the benchmarks.

    with Lab() as lab:
        owner = lab.start()
        with lab.openloop() as load:
            with lab.power_off(owner.name):
                ...
        assert load.result().gap_ms < 400
"""

from .cluster import Lab
from .faults import ARP, VRRP, Fault
from .topology import VIP
from .wait import NotYet, eventually, holds

__all__ = ["ARP", "VIP", "VRRP", "Fault", "Lab", "NotYet", "eventually", "holds"]
