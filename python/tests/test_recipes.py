"""The recipes of the manual: those that can be tried here, and the form of the others."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

import docmill
from conftest import ROOT
from test_module import FAST

MANUAL = (ROOT / "src/manual/shards.md").read_text()


def recipe(language: str, word: str) -> str:
    """The block of the manual that has a word."""
    blocks = re.findall(rf"```{language}\n(.*?)```", MANUAL, re.DOTALL)
    return str(next(block for block in blocks if word in block))


@pytest.fixture
def planned(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The twelve documents in 24 shards at most, as `job.toml` and `shared` of the recipes."""
    job = docmill.binary(), "jobs", "show", "text-single"
    (desk / "job.toml").write_bytes(subprocess.run(job, check=True, capture_output=True).stdout)
    tool = desk / "bin/docmill"
    tool.parent.mkdir()
    tool.symlink_to(docmill.binary())
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    for key, value in FAST.items():
        monkeypatch.setenv("DOCMILL_" + key.upper().replace(".", "__"), str(value))
    plan = "docmill shards plan docs --job job.toml --run shared --shards 24"
    subprocess.run(plan, shell=True, check=True, capture_output=True)
    return desk


def merged() -> int:
    subprocess.run(["docmill", "merge", "--run", "shared"], check=True, capture_output=True)
    (results,) = Path("output").glob("*/results.jsonl")
    return sum(json.loads(line)["status"] == "ok" for line in results.open())


def test_xargs_runs_all_shards(planned: Path) -> None:
    # Twelve documents give twelve shards.
    command = recipe("sh", "xargs").replace("23", "11").replace("/24", "/12")
    subprocess.run(command, shell=True, check=True, capture_output=True)
    assert merged() == 12


def test_the_script_for_slurm_ends_with_the_code_that_slurm_needs(planned: Path) -> None:
    script = (
        recipe("sh", "#SBATCH").replace("/data/scans", "docs").replace("/shared/run7", "shared")
    )
    (planned / "run7.sh").write_text(script)
    requeued = planned / "bin/scontrol"
    requeued.write_text('#!/bin/sh\necho "$@" >> requeued\n')
    requeued.chmod(0o755)
    slurm = {"SLURM_ARRAY_JOB_ID": "9", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_COUNT": "12"}
    for number in range(12):
        environment = {**os.environ, **slurm, "SLURM_ARRAY_TASK_ID": str(number)}
        done = subprocess.run(["bash", "run7.sh"], env=environment, check=False)
        assert done.returncode == 0
    assert merged() == 12 and not (planned / "requeued").exists()
    # Another preparation than that of the plan never runs. A shard that stopped early runs again.
    wrong = {"SLURM_ARRAY_TASK_ID": "3", "DOCMILL_PREPARE__TEXT__CLEAN": "true"}
    done = subprocess.run(["bash", "run7.sh"], env={**os.environ, **slurm, **wrong}, check=False)
    assert done.returncode == 64
    lost = (planned / "run7.sh").read_text().replace("docmill run", "sh -c 'exit 75' docmill run")
    environment = {**os.environ, **slurm, "SLURM_ARRAY_TASK_ID": "3"}
    subprocess.run(["bash", "-c", lost], env=environment, check=True)
    assert (planned / "requeued").read_text() == "requeue 9_3\n"


def test_the_job_for_kubernetes_fits_its_schema() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load(recipe("yaml", "kind: Job"))
    kubernetes_validate.validate(job, "1.33", strict=True)
    job["spec"]["podFailurePolicy"]["rules"][1]["onExitCode"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, "1.33", strict=True)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert_accepted(container["args"])


def test_the_request_to_batch_fits_the_model_of_its_client() -> None:
    session = pytest.importorskip("botocore.session").get_session()
    validate = pytest.importorskip("botocore.validate")
    shape = session.get_service_model("batch").operation_model("SubmitJob").input_shape
    request = json.loads(recipe("json", "jobQueue"))
    report = validate.ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    assert_accepted(request["containerOverrides"]["command"])


def assert_accepted(arguments: list[str]) -> None:
    """The arguments are known: docmill complains only about a place that does not exist."""
    local = [re.sub("s3://[a-z]+", "/nowhere", argument) for argument in arguments]
    done = subprocess.run([docmill.binary(), *local], check=False, capture_output=True, text=True)
    assert done.returncode in (1, 64) and "unexpected argument" not in done.stderr, done.stderr
