"""Imports of the daemon: durable when answered, one at a time at the end, definite when refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing
from test_commits import Bench, limit_pages, running

from gcounterd.counters.imports import Content, start_source
from gcounterd.daemon import imports
from gcounterd.daemon.imports import Imports
from gcounterd.errors import ClientError, StorageError
from gcounterd.storage.schema import Durability

OLD = {b"apples": 1000, b"pears": 7}


def content(counts: dict[bytes, int]) -> Content:
    made = Content()
    for key, count in counts.items():
        made.add(key, count)
    return made


def at(bench: Bench) -> Imports:
    return Imports(bench.node.importing, bench.commits, lambda: None)


async def bring(bench: Bench, source: str, counts: dict[bytes, int]) -> dict[str, object]:
    return await at(bench).bring(source, content(counts), again=False)


async def test_an_import_that_was_answered_is_there_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        told = await bring(bench, "old", OLD)
        assert (told["keys"], told["total"], told["repeated"]) == (2, 1007, False)
        assert bench.node.counters.value(b"apples") == 1000

    for _ in range(2):  # from the journal, then from images
        async with running(tmp_path / "d") as bench:
            assert bench.node.counters.value(b"apples") == 1000
            assert (await bring(bench, "old", OLD))["repeated"]
            known = await at(bench).known("", 10)
            assert known == {
                "imports": [
                    {
                        "source": "old",
                        "shown_as": "import:old",
                        "keys": 2,
                        "total": 1007,
                        "contents": [{"id": told["id"], "held": True}],
                    }
                ],
                "next": None,
            }
            with pytest.raises(ClientError):
                await bring(bench, "old", {b"apples": 1})
            await bench.commits.checkpoints.write()


async def test_an_import_larger_than_a_frame_and_a_slice_is_one_commit(tmp_path: Path) -> None:
    many = {b"key-%06d" % number: number + 1 for number in range(9_000)}
    async with running(tmp_path / "d") as bench:
        before = bench.commits.number
        told = await bring(bench, "old", many)
        assert (told["keys"], bench.commits.number) == (9_000, before + 1)
        assert bench.node.counters.value(b"key-008999") == 9_000

    async with running(tmp_path / "d") as bench:
        assert int(bench.node.counters.totals.sum()) == sum(many.values())


async def test_a_full_disk_refuses_an_import_for_certain(tmp_path: Path) -> None:
    many = {b"key-%06d" % number: number + 1 for number in range(9_000)}
    async with running(tmp_path / "d") as bench:
        await limit_pages(bench, 1)
        with pytest.raises(ClientError) as refused:
            await bring(bench, "old", many)
        assert (refused.value.status, refused.value.definite) == (507, True)
        assert bench.node.counters.value(b"key-000000") == 0
        assert not bench.node.counters.settled.sources.page("", 9)
        await limit_pages(bench, 10_000)
        assert not (await bring(bench, "old", many))["repeated"]
        assert bench.node.counters.value(b"key-000000") == 1


async def test_two_imports_cannot_pass_together_what_neither_passes_alone(tmp_path: Path) -> None:
    told: list[object] = []

    async with running(tmp_path / "d") as bench:
        service = at(bench)

        async def try_to(source: str) -> None:
            try:
                counts = content({b"apples": 2**52 + 1})
                told.append((await service.bring(source, counts, again=False))["repeated"])
            except ClientError as error:
                told.append(error.code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(try_to, "one")
            nursery.start_soon(try_to, "other")
        assert sorted(map(str, told)) == ["False", "too_large"]
        assert bench.node.counters.value(b"apples") == 2**52 + 1


async def test_the_same_import_twice_at_once_counts_once(tmp_path: Path) -> None:
    told: list[object] = []

    async with running(tmp_path / "d") as bench:
        service = at(bench)

        async def repeat() -> None:
            told.append((await service.bring("old", content(OLD), again=False))["repeated"])

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(repeat)
        assert sorted(map(str, told)) == ["False", "True", "True"]
        assert bench.node.counters.value(b"apples") == 1000


async def test_places_are_few_and_given_back(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        service = at(bench)
        with service.slot(), service.slot():
            with pytest.raises(ClientError) as refused, service.slot():
                pass
            assert (refused.value.code, refused.value.definite) == ("busy", True)
        with pytest.raises(KeyError), service.slot():
            raise KeyError
        with service.slot(), service.slot():
            pass
    assert imports.IMPORTS_MAX == 2


async def test_a_node_that_drains_takes_none(tmp_path: Path) -> None:
    def refuse() -> None:
        raise ClientError(503, "draining", "it drains")

    async with running(tmp_path / "d") as bench:
        service = Imports(bench.node.importing, bench.commits, refuse)
        with pytest.raises(ClientError), service.slot():
            pass


@pytest.mark.parametrize("durability", list(Durability))
async def test_a_start_counts_in_every_durability(tmp_path: Path, durability: Durability) -> None:
    async with running(tmp_path / "d", durability=durability) as bench:
        await bench.count(b"visits", 2)
        told = await bring(bench, start_source(b"visits"), {b"visits": 40})
        assert told["source"] == "start-at visits"
        assert bench.node.counters.value(b"visits") == 42


async def test_sources_come_in_pages(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        for source in "cab":
            await bring(bench, source, OLD)
        first = await at(bench).known("", 2)
        second = await at(bench).known(str(first["next"]), 2)
        names = [each["source"] for page in (first, second) for each in page["imports"]]
        assert (names, first["next"], second["next"]) == (["a", "b", "c"], "b", None)


async def test_an_import_that_comes_while_a_commit_is_refused_is_counted_when_it_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What peers sent is dropped with a refused commit; this is not theirs to send again."""
    async with running(tmp_path / "d") as bench:
        append, go = bench.store.append, trio.Event()

        async def refuse(seq: int, body: bytes, *, durable: bool = True) -> float:
            await go.wait()
            monkeypatch.setattr(bench.store, "append", append)
            raise StorageError("the disk is full", definite=True, full=True)

        monkeypatch.setattr(bench.store, "append", refuse)
        bench.node.add(b"x", 1)
        bench.commits.request()
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bring, bench, "old", OLD)
            await trio.testing.wait_all_tasks_blocked()
            go.set()
        assert bench.commits.refused == 1
        assert bench.node.counters.value(b"apples") == OLD[b"apples"]
