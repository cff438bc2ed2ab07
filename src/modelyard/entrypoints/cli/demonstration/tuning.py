"""A search for good settings: one candidate for the search, and below it one for each setting, with its curves."""

from collections.abc import Callable
from itertools import product

from modelyard.entrypoints.cli.demonstration.wine import SEED, Wine, log_datasets, scores

EXPERIMENT = "wine: tuning"
PENALTIES = (0.0001, 0.001, 0.01)
RATES = (0.001, 0.01, 0.1)
EPOCHS = 40

Told = Callable[[str], None]


def search(wine: Wine, told: Told) -> str:
    """Try every setting; the run id of the search."""
    import mlflow

    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name="grid-search", tags={"stage": "demo"}) as parent:
        mlflow.log_params({"algorithm": "SGDClassifier", "epochs": EPOCHS, "settings": len(PENALTIES) * len(RATES)})
        log_datasets(wine)
        rows = [_try(wine, penalty, rate) for penalty, rate in product(PENALTIES, RATES)]
        best = max(rows, key=lambda row: row["test_accuracy"])
        mlflow.log_metrics({"best_test_accuracy": best["test_accuracy"]})
        mlflow.log_params({"best_penalty": best["penalty"], "best_rate": best["rate"]})
        mlflow.log_table({name: [row[name] for row in rows] for name in rows[0]}, "tried.json")
        mlflow.log_text(_summary(best), "README.md")
    told(f"grid search over {len(rows)} settings: best accuracy {best['test_accuracy']:.3f}")
    return str(parent.info.run_id)


def _try(wine: Wine, penalty: float, rate: float) -> dict[str, float]:
    """Learn epoch by epoch with one setting, and log the curves."""
    import mlflow
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import log_loss
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(wine.train_features)
    seen, unseen = scaler.transform(wine.train_features), scaler.transform(wine.test_features)
    model = SGDClassifier(loss="log_loss", alpha=penalty, eta0=rate, learning_rate="constant", random_state=SEED)
    classes = sorted(set(wine.train_target))
    accuracy = 0.0
    with mlflow.start_run(run_name=f"penalty {penalty:g}, rate {rate:g}", nested=True, tags={"stage": "demo"}):
        mlflow.log_params({"penalty": penalty, "rate": rate, "epochs": EPOCHS})
        for epoch in range(EPOCHS):
            model.partial_fit(seen, wine.train_target, classes=classes)
            accuracy = float(model.score(unseen, wine.test_target))
            curves = {
                "train_loss": log_loss(wine.train_target, model.predict_proba(seen)),
                "test_loss": log_loss(wine.test_target, model.predict_proba(unseen)),
                "test_accuracy": accuracy,
            }
            mlflow.log_metrics(curves, step=epoch)
        judged = Wine(seen, unseen, wine.train_target, wine.test_target, wine.class_names)
        found = {name: value for name, value in scores(model, judged).items() if name != "test_accuracy"}
        mlflow.log_metrics(found, step=EPOCHS - 1)
    return {"penalty": penalty, "rate": rate, "test_accuracy": accuracy}


def _summary(best: dict[str, float]) -> str:
    return (
        "# Grid search\n\n"
        "A linear classifier, trained by stochastic gradient descent on the wine data set of scikit-learn.\n\n"
        "| setting | value |\n|---|---|\n"
        f"| penalty | {best['penalty']:g} |\n| rate | {best['rate']:g} |\n"
        f"| accuracy on unseen wines | {best['test_accuracy']:.3f} |\n"
    )
