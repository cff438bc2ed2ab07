from collections.abc import Callable

from tools.house import relationships

FoundBy = Callable[..., list[str]]
MODULE = "modelyard.domains.tracking.tables"


def test_a_relationship_says_lazy_raise(found_by: FoundBy) -> None:
    (message,) = found_by(relationships, "project = relationship('Project')", MODULE)
    assert 'lazy="raise"' in message


def test_another_way_of_loading_is_refused(found_by: FoundBy) -> None:
    assert len(found_by(relationships, "project = orm.relationship('Project', lazy='select')", MODULE)) == 1


def test_backref_is_refused(found_by: FoundBy) -> None:
    (message,) = found_by(relationships, "project = relationship(lazy='raise', backref='candidates')", MODULE)
    assert "back_populates" in message


def test_an_explicit_relationship_passes(found_by: FoundBy) -> None:
    text = "project = relationship(lazy='raise', back_populates='candidates')"
    assert found_by(relationships, text, MODULE) == []
