"""What nobody has to make: the experiment that every project has, and the tag that repeats a candidate's name."""

DEFAULT_IID = 0
DEFAULT_NAME = "Default"
NAME_TAG = "mlflow.runName"
