import pytest

from modelyard.platform.errors import TooLarge
from modelyard.platform.reservations import Reservations

HERE, ELSEWHERE = 1, 2


def test_bodies_on_their_way_share_the_room() -> None:
    room = Reservations()
    with room.hold(HERE, 100, 60, "full") as first:
        with pytest.raises(TooLarge, match="full"), room.hold(HERE, 100, 50, "full"):
            pass
        with room.hold(HERE, 100, None, "full") as second, room.hold(ELSEWHERE, 100, 100, "full"):
            second.grow_to(30)
            second.grow_to(40)
            with pytest.raises(TooLarge):
                second.grow_to(41)
            first.grow_to(60)
            with pytest.raises(TooLarge):
                first.grow_to(61)
        first.grow_to(100)
    with room.hold(HERE, 100, 100, "full"):
        pass
    assert room._held == {}


def test_where_any_number_may_come_nothing_is_refused() -> None:
    room = Reservations()
    with room.hold(HERE, None, 10**15, "full") as held:
        held.grow_to(10**16)
    assert room._held == {}
