"""Shards on a real Ray cluster: three nodes on this machine, and a provider that counts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import docmill
from provider import Provider

psutil = pytest.importorskip("psutil")
pytest.importorskip("ray")

SHARDS, DOCUMENTS, IN_FLIGHT, SAVE_ANSWERS = 24, 960, 4, 5
# What a lost attempt may pay again: calls in flight, and those since the last segment, which
# docmill looks at once a second.
PER_LOSS = IN_FLIGHT + SAVE_ANSWERS + IN_FLIGHT * 5
SLOTS = 2
PATIENCE_S = 180


class Cluster:
    """Three nodes with two slots each. A node has its own disk."""

    def __init__(self, desk: Path) -> None:
        from ray.cluster_utils import Cluster as Nodes

        self.desk = desk
        self._nodes = Nodes()
        # Nodes on one machine start one after another.
        self.members = [self._nodes.add_node(**self._options(n)) for n in range(3)]
        self.address: str = self._nodes.address

    def _options(self, number: int) -> dict[str, Any]:
        disk = {"DOCMILL_SHARDS__SCRATCH": str(self.disk(number))}
        return {"num_cpus": SLOTS, "include_dashboard": False, "env_vars": disk}

    def disk(self, number: int) -> Path:
        return self.desk / f"disk{number}"

    def signal(self, number: int, sent: signal.Signals) -> None:
        """Sends a signal to the daemon of a node and to all that it has started."""
        raylet = psutil.Process(self.members[number].all_processes["raylet"][0].process.pid)
        for process in [raylet, *raylet.children(recursive=True)]:
            process.send_signal(sent)

    def kill(self, number: int) -> None:
        """The machine is lost, with its disk."""
        self.signal(number, signal.SIGKILL)
        shutil.rmtree(self.disk(number), ignore_errors=True)

    def close(self) -> None:
        self._nodes.shutdown()


@pytest.fixture
def shared(desk: Path) -> Iterator[tuple[Provider, Cluster]]:
    """A planned run of 24 shards, a cluster, and the results of one machine in `single`."""
    shutil.rmtree(desk / "docs")
    (desk / "docs").mkdir()
    for number in range(DOCUMENTS):
        (desk / f"docs/{number:04}.txt").write_text(f"This is number {number} and no other.\n")
    (desk / "job.toml").write_text(
        'name = "numbers"\ninput = "text"\n[[task]]\nid = "read"\nprompt = "Read the number."\n'
        '[task.answer]\nnumber = { type = "integer" }\n'
    )
    with Provider() as provider:
        (desk / "settings.toml").write_text(
            '[llm]\nprovider = "openai-compatible"\nmodel = "numbers"\n'
            f'base_url = "{provider.base_url}"\nconcurrency = {IN_FLIGHT}\n'
            f"[shards]\nsave_s = 1\nsave_answers = {SAVE_ANSWERS}\nfence_s = 1\n"
        )
        run(["run", "--set", "llm.concurrency=64", "--output", "single", *WHAT])
        run(["shards", "plan", "--run", "shared", "--shards", str(SHARDS), *WHAT])
        provider.asked.clear()
        cluster = Cluster(desk)
        try:
            yield provider, cluster
        finally:
            cluster.close()


WHAT = ["docs", "--job", "job.toml", "--config", "settings.toml"]


def run(arguments: list[str]) -> str:
    done = subprocess.run(
        [docmill.binary(), *arguments], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def submit(cluster: Cluster, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "docmill.ray", "submit", "--run", "shared"]
    command += ["--address", cluster.address, "--silent-s", "6", *more, *WHAT]
    log = cluster.desk / "driver.log"
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log.open("a"), text=True)


def finish(driver: subprocess.Popen[str]) -> dict[str, Any]:
    """The report of a driver that ends well."""
    output, _ = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, output + Path("driver.log").read_text()
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    return report


def merged_is_right() -> None:
    run(["merge", "--run", "shared", "--output", "merged", "--config", "settings.toml"])
    answers = {}
    for place in ("single", "merged"):
        lines = Path(place, "numbers/results.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        answers[place] = [(r["index"], r["document"], r["status"], r["answers"]) for r in rows]
    assert answers["merged"] == answers["single"] and len(answers["single"]) == DOCUMENTS


def tell(name: str, provider: Provider, report: dict[str, Any], began: float) -> None:
    print(f"\n{name}: {provider.paid} paid, {time.monotonic() - began:.1f} s, {report}")


def test_a_killed_node_costs_its_calls_in_flight(shared: tuple[Provider, Cluster]) -> None:
    provider, cluster = shared
    began, driver = time.monotonic(), submit(cluster)
    provider.wait_for(DOCUMENTS // 4)
    cluster.kill(1)
    report = finish(driver)
    tell("node killed", provider, report, began)
    merged_is_right()
    assert (report["unfinished"], report["silent"]) == ({}, [])
    assert 1 <= report["lost"] == report["attempts"] - SHARDS <= 2 * SLOTS
    assert DOCUMENTS <= provider.paid <= DOCUMENTS + SLOTS * PER_LOSS


def test_a_killed_driver_is_run_again(shared: tuple[Provider, Cluster]) -> None:
    provider, cluster = shared
    began, driver = time.monotonic(), submit(cluster)
    provider.wait_for(DOCUMENTS // 3)
    driver.kill()
    driver.communicate()
    report = finish(submit(cluster))
    tell("driver killed", provider, report, began)
    merged_is_right()
    assert report["unfinished"] == {} and report["already_committed"] > 0
    assert report["attempts"] == SHARDS - report["already_committed"]
    assert DOCUMENTS <= provider.paid <= DOCUMENTS + 3 * SLOTS * PER_LOSS


def test_a_hung_node_is_replaced_and_fenced(shared: tuple[Provider, Cluster]) -> None:
    provider, cluster = shared
    began, driver = time.monotonic(), submit(cluster)
    provider.wait_for(DOCUMENTS // 4)
    frozen = [f"/proc/{p}" for p in programs(cluster, 1)]
    cluster.signal(1, signal.SIGSTOP)
    try:
        report = finish(driver)
        before_thaw = provider.paid
    finally:
        cluster.signal(1, signal.SIGCONT)
    tell("node hung", provider, report, began)
    deadline = time.monotonic() + 60
    while any(os.path.exists(process) for process in frozen) and time.monotonic() < deadline:
        time.sleep(0.1)
    print(f"frozen: {len(frozen)} programs, {provider.paid - before_thaw} paid after the thaw")
    merged_is_right()
    assert report["unfinished"] == {} and 1 <= len(report["silent"]) <= SLOTS
    assert DOCUMENTS <= provider.paid <= DOCUMENTS + SLOTS * (PER_LOSS + IN_FLIGHT)


def programs(cluster: Cluster, number: int) -> list[int]:
    """The docmill processes on a node."""
    raylet = psutil.Process(cluster.members[number].all_processes["raylet"][0].process.pid)
    return [p.pid for p in raylet.children(recursive=True) if p.name() == "docmill"]


def test_slow_shards_are_left_alone(shared: tuple[Provider, Cluster]) -> None:
    provider, cluster = shared
    # Two shards without any progress for three times the silence of a dead attempt.
    provider.slow = {number: 18.0 for number in [*range(100, 104), 700]}
    began, driver = time.monotonic(), submit(cluster)
    report = finish(driver)
    tell("slow shards", provider, report, began)
    merged_is_right()
    assert (report["silent"], report["lost"], report["attempts"]) == ([], 0, SHARDS)
    assert provider.paid == DOCUMENTS


def test_all_shards_share_a_budget_service(shared: tuple[Provider, Cluster]) -> None:
    provider, cluster = shared
    command = [docmill.binary(), "budget", "serve", "ledger", "--bind", str(free_port())]
    command += ["--requests-per-minute", "1200"]
    if subprocess.run([*command[:3], "--help"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this docmill has no budget service")
    url = f"http://127.0.0.1:{command[5]}"
    with subprocess.Popen(command) as service:
        began, driver = time.monotonic(), submit(cluster, "--budget", url)
        try:
            report = finish(driver)
        finally:
            service.terminate()
    seconds = time.monotonic() - began
    tell("budget service", provider, report, began)
    merged_is_right()
    assert (report["unfinished"], report["attempts"]) == ({}, SHARDS)
    # Twenty requests a second for all shards together.
    assert provider.paid == DOCUMENTS and seconds >= DOCUMENTS / 20 - 3


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_secrets_and_wrong_settings_are_refused(shared: tuple[Provider, Cluster]) -> None:
    _, cluster = shared
    ray = pytest.importorskip("docmill.ray")
    with pytest.raises(docmill.UsageError, match="Ray shows arguments"):
        ray.submit("shared", "docs", budget="https://me:secret@host:7077")
    with pytest.raises(docmill.UsageError, match="Ray shows arguments"):
        ray.submit("shared", "docs", settings={"llm": {"headers": {"X-Key": "secret"}}})
    driver = submit(cluster)
    driver.kill()
    driver.communicate()
    command = [sys.executable, "-m", "docmill.ray", "submit", "--run", "shared"]
    command += ["--address", cluster.address, *WHAT, "--set", "prepare.text.clean=true"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2 and "exit code 64" in done.stderr, done.stdout + done.stderr
    assert "has another job, model or preparation" in done.stdout + done.stderr
