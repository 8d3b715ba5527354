"""The Helm chart: rendered as several installations would, each object checked against Kubernetes' own schemas."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.image import ROOT
from tests.deploy.tools import go_tool

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(700)]
CHART = ROOT / "deploy/helm"
# Name → values that differ from the chart's own.
INSTALLATIONS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "on EKS with everything": {
        "image": {"repository": "registry.example.com/cml/portal", "digest": "sha256:" + "a" * 64},
        "imagePullSecrets": [{"name": "pull"}],
        "existingSecret": {"name": "portal-keys", "keys": ["SECRET_KEY", "SECRETS_KEYS", "DATABASE_URL"], "optionalKeys": []},
        "env": {
            "AWS_REGIONS": "us-east-1,eu-west-1",
            "OIDC_ISSUER": "https://id.example.com/realms/cml",
            "ALLOWED_HOSTS": "cml.example.com,cml",
        },
        "serviceAccount": {
            "create": True,
            "name": "cml",
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/cml"},
        },
        "ingress": {"enabled": True, "className": "nginx", "host": "cml.example.com", "tlsSecret": "cml-tls"},
        "web": {"nodeSelector": {"pool": "web"}, "tolerations": [{"key": "dedicated", "operator": "Exists"}]},
        "networkPolicy": {"enabled": True, "ingressNamespace": "edge"},
    },
    "small": {
        "serviceAccount": {"create": False, "name": "existing"},
        "ingress": {"enabled": False, "host": "cml.example.com"},
        "web": {"replicas": 1, "autoscaling": {"enabled": False, "minReplicas": 1, "maxReplicas": 1, "cpu": 80}},
        "worker": {"replicas": 1, "autoscaling": {"enabled": False, "minReplicas": 1, "maxReplicas": 1, "cpu": 80}},
        "beat": {"replicas": 1, "podDisruptionBudget": {"enabled": False, "minAvailable": 1}},
        "migrate": {"enabled": False},
    },
}


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([go_tool("helm"), *arguments], capture_output=True, text=True, check=False)


def rendered(values: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    done = helm("template", "demo", str(CHART), "--values", str(file), "--kube-version", "1.33.0", "--namespace", "cml")
    assert done.returncode == 0, done.stderr
    return [thing for thing in yaml.safe_load_all(done.stdout) if thing]


@pytest.fixture(params=INSTALLATIONS, ids=lambda name: name.replace(" ", "-"))
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> list[dict[str, Any]]:
    return rendered(INSTALLATIONS[request.param], tmp_path)


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [thing["spec"]["template"]["spec"] for thing in objects if thing["kind"] in {"Deployment", "Job"}]


@pytest.mark.parametrize("version", ["1.28", "1.31", "1.34"])
def test_kubernetes_knows_every_field(objects: list[dict[str, Any]], version: str) -> None:
    for thing in objects:
        kubernetes_validate.validate(thing, version, strict=True)


def test_the_chart_is_clean() -> None:
    done = helm("lint", str(CHART), "--strict", "--kube-version", "1.33.0")

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mistyped_value_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps({"web": {"replicaz": 3}}))

    done = helm("template", "demo", str(CHART), "--values", str(file), "--kube-version", "1.33.0")

    assert done.returncode != 0
    assert "replicaz" in done.stderr


def test_every_pod_is_locked_down(objects: list[dict[str, Any]]) -> None:
    for pod in pods(objects):
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


def test_secrets_come_only_from_the_one_that_exists(objects: list[dict[str, Any]]) -> None:
    assert not [thing for thing in objects if thing["kind"] == "Secret"]
    [configuration] = [thing for thing in objects if thing["kind"] == "ConfigMap"]
    assert not [name for name in configuration["data"] if re.search("SECRET|PASSWORD|KEY", name)]
    for pod in pods(objects):
        given = {one["name"]: one for container in pod["containers"] for one in container["env"]}
        for name in ("SECRET_KEY", "SECRETS_KEYS", "DATABASE_URL"):
            assert given[name]["valueFrom"]["secretKeyRef"]["key"] == name


def test_what_runs_is_what_the_image_knows(objects: list[dict[str, Any]]) -> None:
    known = re.findall(r"^  (\w+)\)$", (ROOT / "deploy/container/run").read_text(), re.MULTILINE)

    for pod in pods(objects):
        for container in pod["containers"]:
            assert container["args"][0] in known


def test_budgets_and_scaling_select_pods_that_exist(tmp_path: Path) -> None:
    objects = rendered({}, tmp_path)
    deployments = {
        thing["metadata"]["name"]: thing["spec"]["template"]["metadata"]["labels"]
        for thing in objects
        if thing["kind"] == "Deployment"
    }
    budgets = [thing for thing in objects if thing["kind"] == "PodDisruptionBudget"]
    scalers = [thing for thing in objects if thing["kind"] == "HorizontalPodAutoscaler"]

    assert len(budgets) == len(deployments) == 3
    for budget in budgets:
        wanted = budget["spec"]["selector"]["matchLabels"].items()
        assert [name for name, labels in deployments.items() if wanted <= labels.items()] == [budget["metadata"]["name"]]
    assert {scaler["spec"]["scaleTargetRef"]["name"] for scaler in scalers} == {"demo-web", "demo-worker"}


def test_the_probe_asks_by_a_name_that_the_portal_answers_to(tmp_path: Path) -> None:
    objects = rendered(INSTALLATIONS["on EKS with everything"], tmp_path)
    [web] = [thing for thing in objects if thing["kind"] == "Deployment" and thing["metadata"]["name"].endswith("-web")]
    container = web["spec"]["template"]["spec"]["containers"][0]
    [configuration] = [thing for thing in objects if thing["kind"] == "ConfigMap"]

    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        [header] = container[probe]["httpGet"]["httpHeaders"]
        assert header["value"] in configuration["data"]["ALLOWED_HOSTS"].split(",")
