"""Goal: whatever is wrong at start ends in one clear sentence and the documented exit code, with nothing changed."""

from __future__ import annotations

import os
import subprocess

import pytest

from lab import Lab, paths

pytestmark = pytest.mark.patient

CONFIG, USAGE, FAILURE, NO_DAEMON = 3, 2, 1, 4


def one_sentence(text: str) -> None:
    """Exactly one line for a person."""
    assert len(text.strip().splitlines()) == 1, text


@pytest.mark.parametrize(
    ("replace", "expected"),
    [
        ({"vips:": "vip:"}, 'unknown key "vip"; did you mean "vips"'),
        ({"cluster: k8s\n": "cluster: k8s\ncluster: k9s\n"}, "cluster"),
        ({"    listen: 80\n": "    listen: eighty\n"}, "eighty"),
        ({"    listen: 80\n": "    listen: [80, 80]\n"}, "80"),
        ({"10.196.35.20:6443": "10.196.35.20:99999"}, "99999"),
    ],
)
def test_broken_file(lab: Lab, replace: dict[str, str], expected: str) -> None:
    """--check and start judge alike: place, what was found, exit code 1 and 3."""
    node = lab.lbs[0]
    text = lab.config(replace=replace)
    checked = node.run_lbd("--check", config=text)
    started = node.run_lbd(config=text)
    assert (checked.code, started.code) == (1, CONFIG)
    assert checked.stderr == started.stderr and expected in checked.stderr
    assert checked.stderr.startswith(f"{node.config_file}:"), checked.stderr
    assert all(part.isdigit() for part in checked.stderr.split(":")[1:3])


def test_file_that_a_check_needs(lab: Lab) -> None:
    """A certificate that is not there is found by --check, with its place, before anything is started."""
    text = lab.config(replace={"verify: false": "verify: true, ca_file: /nonexistent/ca.pem"})
    checked = lab.lbs[0].run_lbd("--check", config=text)
    assert checked.code == 1 and "/nonexistent/ca.pem" in checked.stderr
    assert checked.stderr.startswith(f"{lab.lbs[0].config_file}:")
    one_sentence(checked.stderr)


def test_file_for_other_hosts(lab: Lab) -> None:
    """--check of a file that does not name this host: good, and one sentence says so."""
    checked = lab.lbs[0].run_lbd("--check", config=lab.config(replace={"k8s-lb-1: 10.196.35.25": "k8s-lb-1: 10.196.35.125"}))
    assert checked.code == 0 and "10.196.35.125" in checked.stderr
    one_sentence(checked.stderr)


def test_good_file_passes(lab: Lab) -> None:
    """--check is silent and exits 0."""
    checked = lab.lbs[0].run_lbd("--check", config=lab.config())
    assert checked == (0, "", "")


def test_missing_and_open_key_file(lab: Lab) -> None:
    """A key that is not there, or that others can read, is refused with the command that mends it."""
    node = lab.lbs[0]
    missing = lab.config().replace(str(lab.key_file), "/nonexistent/cluster.key")
    result = node.run_lbd(config=missing)
    assert result.code == CONFIG and "/nonexistent/cluster.key" in result.stderr and "keygen" in result.stderr
    os.chmod(lab.key_file, 0o644)
    result = node.run_lbd(config=lab.config())
    assert result.code == CONFIG and "chmod 600" in result.stderr
    one_sentence(result.stderr)


def test_missing_file(lab: Lab) -> None:
    """No configuration file at all."""
    result = subprocess.run(
        [paths.program("lbd"), "--config", "/nonexistent/lbd.yaml"], capture_output=True, text=True, check=False
    )
    assert result.returncode == CONFIG and "/nonexistent/lbd.yaml" in result.stderr
    one_sentence(result.stderr)


def test_node_without_any_of_the_addresses(lab: Lab) -> None:
    """The file of another cluster: the sentence lists the addresses that were looked for."""
    text = lab.config(replace={"k8s-lb-1: 10.196.35.25": "k8s-lb-1: 10.196.35.125"})
    result = lab.lbs[0].run_lbd(config=text)
    assert result.code == CONFIG and "10.196.35.125" in result.stderr
    one_sentence(result.stderr)


def test_port_in_use(lab: Lab) -> None:
    """Another program listens on 443 of every address."""
    node = lab.lbs[0]
    with node.inside():
        import socket

        other = socket.create_server(("0.0.0.0", 443))
    result = node.run_lbd(config=lab.config())
    other.close()
    assert result.code == FAILURE and ":443" in result.stderr and "ingress-https" in result.stderr
    assert not node.has_address() and "lbd" not in node.run("nft", "list", "tables")


def test_second_daemon(lab: Lab) -> None:
    """A second start on the same runtime directory is refused and disturbs nothing."""
    owner = lab.start()
    result = owner._call(owner.lbd_argv())
    assert result.code == FAILURE and "another lbd" in result.stderr
    assert owner.role() == "active" and owner.has_address()


def test_no_permission(lab: Lab) -> None:
    """Without the capabilities lbd says which one it needs."""
    node = lab.lbs[0]
    node.write_config(lab.config())
    node.runtime_dir.mkdir(mode=0o750)
    result = node._call(["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", *node.lbd_argv()])
    assert result.code == FAILURE and ("net_admin" in result.stderr.lower() or "permitted" in result.stderr.lower())


@pytest.mark.parametrize("arguments", [["--bogus"], ["surplus"], ["--config"]])
def test_usage(lab: Lab, arguments: list[str]) -> None:
    """Wrong options: usage and exit code 2."""
    result = lab.lbs[0]._call([paths.program("lbd"), *arguments])
    assert result.code == USAGE and result.stderr


def test_lbctl_without_a_daemon(lab: Lab) -> None:
    """The socket cannot be reached: one sentence with its path, exit code 4."""
    result = lab.lbs[0].lbctl("status")
    assert result.code == NO_DAEMON and str(lab.lbs[0].socket) in result.stderr
    one_sentence(result.stderr)
    assert lab.lbs[0].lbctl("bogus").code == USAGE
