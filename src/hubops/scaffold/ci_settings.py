"""What a person sets on the forge after the CI file is in the repository; no file can say it."""

from hubops.scaffold.ci_files import Choice

_SECRETS = """\
       SOPS_AGE_KEY        the private age key that opens secrets/*.yaml
       HUBOPS_KUBECONFIG   a kubeconfig, its text, with the contexts that hubops.yaml names
       DOCKER_AUTH_CONFIG  the registry's login, as in Docker's config.json: {"auths": {"HOST": {"auth": "..."}}}"""

_SETTINGS = {
    "github": f"""\
  1. Settings, Environments: make "production", with deployments from the branch {{branch}} only.
  2. In that environment, not for the whole repository, add the secrets that you need:
{_SECRETS}
  3. Settings, Rules: require a pull request for {{branch}}, and its check "pull-request".
  4. Settings, Actions: require approval for workflows of outside contributors.""",
    "gitlab": f"""\
  1. Settings, Repository: protect the branch {{branch}}.
  2. Settings, CI/CD, Variables: add what you need, each protected and with the environment "production":
{_SECRETS}
  3. Settings, Merge requests: pipelines must succeed.
  4. Never run the pipeline of a fork's merge request in this project: it runs with your rights.""",
    "travis": f"""\
  1. Settings, Environment Variables: add what you need, not displayed in the log. Travis reads values as shell
     text, on one line: use single quotes, and for the kubeconfig kubectl config view --raw --flatten -o json
{_SECRETS}
  2. Settings: keep "Share encrypted environment variables with forks" off.
     People who may push here can read the variables in a pull request of their own.
  3. Settings, Limit concurrent jobs: 1, so that deploys run one after another.
  4. At the forge: require a pull request for {{branch}}, and the check of Travis.""",
}

_RUNNER = {
    "github": """
  5. The runner {runner}: a pull request can name any runner in its own copy of the workflow. Put this one into
     a runner group that only this workflow at the branch {branch} may use, and none for a public repository.""",
    "gitlab": """
  5. The runner {runner}: make it protected, or merge requests can use it too.""",
}


def settings_to_make(forge: str, choice: Choice) -> str:
    """The steps for one forge, numbered and indented."""
    text = _SETTINGS[forge] + (_RUNNER.get(forge, "") if choice.runner else "")
    return text.replace("{branch}", choice.branch).replace("{runner}", choice.runner)
