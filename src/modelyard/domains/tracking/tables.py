"""Tables of tracking. Names of metrics, parameters and tags are integers in rows and text once, in `tracking_keys`.

A metric's history lies in `metric_segments` as it arrived and in `metric_chunks` once folded; `latest_metrics` has the
point with the greatest (step, timestamp, value) of each series. A NaN is NULL there, so that both engines sort it last.
Times that clients send are whole milliseconds, taken as they come.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from modelyard.platform.database import Identifier, Moment, Table

Double = Float(53)


class Experiment(Table):
    """Comparable candidates. `iid` is MLflow's experiment id; 0 is the project's default experiment."""

    __tablename__ = "experiments"
    __table_args__ = (
        UniqueConstraint("project_id", "iid"),
        UniqueConstraint("project_id", "name"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    iid: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(500))
    description: Mapped[str] = mapped_column(Text, default="")
    primary_metric: Mapped[str | None] = mapped_column(String(250))
    primary_metric_is_lower_better: Mapped[bool | None] = mapped_column()
    creator_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    archived_at: Mapped[datetime | None] = mapped_column(Moment)
    deleted_at: Mapped[datetime | None] = mapped_column(Moment)


class ExperimentTag(Table):
    __tablename__ = "experiment_tags"

    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(250), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class TrackingKey(Table):
    """The name of a metric, parameter or tag, once per project."""

    __tablename__ = "tracking_keys"
    __table_args__ = (UniqueConstraint("project_id", "name"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(250))


class Candidate(Table):
    """One training variation. `run_id` is what MLflow's client knows it by; `iid` what people do."""

    __tablename__ = "candidates"
    __table_args__ = (
        UniqueConstraint("run_id"),
        UniqueConstraint("project_id", "iid"),
        # In the default order of every list, so that no page is sorted.
        Index("ix_candidates_newest", "experiment_id", text("start_ms DESC"), "run_id"),
        Index("ix_candidates_changed", "experiment_id", "updated_ms"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiments.id", ondelete="CASCADE"))
    iid: Mapped[int] = mapped_column(BigInteger)
    run_id: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text)
    status: Mapped[int] = mapped_column(SmallInteger)
    source_user: Mapped[str] = mapped_column(String(256), default="")
    creator_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    start_ms: Mapped[int] = mapped_column(BigInteger)
    end_ms: Mapped[int | None] = mapped_column(BigInteger)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    updated_ms: Mapped[int] = mapped_column(BigInteger)
    deleted_ms: Mapped[int | None] = mapped_column(BigInteger)


class CandidateParameter(Table):
    __tablename__ = "candidate_parameters"
    __table_args__ = ({"sqlite_with_rowid": False},)

    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"), primary_key=True)
    key_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class CandidateTag(Table):
    __tablename__ = "candidate_tags"
    __table_args__ = ({"sqlite_with_rowid": False},)

    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"), primary_key=True)
    key_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class LatestMetric(Table):
    """The greatest (step, timestamp, value) of a series. `value` NULL is NaN."""

    __tablename__ = "latest_metrics"
    __table_args__ = (
        Index("ix_latest_metrics_order", "experiment_id", "key_id", "value", "candidate_id"),
        {"sqlite_with_rowid": False},
    )

    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"), primary_key=True)
    key_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    experiment_id: Mapped[int] = mapped_column(BigInteger)
    step: Mapped[int] = mapped_column(BigInteger)
    timestamp_ms: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float | None] = mapped_column(Double)


class MetricSegment(Table):
    """The points of one commit of one candidate, packed in columns by `hot/points.py`.

    One tree holds everything, so that a commit touches one page of it. The lane gives `id`s that only grow.
    """

    __tablename__ = "metric_segments"
    __table_args__ = ({"sqlite_with_rowid": False},)

    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    points: Mapped[int] = mapped_column(Integer)
    payload: Mapped[bytes] = mapped_column(LargeBinary)


