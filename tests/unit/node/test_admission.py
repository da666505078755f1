"""Who is let in: cluster and version first, then identity, then the name."""

import pytest
from nodes import hello, judge, node, node_id

from gcounterd.counters.counters import OPEN_COLUMNS_MAX
from gcounterd.ids import ColumnId
from gcounterd.node.admission import PATIENCE_S, is_final
from gcounterd.node.effects import Exit, Notice
from gcounterd.node.grades import Grade
from gcounterd.node.messages import PROTOCOL_VERSION, Channel, Refusal, Refused


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": PROTOCOL_VERSION + 1}, Refused.VERSION),
        ({"cluster": "other"}, Refused.CLUSTER),
        ({"cluster": "other", "version": 9}, Refused.VERSION),
        ({"node": node_id("a"), "nonce": b"a" * 7 + b"\1"}, Refused.SELF),
        ({"node": node_id("a"), "nonce": b"another!"}, Refused.ASKING),
        ({"joining": True, "name": "b"}, Refused.NAME),
        ({"joining": True, "name": "a"}, Refused.NAME),
    ],
)
def test_a_hello_is_refused_with_its_reason(changes: dict, reason: Refused) -> None:
    refusal = judge(node("a", "a", "b"), hello("c", **changes))
    assert refusal is not None
    assert refusal.reason is reason
    assert refusal.text


def test_a_name_in_use_is_refused_with_the_address_of_its_holder() -> None:
    refusal = judge(node("a", "a", "b"), hello("c", joining=True, name="b"))
    assert refusal.address == "b:1"
    assert "b:1" in refusal.text


@pytest.mark.parametrize(
    "changes", [{}, {"joining": True}, {"name": "b"}, {"node": node_id("b"), "name": "b"}]
)
def test_members_newcomers_and_active_islands_are_let_in(changes: dict) -> None:
    assert judge(node("a", "a", "b"), hello("c", **changes)) is None


def test_of_two_newcomers_with_one_name_the_smaller_id_stays() -> None:
    newcomer = node("b", seeds=("x:1",))
    assert judge(newcomer, hello("c", joining=True, name="b")).reason is Refused.NAME
    assert judge(newcomer, hello("a", joining=True, name="b")) is None


def test_a_newcomer_is_refused_when_the_open_columns_are_all_taken() -> None:
    a = node("a", "a")
    for number in range(OPEN_COLUMNS_MAX):
        a.counters.hold(ColumnId(number.to_bytes(32, "big")))
    assert judge(a, hello("c", joining=True)).reason is Refused.CROWDED
    assert judge(a, hello("c")) is None  # an island is merged, and said


@pytest.mark.parametrize(
    ("reason", "joining", "established", "final"),
    [
        (Refused.NAME, True, False, True),
        (Refused.NAME, False, True, False),
        (Refused.CLUSTER, True, False, True),
        (Refused.CLUSTER, True, True, False),
        (Refused.CLUSTER, False, False, False),
        (Refused.FULL, True, True, True),
        (Refused.FULL, False, False, False),
        (Refused.UNAPPROVED, True, False, True),
        (Refused.UNAPPROVED, True, True, False),
        (Refused.UNKNOWN, True, False, True),
        (Refused.BUSY, True, False, False),
        (Refused.YOUNG, True, False, False),
        (Refused.TWIN, False, False, False),
        (Refused.SELF, True, False, False),
    ],
)
def test_no_lone_healthy_process_is_made_to_exit(
    reason: Refused, joining: bool, established: bool, final: bool
) -> None:
    refusal = Refusal(reason, "no")
    assert is_final(refusal, joining=joining, established=established) is final


def test_a_token_that_a_member_has_not_heard_of_yet_ends_a_newcomer_only_after_a_while() -> None:
    newcomer = node("b", seeds=("a:1",), join_token=b"t" * 32)
    unknown = Refusal(Refused.UNKNOWN, "your token is not known here")
    for at in (1.0, 1.0 + PATIENCE_S / 2):
        (notice,) = newcomer.dial_failed("a:1", Channel.CONTROL, Grade.REJECTED, unknown, at)
        assert isinstance(notice, Notice)
        assert notice.fields["text"] == unknown.text
    (end,) = newcomer.dial_failed("a:1", Channel.CONTROL, Grade.REJECTED, unknown, 1.0 + PATIENCE_S)
    assert end == Exit(4, "refused by a:1: your token is not known here")


@pytest.mark.parametrize("knows_a_holder", [False, True])
def test_a_name_that_nobody_else_has_ends_who_was_let_in_only_after_a_while(
    knows_a_holder: bool,
) -> None:
    """Found by chaos, seed 11: an old disk refused the name of a member that had been removed."""
    newcomer = node("c", "b" if knows_a_holder else "a", seeds=("a:1",), name="b")
    newcomer.opened(1, hello("a", Channel.CONTROL), "a:1", 0.0)  # accepted by one
    taken = Refusal(Refused.NAME, "the name 'b' belongs to node 626262626262 at b:1")
    (first,) = newcomer.dial_failed("d:1", Channel.CONTROL, Grade.REJECTED, taken, 1.0)
    assert isinstance(first, Exit if knows_a_holder else Notice)
    (last,) = newcomer.dial_failed("d:1", Channel.CONTROL, Grade.REJECTED, taken, 1.0 + PATIENCE_S)
    assert last == Exit(4, f"refused by d:1: {taken.text}")


def test_a_token_is_shown_while_joining_and_never_after() -> None:
    token = b"t" * 32
    assert node("b", seeds=("a:1",), join_token=token).hello(Channel.CONTROL).token == token
    assert node("b", "a", "b", join_token=token).hello(Channel.CONTROL).token == b""


def test_a_token_does_not_stand_in_what_a_traceback_shows() -> None:
    newcomer = node("b", seeds=("a:1",), join_token=b"t" * 32)
    for shown in (newcomer.config, newcomer.hello(Channel.CONTROL)):
        assert "tttt" not in repr(shown)


@pytest.mark.parametrize("take_over", [False, True])
def test_who_asks_for_a_name_whose_holder_answers_is_told_its_holder_and_ends(
    take_over: bool,
) -> None:
    asked = hello("c", joining=True, name="b", take_over=take_over)
    taken = judge(node("a", "a", "b"), asked)
    assert taken is not None
    assert taken.reason is (Refused.BUSY if take_over else Refused.NAME)  # it may be dead
    newcomer = node("c", seeds=("a:1",), take_over=take_over)
    (end,) = newcomer.dial_failed("a:1", Channel.CONTROL, Grade.REJECTED, taken, 0.0)
    assert isinstance(end, Notice if take_over else Exit)
