"""One fault on one stack, measured: load, fault, figures, and back to the state before."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from lab import VIP, Lab, eventually
from lab.lb import LoadBalancer
from lab.paths import program
from lab.process import Process, tail
from lab.topology import CLIENT, INTERFACE, OBSERVER, SWITCH, host_of_mac

from .faults import Fault, Trial
from .figures import Records, Window, figures
from .stack import PORT, Origins, Stack

LEAD_SECONDS = 0.4
END_TIMEOUT = 10.0


class Probe:
    """A measuring program in a namespace."""

    def __init__(self, directory: Path, name: str, where: str, *argv: str) -> None:
        self.log = directory / f"bench-{name}.log"
        self._output = directory / f"bench-{name}.out"
        self.log.unlink(missing_ok=True)
        self._process = Process([program(f"bench/failover/{name}"), *argv], where, self.log, stdout=self._output)

    def said(self) -> str:
        """What it has said so far; fails where it has ended instead."""
        assert self._process.alive, f"a measuring program ended: {tail(self.log)}"
        return self._output.read_text(encoding="ascii")

    def stop(self) -> None:
        """Ends it; what it knows is in its records then."""
        code = self._process.terminate(END_TIMEOUT)
        assert code == 0, f"a measuring program ended with {code}: {tail(self.log)}"


class Watch:
    """All measuring programs around one fault."""

    def __init__(self, lab: Lab, adverts: bool = False) -> None:
        directory = lab.client.directory
        self.client_file, self.owner_file, self.advert_file = (directory / f"{name}.records" for name in ("client", "owner", "adverts"))
        self._owner = Probe(directory, "owner", OBSERVER, INTERFACE, VIP, "10", str(self.owner_file))
        self._adverts = Probe(directory, "adverts", SWITCH, str(self.advert_file)) if adverts else None
        self._client = Probe(directory, "client", CLIENT, "-o", str(self.client_file), VIP, str(PORT))
        try:
            # It says `ready` and the server that its download comes from.
            self.server = eventually(lambda: self._client.said().split()[1:], 12.0, "the client of the benchmark works")[0]
        except BaseException:
            self.kill()
            raise

    def stop(self) -> float:
        """Ends the measurement; returns when."""
        end = time.monotonic()
        for probe in (self._client, self._owner, self._adverts):
            if probe:
                probe.stop()
        return end

    def kill(self) -> None:
        """Ends the programs whatever their state."""
        for probe in (self._client, self._owner, self._adverts):
            if probe:
                probe._process.kill()  # pylint: disable=protected-access


class Bench:
    """One lab with one stack, for many trials."""

    def __init__(self, kind: type[Stack]) -> None:
        self.lab = Lab()
        self.kind = kind
        try:
            for key, value in (("ipv4/ip_local_port_range", "1024 65000"), ("ipv4/tcp_tw_reuse", "1")):
                for host in (self.lab.client, *self.lab.lbs):
                    host.run("sysctl", "-qw", f"net/{key}={value}")
            self.origins = Origins(self.lab)
            self.stack = kind(self.lab)
            self.stack.boot()
        except BaseException:
            self.lab.close()
            raise

    def close(self) -> None:
        """Takes everything down."""
        self.lab.close()

    def run(self, fault: Fault, phase: float, timeline: Path | None = None) -> dict[str, Any]:
        """Measures one fault, which hits when that part of an interval has passed since an advert.

        Fails where it could not be measured. `timeline`: where the records are kept.
        """
        if fault.prefers and hasattr(self.stack, "prefer"):
            self.stack.prefer(self.stack.nodes[0])
        watch = self._watch(adverts=timeline is not None)
        trial = Trial(self.stack, self.origins, watch.server)
        try:
            trial.wait(LEAD_SECONDS)
            trial.await_phase(phase)
            fault.make(trial)
            trial.wait(fault.watched(self.stack))
            end = watch.stop()
        except BaseException:
            watch.kill()
            raise
        finally:
            trial.heal()
        window = Window(trial.hit_at, trial.back_at or trial.hit_at, end, trial.struck_at)
        if timeline:
            self._keep(watch, timeline, trial)
        return figures(Records(watch.client_file, watch.owner_file), window)

    def _watch(self, adverts: bool) -> Watch:
        """Starts the load; once more where the VIP moved meanwhile by itself, which stacks in a hurry do on a busy machine."""
        try:
            return Watch(self.lab, adverts)
        except AssertionError:
            self.stack.settle(10.0)
            return Watch(self.lab, adverts)

    def _keep(self, watch: Watch, directory: Path, trial: Trial) -> None:
        """The raw records of a trial, for the plot of its course."""
        directory.mkdir(parents=True, exist_ok=True)
        for file in (watch.client_file, watch.owner_file):
            shutil.copy(file, directory)
        adverts = []
        for line in watch.advert_file.read_text(encoding="ascii").splitlines():
            if line.startswith("advert "):
                _, when, mac, priority = line.split()
                adverts.append(f"advert {when} {host_of_mac(mac)} {priority}")
        (directory / "adverts.records").write_text("\n".join(adverts) + "\n", encoding="ascii")
        (directory / "hit").write_text(f"{trial.hit_at:.6f} {trial.owner.name}\n", encoding="ascii")

    def recover(self, fault: Fault) -> str:
        """Back to the state before the fault; where it does not come back by itself, from a fresh start, and says so."""
        try:
            self.origins.start()
            self.stack.repair()
            self.stack.settle(14.0 if self.stack.patient else 6.0)
            return ""
        except Exception as error:  # pylint: disable=broad-exception-caught # whatever it was: from the beginning
            self.stack.boot()
            return f"after {fault.key} the stack had to be started anew: {type(error).__name__}: {error}"


def logs(balancers: list[LoadBalancer]) -> str:
    """The ends of the nodes' logs, for a trial that failed."""
    return "\n".join(balancer.logs(15) for balancer in balancers)
