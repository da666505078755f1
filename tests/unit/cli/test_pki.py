"""`gcounterctl pki`: what lies where afterwards, how it is protected, and that nodes can use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gcounterd.cli.gcounterctl import main
from gcounterd.security.certificates import describe
from gcounterd.security.keyring import read_keyring
from gcounterd.security.peers import Contexts, Files, load_files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pki"


def pki(*words: str) -> Result:
    return CliRunner().invoke(main, ["pki", *words])


def load(folder: Path, cluster: str, name: str) -> Contexts:
    files = Files(folder / f"{name}.pem", folder / f"{name}.key", folder / "ca.pem")
    return load_files(files, cluster, name)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_is_made_is_what_nodes_load(folder: Path) -> None:
    made = pki("init", "--cluster", "demo")
    assert made.exit_code == 0
    assert made.stdout.splitlines()[0].startswith(
        "pki/ca.pem  the authority of cluster demo, until"
    )
    assert "away from the nodes" in made.stdout
    made = pki("node", "n1", "n2.x", "--days", "30")
    assert made.exit_code == 0
    assert "pki/n2.x.pem pki/n2.x.key  n2.x of demo, until" in made.stdout
    assert "copy these two and pki/ca.pem" in made.stderr
    assert load(folder, "demo", "n1").names == ("n1",)
    assert load(folder, "demo", "n2.x").names == ("n2.x",)
    assert {mode_of(path) for path in folder.glob("*.key")} == {0o600}
    assert mode_of(folder) == 0o700


def test_json_says_where_everything_lies(folder: Path) -> None:
    made = json.loads(pki("init", "--cluster", "demo", "--json").stdout)
    assert (made["cluster"], made["certificate"], made["key"]) == (
        "demo",
        "pki/ca.pem",
        "pki/ca.key",
    )
    made = json.loads(pki("node", "new", "--also", "old", "--json").stdout)
    (node,) = made["nodes"]
    assert (node["name"], node["names"], node["key"]) == ("new", ["new", "old"], "pki/new.key")
    assert node["ends"].endswith("Z")
    assert load(folder, "demo", "new").names == ("new", "old")


def test_nothing_is_overwritten_unless_it_is_renewed(folder: Path) -> None:
    pki("init", "--cluster", "demo")
    pki("node", "n1", "n2")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert pki("init", "--cluster", "other").exit_code == 5
    assert pki("node", "n3", "n1").exit_code == 5
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert pki("renew", "n1").exit_code == 0
    changed = {path.name for path, body in before.items() if path.read_bytes() != body}
    assert changed == {"n1.pem", "n1.key"}
    assert load(folder, "demo", "n1").names == ("n1",)
    assert mode_of(folder / "n1.key") == 0o600


def test_all_are_renewed_with_the_names_that_they_have(folder: Path) -> None:
    pki("init", "--cluster", "demo")
    pki("node", "new", "--also", "old")
    pki("node", "n2", "--days", "1")
    before = describe((folder / "n2.pem").read_bytes())[2]
    made = json.loads(pki("renew", "--json").stdout)
    assert [node["names"] for node in made["nodes"]] == [["n2"], ["new", "old"]]
    assert describe((folder / "n2.pem").read_bytes())[2] > before


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("node", "n1"), 1),  # no authority
        (("renew",), 1),
        (("init",), 2),
        (("init", "--cluster", "a b"), 2),
        (("node", "ca"), 2),
        (("node", "../n1"), 2),
        (("node", "a", "b", "--also", "c"), 2),
        (("node", "n1", "--days", "0"), 2),
        (("key", "no/such/folder/key"), 1),
    ],
)
def test_what_cannot_be_done_is_said(folder: Path, words: tuple[str, ...], status: int) -> None:
    refused = pki(*words)
    assert refused.exit_code == status
    assert refused.stderr
    assert not folder.exists()


def test_a_damaged_authority_signs_nothing(folder: Path) -> None:
    pki("init", "--cluster", "demo")
    (folder / "ca.key").write_text("hello")
    refused = pki("node", "n1", "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["error"]["code"] == "bad_authority"


def test_a_key_is_random_private_and_never_overwritten(folder: Path) -> None:
    assert pki("key", "one.key").exit_code == 0
    assert pki("key", "two.key").exit_code == 0
    one, two = Path("one.key"), Path("two.key")
    assert read_keyring(one).keys != read_keyring(two).keys
    assert mode_of(one) == 0o600
    assert pki("key", "one.key").exit_code == 5
