"""The official client of the Model Context Protocol plans, runs, follows, reads and cancels."""

import json
import os
import pathlib
import subprocess

import anyio
from mcp import Client, StdioServerParameters

DOCMILL = os.environ["DOCMILL"]
WORK = pathlib.Path(os.environ["WORK"]) / "mcp"
OUTSIDE = WORK.parent / "outside"

for place in (WORK / "letters", WORK / "many", OUTSIDE):
    place.mkdir(parents=True, exist_ok=True)
for n in range(12):
    (WORK / "letters" / f"{n:02}.txt").write_text(f"Letter {n}: the parcel came late and the lid was broken.\n")
for n in range(400):
    (WORK / "many" / f"{n:03}.txt").write_text(f"Report {n} about the harbour crane and its gearbox.\n")
(OUTSIDE / "secret.txt").write_text("secret")
(WORK / "link").symlink_to(OUTSIDE)
(WORK / "pipeline.toml").write_text('[input]\npaths = ["letters"]\n\n[job]\nuse = "text-single"\n')


def server(*more, **environment):
    """A server in the working directory."""
    command = StdioServerParameters(
        command=DOCMILL, args=["mcp", *more], cwd=str(WORK), env={**os.environ, **environment}
    )
    return Client(command)


async def call(client, tool, **arguments):
    """The structured result of a tool."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, (tool, arguments, result.content)
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


async def refusal(client, tool, **arguments):
    """Why a tool refuses its arguments."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, (tool, arguments, result.structured_content)
    return result.content[0].text


async def ended(client, **which):
    """The status of a run after its end."""
    for _ in range(20):
        told = await call(client, "status", wait_s=30, **which)
        if told["process"]["state"] != "running":
            return told
    raise AssertionError(told)


async def plan_run_and_read():
    async with server() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"plan", "run", "status", "results", "cancel"}, tools
        assert tools["run"].input_schema["required"] == ["max_usd"]
        assert tools["plan"].annotations.read_only_hint and not tools["run"].annotations.read_only_hint

        plan = await call(client, "plan")
        assert (plan["documents"], plan["pending"], plan["calls"]) == (12, 12, 12), plan
        assert not (WORK / "output").exists()

        for cap in ({}, {"max_usd": 0}, {"max_usd": -1}, {"max_usd": None}):
            assert "cap" in await refusal(client, "run", **cap)
        assert not (WORK / "output").exists()

        pilot = await call(client, "run", sample=3, max_usd=1, wait_s=50)
        assert pilot["process"]["exit_code"] == 0, pilot
        page = await call(client, "results")
        assert len(page["rows"]) == 3 and page["next"] is None, page
        assert all(row["status"] == "ok" and row["answers"] for row in page["rows"]), page

        done = await call(client, "run", max_usd=1, wait_s=50)
        assert done["process"]["exit_code"] == 0 and done["process"]["meaning"], done
        names, start = [], 0
        while start is not None:
            page = await call(client, "results", **{"from": start, "limit": 5})
            names += [row["document"] for row in page["rows"]]
            start = page["next"]
        assert names == [f"{n:02}.txt" for n in range(12)], names
        assert "calls" not in page["rows"][0]
        whole = await call(client, "results", full=True, limit=1)
        assert whole["rows"][0]["calls"], whole
        assert (await call(client, "plan"))["calls"] == 0


async def places_and_settings_are_limited():
    async with server() as client:
        before = set(OUTSIDE.iterdir())
        for places in (
            {"documents": [str(OUTSIDE)]},
            {"documents": ["../outside"]},
            {"documents": ["link"]},
            {"documents": ["link/secret.txt"]},
            {"documents": ["s3://bucket/prefix"]},
            {"documents": ["https://example.com/a.txt"]},
            {"rows": ["../outside/rows.csv"]},
            {"job": "../outside/job.toml"},
            {"output": "../outside/output"},
            {"output": "link/output"},
            {"output": "new/../../outside/output"},
        ):
            for tool, more in (("plan", {}), ("run", {"max_usd": 1})):
                assert "--allow" in await refusal(client, tool, **places, **more), places
        assert "--allow" in await refusal(client, "status", output="../outside")
        assert "--allow" in await refusal(client, "results", output="../outside")
        assert set(OUTSIDE.iterdir()) == before
        for key in ("llm.base_url", "llm.headers.x", "output.copy_to", "input.paths", "budget.max_usd", "nonsense"):
            assert key in await refusal(client, "plan", settings={key: "x"})
        assert "unknown argument" in await refusal(client, "run", max_usd=1, limit=3)

    async with server("--allow", str(OUTSIDE)) as client:
        assert (await call(client, "plan", documents=[str(OUTSIDE)], output="o2"))["documents"] == 1

    # A file that sends data elsewhere needs the trust of a person.
    (WORK / "untrusted").mkdir(exist_ok=True)
    (WORK / "untrusted" / "pipeline.toml").write_text('[llm]\nprovider = "openai-compatible"\nbase_url = "http://127.0.0.1:9"\nmodel = "m"\n')
    command = StdioServerParameters(command=DOCMILL, args=["mcp"], cwd=str(WORK / "untrusted"), env={name: value for name, value in os.environ.items() if name != "DOCMILL_TRUST"})
    (WORK / "untrusted" / "a.txt").write_text("a")
    async with Client(command) as client:
        why = await refusal(client, "run", documents=["a.txt"], max_usd=1, wait_s=30)
        assert "not trusted" in why, why


