/** Follows the links that MLflow's client prints: `…/#/experiments/3/runs/ID`, at the root or below a project. */

const LINK = /^#\/experiments\/(\d+)(?:\/runs\/([A-Za-z0-9_-]+))?/;

export function startMlflowLinks() {
  const isWay = location.pathname === "/-/mlflow";
  if (!isWay && location.pathname !== "/" && location.pathname !== "/users/sign_in") return;
  const found = LINK.exec(location.hash);
  const project = new URLSearchParams(location.search).get("project");
  if (!found && !(isWay && project)) return;
  const query = new URLSearchParams({ project: project ?? "", experiment: found?.[1] ?? "", run: found?.[2] ?? "" });
  location.replace(`/-/mlflow/open?${query}`);
}
