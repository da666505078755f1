"""The table of options: the one place that says what an operator may set.

Each row gives an option's name, how its text is read, what it means and what happens without it.
The flag, the environment variable, the TOML key, the help text, `--print-config` and
`docs/reference/options.md` are all made from it, so they cannot disagree. Which source wins and
which combinations are refused is `settings`' business; this module refuses to know either.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs

from gcounterd.daemon.neighbours import read_http_of
from gcounterd.daemon.option_values import (
    HTTP_PORT,
    OFF,
    PEER_PORT,
    RESP_PORT,
    number_between,
    one_of,
    read_http,
    read_name,
    read_path,
    read_peer,
    read_public,
    read_resp,
    read_seed,
    read_switch,
)

ADMISSIONS = ("open", "approved")
PROFILES = ("local", "lan", "wan")
DURABILITIES = ("commit", "relaxed", "memory")
LOG_FORMATS = ("json", "console")
LOG_LEVELS = ("debug", "info", "warning", "error")

MAX_COUNTERS_DEFAULT = 16_000_000
# Rows of the key index are numbered in 32 bits.
MAX_COUNTERS_MAX = 2**32 - 1
# As far as a counter goes.
GROWTH_LIMIT_MAX = 2**53
# An exbibyte: no disk is larger.
ARCHIVE_BUDGET_MAX = 2**60
# An hour: longer than any balancer takes, and a bound on what a typing error can ask for.
DRAIN_DELAY_MAX = 3600
# Fewer would not leave room for the operator beside the clients.
CONNECTIONS_MIN = 16
# More processes than any host of today has use for.
FRONTS_MAX = 64
# Far above what one process can serve; a bound on what a typing error can ask for.
CONNECTIONS_MAX = 1_000_000
# Far above what one process can answer; a bound on what a typing error can ask for.
RATE_MAX = 10_000_000
# As many as a roster can hold members: more addresses cannot name more of them.
JOIN_ADDRESSES_MAX = 4096


class Shape(enum.Enum):
    """How a value is held in TOML and given on the command line."""

    TEXT = "string"
    NUMBER = "integer"
    SWITCH = "boolean"
    LIST = "array of strings"


@attrs.frozen
class Option:
    """One row.

    name     the flag without dashes, and the TOML key
    metavar  what stands for the value in help texts, empty for a switch
    default  what holds if it is not given, in words
    help     one sentence
    read     text → value of the type `Settings` has; raises `ValueError` with what is wrong
    without  the text that is read as None, "" if None only stands for not given
    """

    name: str
    metavar: str
    default: str
    help: str
    read: Callable[[str], object]
    shape: Shape = Shape.TEXT
    without: str = ""

    @property
    def field(self) -> str:
        """Return the name of the attribute of `Settings`."""
        return self.name.replace("-", "_")

    @property
    def flag(self) -> str:
        """Return the command-line flag."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """Return the environment variable."""
        return f"GCOUNTERD_{self.field.upper()}"


OPTIONS: tuple[Option, ...] = (
    Option(
        "name",
        "NAME",
        "the host name",
        "This node's name, unique among the members. Its identity is an id in the data directory.",
        read_name,
    ),
    Option(
        "cluster",
        "NAME",
        "local",
        "The cluster's name; nodes of another name are refused.",
        read_name,
    ),
    Option(
        "data-dir",
        "DIR",
        "$STATE_DIRECTORY, else gcounterd in the XDG state folder",
        "Journal and identity; locked by one process.",
        read_path,
    ),
    Option(
        "peer",
        "HOST:PORT",
        f"127.0.0.1:{PEER_PORT}",
        "Where peers connect. Loopback only, unless links are secured by --cluster-key-file or "
        "--tls-cert.",
        read_peer,
    ),
    Option(
        "advertise",
        "HOST:PORT",
        "the peer address",
        "Where peers are told to connect; port 0 stands for the port that was bound.",
        read_peer,
    ),
    Option(
        "http",
        "HOST:PORT",
        f"127.0.0.1:{HTTP_PORT}",
        "The HTTP API. Where others than this host can reach it: --token-file or --public.",
        read_http,
    ),
    Option(
        "http-of",
        "NAME=URL",
        "none: the dashboard counts at this node only",
        "Where browsers reach the HTTP API of another node; repeat for more. The dashboard counts "
        "there as well, and links to it.",
        read_http_of,
        Shape.LIST,
    ),
    Option(
        "resp",
        "HOST:PORT",
        f"127.0.0.1:{RESP_PORT}",
        f"The Redis protocol; {OFF}: not at all. Likewise.",
        read_resp,
        without=OFF,
    ),
    Option(
        "http-tls-cert",
        "FILE",
        "none: HTTP is not encrypted",
        "The HTTP port speaks TLS, with this certificate and its chain, as PEM. Read again on HUP.",
        read_path,
    ),
    Option("http-tls-key", "FILE", "none", "The key of that certificate.", read_path),
    Option(
        "resp-tls",
        "",
        "off",
        "The Redis port speaks TLS too, with the same certificate.",
        read_switch,
        Shape.SWITCH,
    ),
    Option(
        "token-file",
        "FILE",
        "none: who comes by loopback may do everything",
        "The tokens of clients, as lines that gcounterctl token new prints. Read again on HUP.",
        read_path,
    ),
    Option(
        "public",
        "SCOPE,…",
        "none",
        "What needs no token: read, count, or both with a comma between.",
        read_public,
    ),
    Option(
        "join",
        "HOST:PORT",
        "none: start alone, or with the members last known",
        f"Peer address of any member; repeat for more. The port defaults to {PEER_PORT}. "
        "Tried again, and resolved again, until joined.",
        read_seed,
        Shape.LIST,
    ),
    Option(
        "join-token-file",
        "FILE",
        "none",
        "The one-time token that gcounterctl add-node printed, for a cluster with "
        "--admission approved. Not needed any more once this node is a member.",
        read_path,
    ),
    Option(
        "admission",
        "|".join(ADMISSIONS),
        "open",
        "open: this node lets in whoever knows the cluster's name. approved: newcomers need an "
        "approval and its token, see gcounterctl add-node. Set the same at every node.",
        one_of(ADMISSIONS),
    ),
    Option(
        "cluster-key-file",
        "FILE",
        "none",
        "Secures links between peers by a key that all have: one a line, the first is used and all "
        "are accepted. gcounterctl pki key makes one. HUP reads it anew.",
        read_path,
    ),
    Option(
        "tls-cert",
        "FILE",
        "none",
        "Secures links between peers by certificates: this node's own, as PEM, which names it "
        "gcounterd://CLUSTER/NAME. gcounterctl pki node makes one. HUP reads it anew.",
        read_path,
    ),
    Option("tls-key", "FILE", "none", "The private key of --tls-cert, as PEM.", read_path),
    Option(
        "tls-ca",
        "FILE",
        "none",
        "The authorities that are trusted between peers, as PEM; two while one replaces the other.",
        read_path,
    ),
    Option(
        "take-over",
        "",
        "off",
        "A dead member of this name is removed into this node: a new disk, or a new host. Does "
        "nothing where this directory is that of a member.",
        read_switch,
        Shape.SWITCH,
    ),
    Option(
        "new-identity",
        "",
        "off",
        "Start on this data directory as a new node, where the node that it belonged to was "
        "removed. What that node counted stays its own. Does nothing where it was not removed.",
        read_switch,
        Shape.SWITCH,
    ),
    Option(
        "profile",
        "|".join(PROFILES),
        "lan",
        "How soon a silent member is missed: local for one host, lan for one site, wan for links "
        "that are slow or far.",
        one_of(PROFILES),
    ),
    Option(
        "durability",
        "|".join(DURABILITIES),
        "commit",
        "commit: answered after fsync. relaxed: answered at once, journalled soon after. "
        "memory: answered at once, kept by the peers.",
        one_of(DURABILITIES),
    ),
    Option(
        "max-counters",
        "N",
        f"{MAX_COUNTERS_DEFAULT}",
        "New keys beyond this many are refused; keys merged from peers are taken and alarmed.",
        number_between(1, MAX_COUNTERS_MAX),
        Shape.NUMBER,
    ),
    Option(
        "growth-limit",
        "N",
        "none",
        "Where links are secured: a peer that counts more than N a second, on average since it was "
        "first heard, is not believed and in quarantine. Set the same at every node.",
        number_between(1, GROWTH_LIMIT_MAX),
        Shape.NUMBER,
    ),
    Option(
        "archive-budget",
        "BYTES",
        "none",
        "What copies of lives that ended in a crash may take on disk. Beyond it the oldest are "
        "released: what has not been seen of them by then is refused, not counted.",
        number_between(0, ARCHIVE_BUDGET_MAX),
        Shape.NUMBER,
    ),
    Option(
        "drain-delay",
        "SECONDS",
        "0",
        "How long a node that drains or stops goes on taking increments after it is not ready any "
        "more, so that balancers see it in time.",
        number_between(0, DRAIN_DELAY_MAX),
        Shape.NUMBER,
    ),
    Option(
        "max-connections",
        "N",
        "what the raised limit of open files allows",
        "Client connections at once; when full, the longest-idle one is closed.",
        number_between(CONNECTIONS_MIN, CONNECTIONS_MAX),
        Shape.NUMBER,
    ),
    Option(
        "rate-limit",
        "N",
        "off",
        "Requests of a client in a second, and twice that after silence; beyond, 429. A client is "
        "a token, or without one an address.",
        number_between(1, RATE_MAX),
        Shape.NUMBER,
    ),
    Option(
        "fronts",
        "N",
        "0",
        "Extra processes that take client connections, for hosts with cores to spare.",
        number_between(0, FRONTS_MAX),
        Shape.NUMBER,
    ),
    Option(
        "salvage",
        "",
        "off",
        "Start although part of the store is damaged: damaged rows are set aside and named.",
        read_switch,
        Shape.SWITCH,
    ),
    Option(
        "log-format",
        "|".join(LOG_FORMATS),
        "console on a terminal, else json",
        "How log lines on stderr look.",
        one_of(LOG_FORMATS),
    ),
    Option("log-level", "|".join(LOG_LEVELS), "info", "The least to log.", one_of(LOG_LEVELS)),
)
