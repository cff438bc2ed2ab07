"""Three cultivars of wine, told apart by thirteen measurements: the data set and how a model of it is judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAME = "wine-cultivars"
SEED = 7
TEST_SHARE = 0.3


@dataclass(frozen=True)
class Wine:
    """The data set, split. Features are data frames, (n_samples, 13); targets are the numbers of the cultivars."""

    train_features: Any
    test_features: Any
    train_target: Any
    test_target: Any
    class_names: list[str]


def load_wine() -> Wine:
    """The same split each time."""
    from sklearn.datasets import load_wine as load
    from sklearn.model_selection import train_test_split

    bunch = load(as_frame=True)
    split = train_test_split(bunch.data, bunch.target, test_size=TEST_SHARE, random_state=SEED, stratify=bunch.target)
    train_features, test_features, train_target, test_target = split
    names = [str(name) for name in bunch.target_names]
    return Wine(train_features, test_features, train_target, test_target, names)


def log_datasets(wine: Wine) -> None:
    """Note on the active run what it learns from and what it is judged by."""
    import mlflow

    parts = {
        "training": (wine.train_features, wine.train_target),
        "evaluation": (wine.test_features, wine.test_target),
    }
    for context, (features, target) in parts.items():
        frame = features.assign(cultivar=target)
        mlflow.log_input(mlflow.data.from_pandas(frame, name=NAME, targets="cultivar"), context=context)


def scores(model: Any, wine: Wine) -> Mapping[str, float]:  # noqa: ANN401  # any classifier of scikit-learn
    """How well a fitted classifier does on what it has not seen."""
    from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

    predicted = model.predict(wine.test_features)
    found = {
        "test_accuracy": accuracy_score(wine.test_target, predicted),
        "test_f1": f1_score(wine.test_target, predicted, average="macro"),
    }
    if hasattr(model, "predict_proba"):
        probabilities = model.predict_proba(wine.test_features)
        found["test_log_loss"] = log_loss(wine.test_target, probabilities)
        found["test_roc_auc"] = roc_auc_score(wine.test_target, probabilities, multi_class="ovr")
    return {name: float(value) for name, value in found.items()}


def log_confusion(model: Any, wine: Wine) -> None:  # noqa: ANN401  # any classifier of scikit-learn
    """Log a figure and a table of which cultivar was taken for which."""
    import mlflow
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay, classification_report

    predicted = model.predict(wine.test_features)
    figure = Figure(figsize=(5, 4), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        wine.test_target, predicted, display_labels=wine.class_names, cmap="Blues", ax=figure.add_subplot()
    )
    mlflow.log_figure(figure, "figures/confusion.png")
    report = classification_report(wine.test_target, predicted, target_names=wine.class_names, output_dict=True)
    mlflow.log_dict(report, "report.json")
