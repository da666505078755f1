"""The commands of a connection and of the server: HELLO to QUIT, COMMAND, CONFIG and INFO.

Theory. Clients say several things before they count, and are content with little: redis-py asks for
RESP 3 and gives its name, redis-cli asks what there is to complete, redis-benchmark how durable the
server is. Each is answered with what is true here, or with the error that Redis has for it.

A password is a token. Where there are none, AUTH answers as a Redis does that has no password.
"""

from __future__ import annotations

import os

from gcounterd import __version__
from gcounterd.errors import ClientError
from gcounterd.resp.burst import Burst
from gcounterd.resp.globs import compile_glob
from gcounterd.resp.limits import (
    CONFIG_PATTERN_BYTES_MAX,
    CONFIG_PATTERNS_MAX,
    NAME_BYTES_MAX,
    REDIS_VERSION,
)
from gcounterd.resp.session import Args, Command, Session
from gcounterd.resp.writing import OK, Shape, bulk, error, integer, write

_PROTOCOLS = {b"2": 2, b"3": 3}
_OPEN = (
    "AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)
_USER = b"default"
_WRONG = error("invalid username-password pair or user is disabled.", "WRONGPASS")
_FIRST = error(
    "HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
    "<user> <pass> option can be used to authenticate the client and select the RESP protocol "
    "version at the same time",
    "NOAUTH",
)


def ping(session: Session, burst: Burst, args: Args) -> None:
    """`PING [message]`."""
    if len(args) > 2:
        burst.say(error("wrong number of arguments for 'ping' command"))
    else:
        burst.say(bulk(args[1]) if len(args) == 2 else b"+PONG\r\n")


def echo(session: Session, burst: Burst, args: Args) -> None:
    """`ECHO message`."""
    burst.say(bulk(args[1]))


def select(session: Session, burst: Burst, args: Args) -> None:
    """`SELECT 0`."""
    burst.say(OK if args[1] == b"0" else error("DB index is out of range: there is 0 only"))


def leave(session: Session, burst: Burst, args: Args) -> None:
    """`QUIT`."""
    burst.say(OK)
    session.closing = True


def auth(session: Session, burst: Burst, args: Args) -> None:
    """`AUTH [name] token`."""
    if len(args) > 3:
        burst.say(error("syntax error"))
    elif len(args) == 2 and not session.permit.asked:
        burst.say(error(_OPEN))
    else:
        burst.say(_authenticate(session, args[1] if len(args) == 3 else b"", args[-1]))


def _authenticate(session: Session, user: bytes, secret: bytes) -> bytes:
    if session.permit.asked:
        try:
            session.show(user, secret)
        except ClientError as refusal:
            session.backend.count(f"resp_{refusal.code}")
            return _WRONG
        return OK
    # Redis lets its default user in with any password, as long as none is set.
    return OK if user == _USER else _WRONG


def hello(session: Session, burst: Burst, args: Args) -> None:
    """`HELLO [protocol [AUTH name token] [SETNAME name]]`."""
    protocol = _PROTOCOLS.get(args[1]) if len(args) > 1 else session.protocol
    if protocol is None:
        burst.say(error("unsupported protocol version", "NOPROTO"))
        return
    name, rest = session.name, args[2:]
    while rest:
        match rest[0].upper():
            case b"AUTH" if len(rest) >= 3:
                allowed, rest = _authenticate(session, rest[1], rest[2]), rest[3:]
                if allowed is not OK:
                    burst.say(allowed)
                    return
            case b"SETNAME" if len(rest) >= 2 and is_name(rest[1]):
                name, rest = rest[1], rest[2:]
            case _:
                burst.say(error("Syntax error in HELLO"))
                return
    if session.permit.empty:
        burst.say(_FIRST)
        return
    session.protocol, session.name = protocol, name
    told: Shape = {
        "server": "gcounterd",
        "version": __version__,
        "proto": protocol,
        "id": session.number,
        "mode": "standalone",
        "role": "master",
        "modules": [],
    }
    burst.say(write(told, protocol))


def is_name(name: bytes) -> bool:
    """Say whether a client may call itself so: visible ASCII, no spaces."""
    return len(name) <= NAME_BYTES_MAX and all(0x21 <= byte <= 0x7E for byte in name)


def client(session: Session, burst: Burst, args: Args) -> None:
    """`CLIENT SETNAME|GETNAME|SETINFO|ID`."""
    match [args[1].upper(), *args[2:]]:
        case [b"ID"]:
            burst.say(integer(session.number))
        case [b"GETNAME"]:
            burst.say(write(session.name or None, session.protocol))
        case [b"SETNAME", name] if is_name(name):
            session.name = name
            burst.say(OK)
        case [b"SETINFO", what, text] if what.upper() in (b"LIB-NAME", b"LIB-VER"):
            # Nothing here is made better by knowing it.
            burst.say(OK if is_name(text) else error(f"{_word(what)} has characters not allowed"))
        case [b"SETNAME", _]:
            burst.say(error("Client names cannot contain spaces, newlines or special characters."))
        case _:
            burst.say(error("CLIENT knows SETNAME, GETNAME, SETINFO and ID here"))


def _word(text: bytes) -> str:
    return text.decode("ascii", "backslashreplace").lower()


def command(session: Session, burst: Burst, args: Args) -> None:
    """`COMMAND [COUNT|DOCS|INFO [name …]]`."""
    table = session.room.table
    names = [name.upper() for name in args[2:]]
    match args[1].upper() if len(args) > 1 else b"ALL":
        case b"ALL":
            told: Shape = [_describe(row) for row in table.values()]
        case b"COUNT":
            told = len(table)
        case b"INFO":
            chosen = names or list(table)
            told = [_describe(table[name]) if name in table else None for name in chosen]
        case b"DOCS":
            chosen = [name for name in names or table if name in table]
            told = {table[name].name.lower(): _document(table[name]) for name in chosen}
        case _:
            burst.say(error("COMMAND knows COUNT, DOCS and INFO here"))
            return
    burst.say(write(told, session.protocol))


def _describe(row: Command) -> Shape:
    # Flags are status replies in Redis; clients take either.
    return [row.name.lower(), row.arity, list(row.flags), *row.keys, [], [], [], []]


def _document(row: Command) -> Shape:
    # redis-cli completes by the arguments; they are told as one, which it shows as it stands.
    told: dict[str, Shape] = {"summary": row.help.replace("`", ""), "group": row.group}
    if row.since:
        told["since"] = row.since
    if row.usage:
        told["arguments"] = [{"name": row.usage, "type": "string"}]
    return told


async def config(session: Session, args: Args) -> bytes:
    """`CONFIG GET pattern …`."""
    if args[1].upper() != b"GET" or len(args) < 3:
        return error("CONFIG knows GET only; settings are options of gcounterd run")
    if len(args[2:]) > CONFIG_PATTERNS_MAX:
        return error(f"at most {CONFIG_PATTERNS_MAX} patterns")
    given = [pattern.lower() for pattern in args[2:] if len(pattern) <= CONFIG_PATTERN_BYTES_MAX]
    patterns = [compile_glob(pattern) for pattern in given]
    told: dict[str, Shape] = {
        name: text
        for name, text in _settings(session).items()
        if any(pattern.fullmatch(name.encode()) for pattern in patterns)
    }
    return write(told, session.protocol)


def _settings(session: Session) -> dict[str, str]:
    # How a Redis of the same durability is set.
    durability = session.backend.status().get("durability", "commit")
    return {
        "appendfsync": "always" if durability == "commit" else "everysec",
        "appendonly": "no" if durability == "memory" else "yes",
        "databases": "1",
        "maxmemory": "0",
        "save": "",
    }


async def info(session: Session, args: Args) -> bytes:
    """`INFO [section …]`."""
    sections = _sections(session)
    wanted = [name.decode("ascii", "replace").lower() for name in args[1:]]
    if not wanted or any(name in ("all", "default", "everything") for name in wanted):
        wanted = list(sections)
    parts = []
    for name in wanted:
        if name in sections:
            lines = [f"{field}:{text}\r\n" for field, text in sections[name].items()]
            parts.append(f"# {name.capitalize()}\r\n" + "".join(lines))
    return bulk("\r\n".join(parts).encode())


def _sections(session: Session) -> dict[str, dict[str, object]]:
    status = session.backend.status()
    keys = session.backend.size()
    return {
        "server": {
            "redis_version": REDIS_VERSION,
            "redis_mode": "standalone",
            "gcounterd_version": __version__,
            "gcounterd_node": session.backend.name,
            "process_id": os.getpid(),
            "uptime_in_seconds": int(float(str(status.get("uptime_s", 0)))),
        },
        "persistence": {
            "loading": int(not session.backend.readiness().readable),
            "gcounterd_durability": status.get("durability", "commit"),
        },
        "replication": {"role": "master", "gcounterd_members": status.get("members", 1)},
        "keyspace": {"db0": f"keys={keys},expires=0,avg_ttl=0"} if keys else {},
    }


_STALE = ("loading", "stale", "fast")
COMMANDS = (
    Command("PING", "[message]", -1, "PONG, or the message.", ping, queued=True, flags=("fast",)),
    Command("ECHO", "message", 2, "The message.", echo, queued=True),
    Command("SELECT", "0", 2, "There is one database, 0.", select, queued=True, flags=_STALE),
    Command("QUIT", "", 1, "OK, then the connection is closed.", leave, flags=_STALE),
    Command(
        "HELLO",
        "[2|3 [AUTH name token] [SETNAME name]]",
        -1,
        "Speaks RESP 2 or 3 from now on, and says who answers.",
        hello,
        flags=_STALE,
        since="6.0.0",
    ),
    Command(
        "AUTH",
        "[name] token",
        -2,
        "Shows a token, and its name if the user is not `default`. Where there are no tokens: as a "
        "Redis without a password.",
        auth,
        flags=_STALE,
    ),
    Command(
        "CLIENT",
        "SETNAME name | GETNAME | SETINFO LIB-NAME|LIB-VER text | ID",
        -2,
        "The connection's name and number. What a library says about itself is not kept.",
        client,
        flags=_STALE,
        since="2.4.0",
    ),
    Command(
        "COMMAND",
        "[COUNT | DOCS [name …] | INFO [name …]]",
        -1,
        "This table.",
        command,
        flags=_STALE,
        group="server",
        since="2.8.13",
    ),
    Command(
        "CONFIG",
        "GET pattern [pattern …]",
        -2,
        "How a Redis of the same durability is set: `appendonly`, `save` and the like.",
        perform=config,
        flags=("loading", "stale"),
        group="server",
        since="2.0.0",
    ),
    Command(
        "INFO",
        "[section …]",
        -1,
        "This node in a few figures; `/v1/status` has more.",
        perform=info,
        flags=("loading", "stale"),
        group="server",
    ),
)
