"""Authorities, certificates and keyrings: what a node accepts as its own, and what it refuses."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from gcounterd.errors import ConfigError
from gcounterd.security.certificates import (
    ALWAYS,
    Authority,
    derive_authority,
    describe,
    issue,
    load_authority,
    make_authority,
)
from gcounterd.security.keyring import KEYS_MAX, Keyring, read_keyring
from gcounterd.security.peers import Files, load_files, load_pair, names_in

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)
CA = make_authority("demo", NOW, 3650 * DAY)
# As long and as odd as names may be; as DNS names they could not stand in a certificate.
NAMES = ["n1", "a.b_c-d", "x" * 64]


def write(folder: Path, *, ca: Authority = CA, names: tuple[str, ...] = ("n1",)) -> Files:
    pair = issue(ca, "demo", names, NOW, NOW + DAY)
    files = Files(folder / "n1.pem", folder / "n1.key", folder / "ca.pem")
    files.certificate.write_bytes(pair.certificate)
    files.key.write_bytes(pair.key)
    files.key.chmod(0o600)
    files.authorities.write_bytes(CA.certificate_pem())
    return files


@pytest.mark.parametrize("name", NAMES)
def test_a_node_is_named_by_a_uri_whatever_its_name(name: str) -> None:
    pair = issue(CA, "demo", [name], NOW, NOW + DAY)
    contexts = load_pair(pair, CA.certificate_pem().decode(), "demo", name)
    assert contexts.names == (name,)
    assert describe(pair.certificate) == ("demo", (name,), NOW + DAY)


def test_a_certificate_ends_no_later_than_its_authority() -> None:
    short = make_authority("demo", NOW, DAY)
    assert describe(issue(short, "demo", ["n1"], NOW, NOW + 9 * DAY).certificate)[2] == NOW + DAY


def test_an_authority_is_read_back_and_one_with_a_foreign_key_is_refused() -> None:
    again = load_authority(CA.certificate_pem(), CA.key_pem())
    assert again.certificate == CA.certificate
    with pytest.raises(ValueError, match="does not belong"):
        load_authority(CA.certificate_pem(), make_authority("demo", NOW, DAY).key_pem())


def test_openssl_agrees_that_what_we_make_is_well_formed(tmp_path: Path) -> None:
    files = write(tmp_path)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-attime"]
    command += [f"{(NOW + DAY / 2).timestamp():.0f}", "-CAfile", str(files.authorities)]
    done = subprocess.run(
        [*command, str(files.certificate)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_uris_of_other_schemes_and_clusters_name_nobody() -> None:
    uris = [
        "gcounterd://demo/n1",
        "gcounterd://other/n2",
        "https://demo/n3",
        "gcounterd://demo/n4/",
    ]
    shown = {"subjectAltName": [*(("URI", uri) for uri in uris), ("DNS", "gcounterd://demo/n5")]}
    assert names_in(shown, "demo") == ("n1",)
    assert names_in({}, "demo") == ()


# -- files ----------------------------------------------------------------------------------


def test_files_are_loaded_and_tried_out_whatever_the_date(tmp_path: Path) -> None:
    contexts = load_files(write(tmp_path), "demo", "n1")  # it was good for one day
    assert (contexts.begins, contexts.ends) == (NOW.timestamp(), (NOW + DAY).timestamp())


def test_a_certificate_may_name_a_node_twice_while_it_is_renamed(tmp_path: Path) -> None:
    files = write(tmp_path, names=("new", "old"))
    assert load_files(files, "demo", "old").names == ("new", "old")


def damage(files: Files, what: str) -> None:
    match what:
        case "gone":
            files.certificate.unlink()
        case "no PEM":
            files.authorities.write_text("hello")
        case "another key":
            files.key.write_bytes(issue(CA, "demo", ["n1"], NOW, NOW + DAY).key)
        case "open key":
            files.key.chmod(0o644)
        case "another authority":
            files.authorities.write_bytes(make_authority("demo", NOW, DAY).certificate_pem())
        case "encrypted":
            command = ["openssl", "pkey", "-in", str(files.key), "-aes256", "-passout", "pass:x"]
            locked = subprocess.run(command, capture_output=True, check=True).stdout
            files.key.write_bytes(locked)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("gone", "No such file"),
        ("no PEM", "tls-ca"),
        ("another key", "the key does not belong to the certificate"),
        ("open key", "chmod 600"),
        ("another authority", "not accepted by its own authority"),
        ("encrypted", "the key is encrypted"),
    ],
)
def test_files_that_do_not_fit_are_refused_in_words(tmp_path: Path, what: str, words: str) -> None:
    files = write(tmp_path)
    damage(files, what)
    with pytest.raises(ConfigError, match=words):
        load_files(files, "demo", "n1")


@pytest.mark.parametrize(("cluster", "name"), [("demo", "n2"), ("other", "n1")])
def test_a_certificate_of_another_node_is_refused_by_its_own(
    tmp_path: Path, cluster: str, name: str
) -> None:
    with pytest.raises(ConfigError, match=f"does not name this node.*{cluster}/{name}.*demo/n1"):
        load_files(write(tmp_path), cluster, name)


# -- keyrings -------------------------------------------------------------------------------

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


def keyfile(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_everybody_with_a_secret_makes_the_same_authority_and_each_cluster_its_own() -> None:
    assert derive_authority("demo", KEY).key_pem() == derive_authority("demo", KEY).key_pem()
    keys = {derive_authority(*of).key_pem() for of in (("demo", KEY), ("b", KEY), ("demo", OTHER))}
    assert len(keys) == 3
    # Made once, on 2026-11-21: another one would cut an upgraded node off.
    public = derive_authority("demo", KEY).key.public_key().public_bytes_raw().hex()
    assert public == "20d43be34a2d6a26c89061a1d285ecd21624a11cad9d1293c89713aab829e651"


def test_nodes_with_a_key_in_common_understand_each_other_in_each_step_of_a_rotation() -> None:
    steps = [(KEY,), (KEY, OTHER), (OTHER, KEY), (OTHER,)]
    for before, after in pairwise(steps):
        for signs, trusts in ((before, after), (after, before)):
            pair = Keyring(signs).sign("demo", "n1")
            contexts = load_pair(pair, Keyring(trusts).authorities("demo"), "demo", "n1")
            assert contexts.ends == ALWAYS[1].timestamp()
    with pytest.raises(ConfigError, match="not accepted"):
        load_pair(
            Keyring((KEY,)).sign("demo", "n1"), Keyring((OTHER,)).authorities("demo"), "demo", "n1"
        )


def test_a_file_holds_a_key_a_line_beside_comments(tmp_path: Path) -> None:
    text = f"# of May\n{OTHER.hex()}\n\n  {KEY.hex().upper()}\n{OTHER.hex()}\n"
    assert read_keyring(keyfile(tmp_path, text)).keys == (OTHER, KEY)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has 0 keys"),
        ("correct horse battery staple", "64 hexadecimal digits"),
        (KEY.hex()[:-1], "64 hexadecimal digits"),
        ("\n".join(bytes([n] * 32).hex() for n in range(KEYS_MAX + 1)), "has 9 keys"),
        ("#" * 20_000, "is over"),
        ("\x00\xff", "64 hexadecimal digits"),
    ],
)
def test_files_without_good_keys_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_keyring(keyfile(tmp_path, text))


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="chmod 600"):
        read_keyring(keyfile(tmp_path, KEY.hex(), 0o644))
