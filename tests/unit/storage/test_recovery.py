"""Recovery: what images and journal rows together give back."""

from __future__ import annotations

import attrs
import pytest
from counting import column
from nodes import entry, node_id

from gcounterd.counters.images import Image, Kind
from gcounterd.errors import StorageError
from gcounterd.members.approvals import Approval
from gcounterd.members.roster import Roster, State
from gcounterd.node.records import Group, TakeApprovals, TakeEntries
from gcounterd.storage.records import encode_group
from gcounterd.storage.recovery import Restored, restore, roster_images

OLD, NEW = (Approval("n4", digit * 32, 1_000) for digit in (b"1", b"2"))
USED = attrs.evolve(OLD, used_by=node_id("d"))


def recover(images: tuple[Image, ...], *groups: Group) -> Restored:
    ordered = sorted(images, key=lambda image: image.kind)
    rows = [(seq, encode_group(group)) for seq, group in enumerate(groups, 1)]
    return restore(column("a"), 100, ordered, rows)


def test_roster_and_approvals_come_back_from_images_and_the_rows_after_them() -> None:
    roster = Roster([entry("a"), entry("b", state=State.JOINING)])
    roster.approvals.merge([OLD], 0)
    later = (TakeApprovals((USED, NEW)), TakeEntries((entry("b"), entry("c"))))

    restored = recover(roster_images(roster), Group(later, True, False))

    assert list(restored.roster) == [entry("a"), entry("b"), entry("c")]
    assert list(restored.roster.approvals) == [USED, NEW]


def test_rows_that_an_image_covers_change_nothing() -> None:
    roster = Roster([entry("a")])
    roster.approvals.merge([USED], 0)
    restored = recover(roster_images(roster), Group((TakeApprovals((OLD,)),), True, False))
    assert list(restored.roster.approvals) == [USED]


@pytest.mark.parametrize("kind", [Kind.ROSTER, Kind.APPROVALS, Kind.RECEIPTS])
def test_an_image_that_is_not_ours_is_an_error_of_the_store(kind: Kind) -> None:
    with pytest.raises(StorageError, match=f"the image of the {kind} cannot be read"):
        recover((Image(kind, b"", 0, b"\xc1"),))
