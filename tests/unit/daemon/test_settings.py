"""Settings: defaults, what each source may give, what is refused and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcounterd.daemon.addresses import Address
from gcounterd.daemon.options import JOIN_ADDRESSES_MAX, OPTIONS
from gcounterd.daemon.settings import (
    CONFIG_BYTES_MAX,
    Origins,
    Settings,
    load_settings,
    print_settings,
    sanitise_name,
)
from gcounterd.errors import ConfigError

HOME = {"HOME": "/home/anna"}


def load(
    flags: dict[str, object] | None = None,
    environ: dict[str, str] | None = None,
    *,
    terminal: bool = False,
) -> tuple[Settings, Origins]:
    return load_settings(flags or {}, HOME | (environ or {}), host_name="h1", terminal=terminal)


def refusal(flags: dict[str, object] | None = None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(flags, environ)
    return str(caught.value)


def write(folder: Path, text: str) -> dict[str, object]:
    path = folder / "gcounterd.toml"
    path.write_text(text)
    return {"config": str(path)}


def test_defaults_are_those_of_the_contract() -> None:
    settings, origins = load()
    assert settings == Settings(
        name="h1",
        cluster="local",
        data_dir=Path("/home/anna/.local/state/gcounterd"),
        peer=Address("127.0.0.1", 7700),
        advertise=Address("127.0.0.1", 7700),
        http=Address("127.0.0.1", 7777),
        http_of=(),
        resp=Address("127.0.0.1", 7379),
        http_tls_cert=None,
        http_tls_key=None,
        resp_tls=False,
        token_file=None,
        public=None,
        join=(),
        join_token_file=None,
        admission="open",
        cluster_key_file=None,
        tls_cert=None,
        tls_key=None,
        tls_ca=None,
        take_over=False,
        new_identity=False,
        profile="lan",
        durability="commit",
        max_counters=16_000_000,
        growth_limit=None,
        archive_budget=None,
        drain_delay=0,
        max_connections=None,
        rate_limit=None,
        fronts=0,
        salvage=False,
        log_format="json",
        log_level="info",
    )
    assert all(origin.startswith("default") for origin in origins.values())
    assert list(origins) == [option.name for option in OPTIONS]


def test_resp_may_be_off_and_is_so_when_printed_and_read_back(tmp_path: Path) -> None:
    settings, origins = load({"resp": "off"})
    assert settings.resp is None
    assert load(write(tmp_path, print_settings(settings, origins)))[0].resp is None
    assert load()[0].resp == Address("127.0.0.1", 7379)
    assert "others can reach this address" in refusal({"resp": "0.0.0.0"})


def test_logs_are_for_eyes_on_a_terminal_only() -> None:
    assert load(terminal=True)[0].log_format == "console"


def test_what_is_advertised_follows_the_peer_address_unless_given() -> None:
    assert load({"peer": "127.0.0.2:9000"})[0].advertise == Address("127.0.0.2", 9000)
    given = load({"peer": "127.0.0.2:9000", "advertise": "node-1.example:7"})[0]
    assert given.advertise == Address("node-1.example", 7)


def test_a_file_gives_every_kind_of_value(tmp_path: Path) -> None:
    text = """
        name = "n1"
        join = ["127.0.0.1:7701", "n3", "127.0.0.1:7701"]
        max-counters = 5_000
        salvage = true
        data-dir = "/var/lib/g"
    """
    settings, origins = load(write(tmp_path, text))
    assert (settings.name, settings.max_counters, settings.salvage) == ("n1", 5000, True)
    assert settings.join == (Address("127.0.0.1", 7701), Address("n3", 7700))
    assert settings.data_dir == Path("/var/lib/g")
    assert origins["name"] == f"file {tmp_path}/gcounterd.toml"


def test_the_environment_gives_every_kind_of_value() -> None:
    settings, origins = load(
        environ={
            "GCOUNTERD_JOIN": "127.0.0.1:7701, n3",
            "GCOUNTERD_SALVAGE": "Yes",
            "GCOUNTERD_MAX_COUNTERS": "77",
            "GCOUNTERD_DATA_DIR": "/d",
        }
    )
    assert settings.join == (Address("127.0.0.1", 7701), Address("n3", 7700))
    assert (settings.salvage, settings.max_counters) == (True, 77)
    assert origins["salvage"] == "environment GCOUNTERD_SALVAGE"


def test_an_empty_variable_counts_as_not_given() -> None:
    assert load(environ={"GCOUNTERD_NAME": "", "GCOUNTERD_PEER": ""})[0].name == "h1"


def test_variables_that_an_orchestrator_injects_are_left_alone() -> None:
    assert load(environ={"GCOUNTERD_PORT": "tcp://10.0.0.1:7777"})[0] == load()[0]


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "n9"')["config"]
    assert load(environ={"GCOUNTERD_CONFIG": str(path)})[0].name == "n9"


def test_state_directory_of_a_service_comes_before_the_home() -> None:
    settings, origins = load(environ={"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"})
    assert settings.data_dir == Path("/var/lib/a")
    assert origins["data-dir"] == "default ($STATE_DIRECTORY)"


def test_without_a_home_the_data_directory_has_to_be_given() -> None:
    with pytest.raises(ConfigError, match="--data-dir is not given"):
        load_settings({}, {}, host_name="h", terminal=False)
    given = load_settings({"data_dir": "/d"}, {}, host_name="h", terminal=False)[0]
    assert given.data_dir == Path("/d")


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1:7700", "0.0.0.0:7700", "[::]:7700", "node.example", "127.1", "127.0.0.1.x"],
)
def test_addresses_that_others_could_reach_need_tokens_or_to_be_public(address: str) -> None:
    for option in ("http", "resp"):
        sentence = refusal({option: address})
        # Both ways out are said, and each of them is one.
        assert "--token-file" in sentence
        assert "--public count,read" in sentence
        for way in ({"token_file": "t"}, {"public": "read"}):
            assert getattr(load({option: address, **way})[0], option) is not None


def test_what_is_public_is_what_everybody_may_do_and_never_more() -> None:
    assert load({"public": "count,read"})[0].public == "read,count"
    assert load({"public": "read"})[0].public == "read"
    for text in ("admin", "read,admin", "", "read count"):
        flags = {"public": text} if text else {"public": ","}
        assert "is never public" in refusal(flags)


TLS = {"tls_cert": "n.pem", "tls_key": "n.key", "tls_ca": "ca.pem"}


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1:7700", "0.0.0.0:7700", "[::]:7700", "node.example", "127.1", "127.0.0.1.x"],
)
def test_a_peer_address_that_others_could_reach_needs_security_and_both_ways_are_said(
    address: str,
) -> None:
    given = {"peer": address, "cluster": "c", "advertise": "10.0.0.1"}
    sentence = refusal(given)
    for way in ("--cluster-key-file", "--tls-cert, --tls-key and --tls-ca", "gcounterctl pki"):
        assert way in sentence
    assert load({**given, **TLS})[0].tls_ca == Path("ca.pem")
    assert load({**given, "cluster_key_file": "key"})[0].cluster_key_file == Path("key")


def test_half_of_the_certificates_or_both_ways_at_once_are_refused() -> None:
    assert "tls-key, tls-ca: missing" in refusal({"tls_cert": "n.pem"})
    assert "it stands instead of" in refusal({**TLS, "cluster_key_file": "key"})


@pytest.mark.parametrize(
    "address", ["127.0.0.1:0", "127.255.3.4", "[::1]:7", "localhost:7", "[::ffff:127.0.0.1]:7"]
)
def test_loopback_addresses_are_good(address: str) -> None:
    settings, _ = load({"peer": address, "http": address})
    assert settings.peer.is_loopback()


def test_a_cluster_open_to_others_must_be_named() -> None:
    assert "cluster: it must be given" in refusal({"peer": "10.0.0.1:1"})


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("name", "-n", "a name is 1 to 64"),
        ("name", "n" * 65, "a name is 1 to 64"),
        ("name", "n\n", "a name is 1 to 64"),
        ("cluster", "a b", "a name is 1 to 64"),
        ("peer", "127.0.0.1:65536", "is not a port"),
        ("peer", "127.0.0.1:", "is not a port"),
        ("peer", "127.0.0.1:+1", "is not a port"),
        ("peer", "127.0.0.1:٣", "is not a port"),
        ("peer", "::1", "put an IPv6 address in brackets"),
        ("peer", ":7700", "the host is missing"),
        ("peer", "[::1", "an IPv6 address is written"),
        ("peer", "[::g]:1", "is not an IPv6 address"),
        ("http", "http://127.0.0.1:7777", "brackets"),
        ("http", "a" * 300, "longer than 253"),
        ("join", ("a:0",), "not one to connect to"),
        ("join", ("0.0.0.0:7",), "not one to connect to"),
        ("join", ("a",) * (JOIN_ADDRESSES_MAX + 1), "more than 4096"),
        ("advertise", "0.0.0.0:7", "peers cannot connect to it"),
        ("join_token_file", "", "the path is empty"),
        ("admission", "closed", "choose one of open, approved"),
        ("profile", "moon", "choose one of local, lan, wan"),
        ("durability", "fast", "choose one of commit, relaxed, memory"),
        ("max_counters", "0", "whole number from 1"),
        ("max_counters", "1e3", "whole number from 1"),
        ("max_counters", "9" * 100_000, "whole number from 1"),
        ("max_connections", "15", "whole number from 16"),
        ("log_level", "INFO", "choose one of debug"),
        ("data_dir", "~/g", "~ is not expanded"),
        ("data_dir", "a\0b", "do not print"),
        ("data_dir", "/" + "d" * 200, "107 bytes"),
    ],
)
def test_a_wrong_value_is_refused_and_named(option: str, value: object, words: str) -> None:
    sentence = refusal({option: value})
    assert words in sentence
    assert option.replace("_", "-") in sentence
    assert len(sentence) < 1000


def test_all_wrong_values_are_named_at_once() -> None:
    lines = refusal({"name": "?", "durability": "x"}, {"GCOUNTERD_MAX_COUNTERS": "-1"}).splitlines()
    assert [line.split(" (")[0] for line in lines] == ["name", "durability", "max-counters"]
    assert "(environment GCOUNTERD_MAX_COUNTERS)" in lines[2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('data_dir = "/d"', "unknown key data_dir in"),
        ('data_dir = "/d"', "did you mean data-dir?"),
        ('durabillity = "commit"', "did you mean durability?"),
        ("[peer]\naddress = 1", "expected: string"),
        ("name = 3", "expected: string"),
        ("max-counters = true", "expected: integer"),
        ("max-counters = 1.5", "expected: integer"),
        ("max-counters = 0x" + "f" * 50_000, "max-counters"),
        ("salvage = 1", "expected: boolean"),
        ("join = [1]", "expected: array of strings"),
        ("join = 3", "expected: array of strings"),
        ("name = ", "is not TOML"),
        ("a = " + "[" * 100_000, "is not TOML"),
        ('name = "a"\nname = "b"', "is not TOML"),
    ],
)
def test_a_wrong_file_is_refused_and_named(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(write(tmp_path, text))


def test_a_far_off_key_gets_no_suggestion(tmp_path: Path) -> None:
    assert "did you mean" not in refusal(write(tmp_path, "zzz = 1"))


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal({"config": str(tmp_path / "none")})
    assert "cannot be read: Is a directory" in refusal({"config": str(tmp_path)})
    (tmp_path / "latin").write_bytes(b'name = "\xe9"')
    assert "is not TOML" in refusal({"config": str(tmp_path / "latin")})
    assert f"over {CONFIG_BYTES_MAX} bytes" in refusal({"config": "/dev/zero"})


def test_a_control_character_in_a_value_is_shown_escaped() -> None:
    assert "\x1b" not in refusal({"name": "\x1b[31m"}, {"GCOUNTERD_CONFIG": ""})


@pytest.mark.parametrize(
    ("host_name", "name"),
    [
        ("db-1.example.com", "db-1.example.com"),
        ("Annas Rechner", "Annas-Rechner"),
        ("_srv", "srv"),
        ("…", "node"),
        ("", "node"),
        ("x" * 63 + "-y", "x" * 63),
    ],
)
def test_a_host_name_is_made_a_legal_name(host_name: str, name: str) -> None:
    assert sanitise_name(host_name) == name


def test_settings_are_printed_with_their_origins(tmp_path: Path) -> None:
    flags = {**write(tmp_path, 'cluster = "c"'), "join": ("a", "b:1")}
    printed = print_settings(*load(flags, {"GCOUNTERD_NAME": "n1"}))
    assert 'name = "n1"  # environment GCOUNTERD_NAME\n' in printed
    assert f'cluster = "c"  # file {tmp_path}/gcounterd.toml\n' in printed
    assert 'join = ["a:7700", "b:1"]  # flag --join\n' in printed
    assert 'advertise = "127.0.0.1:7700"  # default (peer address)\n' in printed
    assert "# max-connections: what the raised limit" in printed
