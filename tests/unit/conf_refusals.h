/*
 * Files that must be refused, and every line of what is said about them.
 */
#ifndef TESTS_UNIT_CONF_REFUSALS_H
#define TESTS_UNIT_CONF_REFUSALS_H

#include "tests/unit/conf_text.h"

#define TCP_HINT "remove it or set \"type\" to "

/* clang-format off */
static const struct {
	const char *text, *errors;
} refusals[] = {
    /* What YAML itself can do and lbd.yaml may not. */
    {TOP SERVICE "key_file: &k /k\n", "f:6:11: anchor \"&k\" is not supported; write the value out\n"},
    {TOP SERVICE "election: &e {}\n", "f:6:11: anchor \"&e\" is not supported; write the value out\n"},
    {TOP SERVICE "key_file: *k\n", "f:6:11: alias \"*k\" is not supported; write the value out\n"},
    {TOP SERVICE "*k : 1\n", "f:6:1: alias \"*k\" is not supported; write the value out\n"},
    {TOP SERVICE "key_file: !!str /k\n", "f:6:11: tags are not supported; remove the \"!\"\n"},
    {TOP SERVICE "election: !e {}\n", "f:6:11: tags are not supported; remove the \"!\"\n"},
    {TOP SERVICE "<<: {workers: 1}\n", "f:6:1: merge keys are not supported; write the values out\n"},
    {TOP SERVICE "---\ncluster: k9s\n", "f:6:1: a second document begins; expected one; remove the \"---\"\n"},
    {"%YAML 1.1\n---\n" TOP SERVICE, "f:1:1: directives are not supported; remove the lines that begin with \"%\"\n"},
    {TOP SERVICE "[a]: 1\n", "f:6:1: a list or mapping stands where a key is expected; quote the key\n"},
    {TOP SERVICE "a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n",
     "f:6:32: nested too deeply; expected at most 8 levels\n"},
    {TOP SERVICE "key_file: \"/k\\n\"\n", "f:6:11: control character U+000A in a value; remove it\n"},
    {TOP SERVICE "key_file: \"/k\\x9b\"\n", "f:6:11: control character U+009B in a value; remove it\n"},
    {TOP SERVICE "cluster: k9s\n", "f:6:1: duplicate key \"cluster\"; it stands on line 1 already; remove one\n"},
    {IN_SERVICE LISTEN "    servers:\n      x: 1.1.1.1:1\n      x: 1.1.1.1:2\n",
     "f:9:7: duplicate key \"x\"; it stands on line 8 already; remove one\n"},

    /* What is no YAML. */
    {TOP SERVICE "a: b: c\n", "f:6:5: not valid YAML: unexpected \":\"; check the indentation, and quote a value that contains \": \"\n"},
    {TOP SERVICE "\tworkers: 1\n", "f:6:1: not valid YAML: a character that cannot begin a value; indent with spaces, not tabs, and quote values\n"},
    {TOP SERVICE "key_file: \"/k\n", "f:6:11: not valid YAML: a quote is not closed\n"},
    {TOP SERVICE "vips: [1\n", "f:7:1: not valid YAML: expected \",\" or \"]\"; close the list, and quote an IPv6 address with its port\n"},
    {"- a\n- b\n", "f:1:1: the file is a list; expected cluster, nodes, vips and services\n"},
    {"hello\n", "f:1:1: the file is hello; expected cluster, nodes, vips and services\n"},
    {"# nothing\n", "f:1:1: the file is empty; expected cluster, nodes, vips and services\n"},

    /* Keys. */
    {TOP SERVICE "vip: 1\n", "f:6:1: unknown key \"vip\"; did you mean \"vips\"?\n"},
    {IN_SERVICE LISTEN SERVERS "    blance: source\n", "f:8:5: unknown key \"blance\"; did you mean \"balance\"?\n"},
    {TOP SERVICE "election: {vird: 1}\n", "f:6:12: unknown key \"vird\"; did you mean \"vrid\"?\n"},
    {TOP SERVICE "election.vrid: 1\n", "f:6:1: unknown key \"election.vrid\"; write \"vrid\" below \"election\"\n"},
    {TOP SERVICE "balance: source\n", "f:6:1: unknown key \"balance\" here; it belongs under a service\n"},
    {IN_SERVICE LISTEN SERVERS "    rise: 1\n", "f:8:5: unknown key \"rise\" here; it belongs under check\n"},
    {TOP SERVICE "quux: 1\n", "f:6:1: unknown key \"quux\"; see lbd.yaml(5) for the keys of the file\n"},
    {TOP SERVICE "log: {colour: 1}\n", "f:6:7: unknown key \"colour\"; see lbd.yaml(5) for the keys of log\n"},
    {TOP SERVICE "election: 5\n", "f:6:11: \"election\" is 5; expected a mapping; put its keys below it\n"},
    {"nodes: {a: 10.0.0.1}\nvips: [10.0.0.9]\n" SERVICE, "f:1:1: the file has no \"cluster\"; add one, e.g. cluster: k8s\n"},
    {"cluster: k8s\nvips: [10.0.0.9]\n" SERVICE, "f:1:1: the file has no \"nodes\"; add one, e.g. nodes: {k8s-lb-1: 10.196.35.25, k8s-lb-2: 10.196.35.26}\n"},
    {"cluster: k8s\nnodes: {a: 10.0.0.1}\n" SERVICE, "f:1:1: the file has no \"vips\"; add one, e.g. vips: [10.196.35.30]\n"},
    {TOP, "f:1:1: the file has no \"services\"; add one, e.g. services: {kube-api: {listen: 6443, servers: {k8s-master-1: 10.196.35.20:6443}}}\n"},
    {IN_SERVICE SERVERS, "f:5:3: service \"s\" has no \"listen\"; add one, e.g. listen: 6443\n"},
    {IN_SERVICE LISTEN, "f:5:3: service \"s\" has no \"servers\"; add one, e.g. servers: {k8s-master-1: 10.196.35.20:6443}\n"},
    {"cluster: k8s\nnodes: {a: 10.0.0.1}\nvips: [{interface: lo}]\n" SERVICE, "f:3:8: vip has no \"address\"; add one, e.g. address: 10.196.35.30\n"},
    {IN_SERVICE LISTEN "    servers: {x: {weight: 1}}\n", "f:7:15: server \"x\" has no \"address\"; add one, e.g. address: 10.196.35.20:6443\n"},

    /* Empty or of another kind. */
    {TOP "services:\n", "f:4:1: \"services\" is empty; expected a mapping of names, e.g. services: {kube-api: {listen: 6443, servers: {k8s-master-1: 10.196.35.20:6443}}}\n"},
    {TOP "services: {}\n", "f:4:1: \"services\" has 0 entries; expected 1 to 4096\n"},
    {IN_SERVICE LISTEN "    servers: {}\n", "f:7:5: \"servers\" has 0 entries; expected 1 to 4096\n"},
    {IN_SERVICE LISTEN "    servers: [1.1.1.1:1]\n", "f:7:14: \"servers\" is a list; expected a mapping of names, e.g. servers: {k8s-master-1: 10.196.35.20:6443}\n"},
    {TOP "services: {s: 5}\n", "f:4:15: service \"s\" is 5; expected a mapping with listen and servers\n"},
    {TOP SERVICE "workers:\n", "f:6:1: \"workers\" is empty; expected auto or a number from 1 to 64\n"},
    {TOP SERVICE "workers: ~\n", "f:6:1: \"workers\" is empty; expected auto or a number from 1 to 64\n"},
    {TOP SERVICE "workers: {}\n", "f:6:10: \"workers\" is a mapping; expected auto or a number from 1 to 64\n"},
    {TOP SERVICE "key_file: \"\"\n", "f:6:11: \"key_file\" is \"\"; expected an absolute path, or none\n"},
    {"cluster: k8s\nnodes: {a: 10.0.0.1}\nvips: 10.0.0.9\n" SERVICE, "f:3:7: \"vips\" is 10.0.0.9; expected a list, e.g. vips: [10.196.35.30]\n"},
    {IN_SERVICE LISTEN SERVERS "    check: tcp\n", "f:8:12: \"check\" is tcp; expected a mapping, e.g. {type: http, path: /healthz}\n"},

    /* Names. */
    {"cluster: K8S\nnodes: {a: 10.0.0.1}\nvips: [10.0.0.9]\n" SERVICE, "f:1:10: \"cluster\" is K8S; expected 1 to 63 of a-z, 0-9 and \"-\"\n"},
    {"cluster: a123456789b123456789c123456789d123456789e123456789f123456789abcd\nnodes: {a: 10.0.0.1}\nvips: [10.0.0.9]\n" SERVICE,
     "f:1:10: \"cluster\" is a123456789b123456789c123456789d123456789e123456789f123456789...; expected at most 63 bytes; it has 64\n"},
    {TOP "services: {a/b: {listen: 80, servers: {x: 1.1.1.1:1}}}\n", "f:4:12: service name \"a/b\"; expected 1 to 63 of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"\n"},
    {TOP "services: {s: {listen: 80, servers: {'x y': 1.1.1.1:1}}}\n", "f:4:38: server name \"x y\"; expected 1 to 63 of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"\n"},
    {"cluster: k8s\nnodes: {'': 10.0.0.1}\nvips: [10.0.0.9]\n" SERVICE, "f:2:9: node name \"\"; expected 1 to 63 of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"\n"},

    /* Numbers. */
    {TOP SERVICE "peer_port: 0\n", "f:6:12: \"peer_port\" is 0; expected a number from 1 to 65535\n"},
    {TOP SERVICE "peer_port: 65536\n", "f:6:12: \"peer_port\" is 65536; expected a number from 1 to 65535\n"},
    {TOP SERVICE "peer_port: 010\n", "f:6:12: \"peer_port\" is 010; expected a number from 1 to 65535\n"},
    {TOP SERVICE "peer_port: 0x10\n", "f:6:12: \"peer_port\" is 0x10; expected a number from 1 to 65535\n"},
    {TOP SERVICE "peer_port: +1\n", "f:6:12: \"peer_port\" is +1; expected a number from 1 to 65535\n"},
    {TOP SERVICE "peer_port: 1_0\n", "f:6:12: \"peer_port\" is 1_0; expected a number from 1 to 65535\n"},
    {TOP SERVICE "peer_port: 1e3\n", "f:6:12: \"peer_port\" is 1e3; expected a number from 1 to 65535\n"},
    {TOP SERVICE "peer_port: 99999999999999999999999\n", "f:6:12: \"peer_port\" is 99999999999999999999999; expected a number from 1 to 65535\n"},
    {TOP SERVICE "election: {vrid: 256}\n", "f:6:18: \"vrid\" is 256; expected a number from 1 to 255\n"},
    {IN_SERVICE LISTEN SERVERS "    max_connections: 0\n", "f:8:22: \"max_connections\" is 0; expected none or a number from 1 to 10000000\n"},
    {IN_SERVICE LISTEN "    servers: {x: {address: 1.1.1.1:1, weight: 257}}\n", "f:7:47: \"weight\" is 257; expected a number from 1 to 256\n"},
    {"cluster: k8s\nnodes: {a: {address: 10.0.0.1, priority: 255}}\nvips: [10.0.0.9]\n" SERVICE, "f:2:42: \"priority\" is 255; expected a number from 1 to 254\n"},

    /* Durations. */
    {TOP SERVICE "election: {interval: 5ms}\n", "f:6:22: \"interval\" is 5ms; expected a duration from 10ms to 40.95s\n"},
    {TOP SERVICE "election: {interval: 40.96s}\n", "f:6:22: \"interval\" is 40.96s; expected a duration from 10ms to 40.95s\n"},
    {TOP SERVICE "election: {interval: 15ms}\n", "f:6:22: \"interval\" is 15ms; expected a multiple of 10ms\n"},
    {TOP SERVICE "election: {interval: 1}\n", "f:6:22: \"interval\" is 1; expected a duration with its unit, from 10ms to 40.95s; write 1s or 1ms\n"},
    {TOP SERVICE "election: {failback: 0}\n", "f:6:22: \"failback\" is 0; expected never or a duration from 100ms to 24h\n"},
    {IN_SERVICE LISTEN SERVERS "    connect_timeout: soon\n", "f:8:22: \"connect_timeout\" is soon; expected a duration from 10ms to 1m\n"},
    {IN_SERVICE LISTEN SERVERS "    connect_timeout: 0\n", "f:8:22: \"connect_timeout\" is 0; expected a duration from 10ms to 1m\n"},
    {IN_SERVICE LISTEN SERVERS "    idle_timeout: 1us\n", "f:8:19: \"idle_timeout\" is 1us; expected 0 or a duration from 100ms to 168h\n"},
    {IN_SERVICE LISTEN SERVERS "    hedge_after: 0\n", "f:8:18: \"hedge_after\" is 0; expected auto, off or a duration from 1ms to 10s\n"},
    {IN_SERVICE LISTEN SERVERS "    keepalive: 20s/5s\n", "f:8:16: \"keepalive\" is 20s/5s; expected idle/interval/count in whole seconds, e.g. 20s/5s/3\n"},
    {IN_SERVICE LISTEN SERVERS "    keepalive: 20s/500ms/3\n", "f:8:16: \"keepalive\" is 20s/500ms/3; expected idle/interval/count in whole seconds, e.g. 20s/5s/3\n"},
    {IN_SERVICE LISTEN SERVERS "    keepalive: 20s/5s/128\n", "f:8:16: \"keepalive\" is 20s/5s/128; expected idle/interval/count in whole seconds, e.g. 20s/5s/3\n"},
    {IN_SERVICE LISTEN SERVERS "    keepalive: 20s/5s/3/4\n", "f:8:16: \"keepalive\" is 20s/5s/3/4; expected idle/interval/count in whole seconds, e.g. 20s/5s/3\n"},

    /* Words. */
    {IN_SERVICE LISTEN SERVERS "    balance: Source\n", "f:8:14: \"balance\" is Source; expected leastconn, roundrobin, random, source or first\n"},
    {IN_SERVICE LISTEN SERVERS "    accept_proxy: yes\n", "f:8:19: \"accept_proxy\" is yes; expected true or false\n"},
    {TOP SERVICE "election: {transport: anycast}\n", "f:6:23: \"transport\" is anycast; expected unicast or multicast\n"},

    /* Addresses. */
    {"cluster: k8s\nnodes: {a: host.example}\nvips: [10.0.0.9]\n" SERVICE, "f:2:12: \"a\" is host.example; expected an IPv4 or IPv6 address\n"},
    {"cluster: k8s\nnodes: {a: {address: 10.0.0}}\nvips: [10.0.0.9]\n" SERVICE, "f:2:22: \"address\" is 10.0.0; expected an IPv4 or IPv6 address\n"},
    {IN_SERVICE SERVERS "    listen: eighty\n", "f:7:13: \"listen\" is eighty; expected a port from 1 to 65535, ADDR:PORT, or a list of them\n"},
    {IN_SERVICE SERVERS "    listen: [80, 0]\n", "f:7:18: \"listen\" contains 0; expected a port from 1 to 65535, ADDR:PORT\n"},
    {IN_SERVICE SERVERS "    listen: []\n", "f:7:13: \"listen\" has 0 entries; expected 1 to 32\n"},
    {IN_SERVICE LISTEN "    servers: {x: 10.196.35.20:99999}\n", "f:7:18: \"x\" is 10.196.35.20:99999; expected ADDR:PORT, the port from 1 to 65535 and IPv6 as \"[ADDR]:PORT\"\n"},
    {TOP SERVICE "metrics: {listen: 9100}\n", "f:6:19: \"listen\" is 9100; expected off or ADDR:PORT, IPv6 as \"[ADDR]:PORT\"\n"},
    {IN_SERVICE LISTEN SERVERS "    deny: [10.0.0.1/8]\n", "f:8:12: \"deny\" contains 10.0.0.1/8; expected a network such as 10.0.0.0/8 with nothing behind its prefix, or an address\n"},
    {IN_SERVICE LISTEN SERVERS "    allow: []\n", "f:8:12: \"allow\" is an empty list; expected all or a list of networks, e.g. [10.0.0.0/8]\n"},
    {IN_SERVICE LISTEN SERVERS "    allow: 10.0.0.0/8\n", "f:8:12: \"allow\" is 10.0.0.0/8; expected all or a list of networks, e.g. [10.0.0.0/8]\n"},

    /* Texts. */
    {TOP SERVICE "key_file: cluster.key\n", "f:6:11: \"key_file\" is cluster.key; expected an absolute path, or none\n"},
    {TOP SERVICE "admin: {group: 'a b'}\n", "f:6:16: \"group\" is a b; expected the name of a group\n"},
    {"cluster: k8s\nnodes: {a: 10.0.0.1}\nvips: [{address: 10.0.0.9, interface: a-very-long-name}]\n" SERVICE, "f:3:39: \"interface\" is a-very-long-name; expected at most 15 bytes; it has 16\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: http, path: healthz}\n", "f:8:31: \"path\" is healthz; expected a path that begins with \"/\" and has no blanks\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: http, path: /a b}\n", "f:8:31: \"path\" is /a b; expected a path that begins with \"/\" and has no blanks\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: http, method: get}\n", "f:8:33: \"method\" is get; expected an HTTP method in capitals, e.g. GET or HEAD\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: http, host: a b}\n", "f:8:31: \"host\" is a b; expected a host name, or \"\"\n"},

    /* Codes. */
    {IN_SERVICE LISTEN SERVERS "    check: {type: http, expect: [ok]}\n", "f:8:34: \"expect\" contains ok; expected HTTP codes 100 to 599 or ranges such as 200-299, at most 16\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: http, expect: 299-200}\n", "f:8:33: \"expect\" is 299-200; expected HTTP codes 100 to 599 or ranges such as 200-299, at most 16\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: http, expect: 200-}\n", "f:8:33: \"expect\" is 200-; expected HTTP codes 100 to 599 or ranges such as 200-299, at most 16\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: http, expect: 600}\n", "f:8:33: \"expect\" is 600; expected HTTP codes 100 to 599 or ranges such as 200-299, at most 16\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: http, expect: []}\n", "f:8:33: \"expect\" is an empty list; expected at least one code\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: http, expect: [1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7]}\n", "f:8:33: \"expect\" has 17 entries; expected at most 16\n"},

    /* Keys that another type of check knows. */
    {IN_SERVICE LISTEN SERVERS "    check: {expect: 200}\n", "f:8:13: \"expect\" has no meaning in a check of type tcp; " TCP_HINT "http or https\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: http, verify: false}\n", "f:8:25: \"verify\" has no meaning in a check of type http; " TCP_HINT "https\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: agent, path: /}\n", "f:8:26: \"path\" has no meaning in a check of type agent; " TCP_HINT "http or https\n"},
    {IN_SERVICE LISTEN SERVERS "    check: {type: smtp, path: /}\n", "f:8:19: \"type\" is smtp; expected tcp, http, https or agent\n"},
};
/* clang-format on */

#endif
