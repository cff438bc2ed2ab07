/** MLflow's client prints addresses whose fragment names an experiment and a run. Fragments never reach a server, so
 * this hands them over once, and the server answers with the page. */

const FRAGMENT = /^#\/experiments\/\d+/;

export function startMlflowLinks() {
  if (!FRAGMENT.test(location.hash)) return;
  const project = document.querySelector('meta[name="mlflow-project"]')?.getAttribute("content") ?? "";
  const query = new URLSearchParams({ project, address: location.hash.slice(1) });
  location.replace(`/-/mlflow?${query}`);
}