async def a_server_has_a_cap_on_caps():
    async with server("--max-usd", "2") as client:
        assert "2" in await refusal(client, "run", max_usd=3, output="capped")
        await call(client, "run", max_usd=1.5, output="capped", sample=1, wait_s=50)
        assert "1.5" in await refusal(client, "run", max_usd=1, output="capped-too")
        await call(client, "run", max_usd=2, output="capped", sample=1, wait_s=50)
        # A lower cap does not give back what the earlier run may have spent.
        await call(client, "run", max_usd=0.01, output="capped", sample=1, wait_s=50)
        assert "all caps together" in await refusal(client, "run", max_usd=0.5, output="capped-too")


async def a_run_outlives_its_server_and_can_be_cancelled():
    slow = ["--set", "simulator.latency_ms=300", "--set", "llm.concurrency=2"]
    many = {"documents": ["many"], "output": "many-output"}
    async with server(*slow) as client:
        started = await call(client, "run", max_usd=1, wait_s=0, **many)
        assert started["process"]["state"] == "running", started
        assert "at work" in await refusal(client, "run", max_usd=1, wait_s=0, **many)
        # The run has begun when the first rows are there.
        rows = []
        while not rows:
            told = await client.call_tool("results", {"output": "many-output"})
            rows = [] if told.is_error else told.structured_content["rows"]
    async with server(*slow) as client:
        told = await call(client, "status", output="many-output")
        assert told["process"]["state"] == "running", told
        stopped = await call(client, "cancel", output="many-output", wait_s=50)
        assert stopped["process"]["state"] == "not running", stopped
        assert "no run is at work" in await refusal(client, "cancel", output="many-output")
        # The calls in flight have ended, and the run continues.
        receipt = subprocess.run([DOCMILL, "verify", "--output", "many-output"], cwd=WORK, capture_output=True, text=True)
        assert receipt.returncode == 4 and "no check failed" in receipt.stderr, receipt
        again = await call(client, "run", max_usd=1, wait_s=0, **many)
        while again["status"]["run"] == 1:
            assert again["process"]["state"] == "running", again
            again = await call(client, "status", output="many-output")
        stopped = await call(client, "cancel", output="many-output", wait_s=50)
        assert stopped["process"]["exit_code"] == 4, stopped


async def pages_of_an_active_run_lose_nothing():
    # Answers come out of order: rows appear before those of earlier documents.
    uneven = ["--set", "simulator.latency_ms=5", "--set", "simulator.jitter_ms=250", "--set", "llm.concurrency=16"]
    many = {"documents": ["many"], "output": "paged-output"}
    async with server(*uneven) as client:
        await call(client, "run", max_usd=1, wait_s=0, **many)
        names, start, was_active = [], 0, False
        while start is not None:
            result = await client.call_tool("results", {"output": "paged-output", "from": start, "limit": 7})
            if result.is_error:
                continue  # the run has not begun
            page = result.structured_content
            assert (page["next"] is None) <= page["complete"], page
            was_active |= not page["complete"]
            names += [row["document"] for row in page["rows"]]
            assert [row["index"] for row in page["rows"]] == list(range(start, start + len(page["rows"])))
            start = page["next"]
        assert was_active and names == [f"{n:03}.txt" for n in range(400)], len(names)


async def a_stopped_run_keeps_its_place():
    slow = ["--set", "simulator.latency_ms=300", "--set", "llm.concurrency=2"]
    async with server(*slow) as client:
        # A page has at most 60 kB, so the rows before the first missing one may need several.
        count, page = 0, {"rows": None, "next": 0}
        while page["rows"] != []:
            page = await call(client, "results", output="many-output", limit=1000, **{"from": page["next"]})
            count += len(page["rows"])
            assert not page["complete"] and page["next"] == count < 400, page
        skipping = await call(client, "results", output="many-output", limit=1000, skip_missing=True, **{"from": count})
        assert skipping["next"] is None, skipping


async def texts_speak_to_agents():
    async with server("--set", "simulator.latency_ms=300") as client:
        for tool in ("status", "results"):
            why = await refusal(client, tool, output="unknown")
            assert "Call run first" in why and "docmill run" not in why, why
        for arguments, expected in (
            ({"limit": "20"}, 'limit: "20": expected a whole number from 1 to 1000'),
            ({"limit": 0}, "limit: 0: expected a whole number from 1 to 1000"),
            ({"from": -1}, "from: -1: expected a whole number of at least 0"),
            ({"full": "yes"}, 'full: "yes": expected true or false'),
        ):
            assert await refusal(client, "results", **arguments) == expected
        assert await refusal(client, "plan", documents="many") == 'documents: "many": expected a list of texts'
        assert "null" in await refusal(client, "plan", settings={"llm.model": None})
        assert "add or replace" in await refusal(client, "run", max_usd=1, existing="keep")
        # A run that was cancelled.
        told = await call(client, "run", documents=["many"], output="told-output", max_usd=1, wait_s=0)
        while told["status"] is None:
            told = await call(client, "status", output="told-output")
        told = await call(client, "cancel", output="told-output", wait_s=50)
        assert told["process"]["exit_code"] == 4, told
        assert told["status"]["next"] == "run with the same arguments continues", told
        for part in ("docmill run", "docmill status", "--quiet", "Ctrl-C", "stops at once", "command"):
            assert part not in json.dumps(told["process"]) + str(told["status"]["next"]), (part, told)
        plan = await call(client, "plan", documents=["many"], output="plan-output")
        ends = [*plan["output_tokens"].values(), *(plan["input_tokens_range"] or {}).values(), plan["input_tokens"]]
        assert all(n == round(n) for n in ends), plan


async def main():
    await plan_run_and_read()
    await places_and_settings_are_limited()
    await a_server_has_a_cap_on_caps()
    await a_run_outlives_its_server_and_can_be_cancelled()
    await a_stopped_run_keeps_its_place()
    await pages_of_an_active_run_lose_nothing()
    await texts_speak_to_agents()


anyio.run(main)