class MetricChunk(Table):
    """Up to 8192 points of one series in its order (timestamp, step, value), compressed; `seq` counts from 0."""

    __tablename__ = "metric_chunks"
    __table_args__ = ({"sqlite_with_rowid": False},)

    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"), primary_key=True)
    key_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    points: Mapped[int] = mapped_column(Integer)
    first_step: Mapped[int] = mapped_column(BigInteger)
    last_step: Mapped[int] = mapped_column(BigInteger)
    first_value: Mapped[float | None] = mapped_column(Double)
    last_value: Mapped[float | None] = mapped_column(Double)
    least_value: Mapped[float | None] = mapped_column(Double)
    greatest_value: Mapped[float | None] = mapped_column(Double)
    payload: Mapped[bytes] = mapped_column(LargeBinary)


class Dataset(Table):
    """A dataset as a client described it, once per experiment, name and digest."""

    __tablename__ = "datasets"
    __table_args__ = (
        UniqueConstraint("experiment_id", "name", "digest"),
        Index(None, "project_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiments.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(500))
    digest: Mapped[str] = mapped_column(String(36))
    source_type: Mapped[str] = mapped_column(String(36))
    source: Mapped[str] = mapped_column(Text)
    schema: Mapped[str | None] = mapped_column(Text)
    profile: Mapped[str | None] = mapped_column(Text)


class CandidateDataset(Table):
    """A dataset that went into a candidate; `tags` is a JSON object of texts, such as its context."""

    __tablename__ = "candidate_datasets"
    __table_args__ = (Index(None, "dataset_id"),)

    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    context: Mapped[str | None] = mapped_column(String(500))
    tags: Mapped[str] = mapped_column(Text, default="{}")


class LoggedModel(Table):
    """A model as MLflow 3 logs it, by a candidate or on its own. `model_id` is `m-` and 32 hexadecimal digits."""

    __tablename__ = "logged_models"
    __table_args__ = (
        UniqueConstraint("model_id"),
        Index(None, "project_id"),
        Index(None, "experiment_id"),
        Index(None, "candidate_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    model_id: Mapped[str] = mapped_column(String(34))
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiments.id", ondelete="CASCADE"))
    candidate_id: Mapped[int | None] = mapped_column(ForeignKey("candidates.id", ondelete="SET NULL"))
    creator_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    name: Mapped[str] = mapped_column(String(500))
    model_type: Mapped[str] = mapped_column(String(500), default="")
    status: Mapped[int] = mapped_column(SmallInteger)
    status_message: Mapped[str] = mapped_column(Text, default="")
    created_ms: Mapped[int] = mapped_column(BigInteger)
    updated_ms: Mapped[int] = mapped_column(BigInteger)
    deleted_ms: Mapped[int | None] = mapped_column(BigInteger)


class LoggedModelParameter(Table):
    __tablename__ = "logged_model_parameters"

    logged_model_id: Mapped[int] = mapped_column(ForeignKey("logged_models.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(250), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class LoggedModelTag(Table):
    __tablename__ = "logged_model_tags"

    logged_model_id: Mapped[int] = mapped_column(ForeignKey("logged_models.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(250), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class LoggedModelMetric(Table):
    """A metric that a candidate logged for a model, possibly measured on a dataset. `value` NULL is NaN."""

    __tablename__ = "logged_model_metrics"
    __table_args__ = (
        UniqueConstraint(
            "logged_model_id", "candidate_id", "key", "timestamp_ms", "step", "dataset_name", "dataset_digest"
        ),
        Index(None, "candidate_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    logged_model_id: Mapped[int] = mapped_column(ForeignKey("logged_models.id", ondelete="CASCADE"))
    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(250))
    timestamp_ms: Mapped[int] = mapped_column(BigInteger)
    step: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float | None] = mapped_column(Double)
    dataset_name: Mapped[str] = mapped_column(String(500), default="")
    dataset_digest: Mapped[str] = mapped_column(String(36), default="")


class CandidateModel(Table):
    """A logged model that went into a candidate or came out of it (`direction` is input or output)."""

    __tablename__ = "candidate_models"
    __table_args__ = (Index(None, "logged_model_id"),)

    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"), primary_key=True)
    logged_model_id: Mapped[int] = mapped_column(ForeignKey("logged_models.id", ondelete="CASCADE"), primary_key=True)
    direction: Mapped[str] = mapped_column(String(6), primary_key=True)
    step: Mapped[int] = mapped_column(BigInteger, default=0)
