"""The module, with the real program and its built-in model server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import docmill

FAST = {"simulator.latency_ms": 1, "simulator.jitter_ms": 0}


def test_results_are_rows_in_input_order_and_equal_the_result_files(desk: Path) -> None:
    pandas = pytest.importorskip("pandas")
    kinds: list[str] = []
    results = docmill.run(
        "docs", job="text", settings=FAST, on_event=lambda event: kinds.append(event.kind)
    )
    assert results.ok and results.check() is results and results.jobs == ("text",)
    assert kinds[0] == "started" and kinds[-1] == "finished" and kinds.count("document_done") == 12
    assert results.summaries["text"]["documents"] == {"ok": 12}
    rows = list(results)
    assert [row["document"] for row in rows] == [f"{number:02}.txt" for number in range(12)]
    assert len(rows[0]["calls"]) == 6
    frame, written = results.to_pandas(), pandas.read_csv("output/text/results.csv")
    assert list(frame.columns)[: len(written.columns) - 1] == list(written.columns)[:-1]
    assert frame["document"].tolist() == written["document"].tolist()
    assert frame["sentiment"].astype(str).tolist() == written["sentiment"].tolist()
    assert frame["input_tokens"].sum() == written["input_tokens"].sum() > 0
    assert frame["sentiment"].dtype == "category" and frame["keywords"][0].tolist()
    table = results.to_arrow("text")
    assert table.num_rows == 12 and str(table.schema.field("cost_usd").type) == "decimal128(38, 12)"
    # Without the files, from another object.
    for file in (desk / "output/text").iterdir():
        file.unlink()
    assert [row["answers"] for row in docmill.Results("output").rows("text")] == [
        row["answers"] for row in rows
    ]


def test_a_plan_predicts_the_calls_of_the_run_and_answers_are_kept(desk: Path) -> None:
    plan = docmill.plan("docs", job="text", tasks=["sentiment", "category"])
    assert (plan.documents, plan.calls, plan.calls_answered) == (12, 24, 0)
    assert plan.cost_usd == (0.0, 0.0) and not (desk / "output").exists()
    options = docmill.RunOptions(job="text", tasks=["sentiment", "category"], settings=FAST)
    whole = docmill.run("docs", **options).summaries["text"]["whole_run"]
    assert whole["this_run"]["requests"] == 24
    again = docmill.plan("docs", job="text", tasks=["sentiment", "category"])
    assert again.calls == 0
    summaries = docmill.run("docs", **options).summaries
    assert all(s["whole_run"]["this_run"]["requests"] == 0 for s in summaries.values())


def test_two_jobs_give_rows_of_both_and_a_table_of_each(samples: Path) -> None:
    results = docmill.run(samples, settings=FAST, cwd=samples.parent)
    assert sorted(results.jobs) == ["material", "text"]
    assert [row["job"] for row in results].count("material") == 16
    assert results.to_arrow("text").num_rows == 10
    with pytest.raises(docmill.UsageError, match="--job"):
        results.to_arrow()


def test_rows_of_a_table_with_commas_in_names(desk: Path) -> None:
    (desk / "reviews.csv").write_text('"id, own",body\na7,It is good.\nb8,It is bad.\n')
    results = docmill.run(
        rows=desk / "reviews.csv",
        text_column="body",
        id_column="id, own",
        keep_columns=["id, own"],
        job="text",
        tasks="sentiment",
        settings={
            "simulator": {"latency_ms": 1, "jitter_ms": 0},
            "llm.prime": False,
            "prices": {"simulated-1.5-small": {"input": 1, "output": 2}},
        },
    )
    assert results.to_arrow()["id, own"].to_pylist() == ["a7", "b8"]


def test_errors_have_the_codes_and_messages_of_docmill(desk: Path) -> None:
    with pytest.raises(docmill.UsageError, match=r"unknown key llm\.foo") as wrong:
        docmill.run("docs", settings={"llm.foo": 1})
    assert wrong.value.exit_code == 2 and wrong.value.results is None
    with pytest.raises(docmill.UsageError, match="nowhere"):
        docmill.plan("nowhere")
    with pytest.raises(TypeError, match="concurency"):
        docmill.run("docs", concurency=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"llm\.model is None"):
        docmill.run("docs", settings={"llm.model": None})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="one code"):
        docmill.run("docs", retry_failed=["empty"])  # type: ignore[arg-type]
    with pytest.raises(docmill.DocmillError, match="nothing"):
        list(docmill.Results("nothing").rows("text"))


def test_failed_rows_are_results_and_an_error_on_request(desk: Path) -> None:
    (desk / "docs/05.txt").write_text("")
    results = docmill.run("docs", job="text", tasks=["sentiment"], settings=FAST)
    assert results.exit_code == 3 and not results.ok
    with pytest.raises(docmill.FailedRows) as failed:
        results.check()
    assert failed.value.results is results
    assert [row["failure"]["code"] for row in results if "failure" in row] == ["empty"]
    options = docmill.RunOptions(job="text", tasks=["sentiment"], accept_failed=["empty"])
    assert docmill.run("docs", **options).ok


def test_results_of_an_earlier_run_know_its_failures(desk: Path) -> None:
    (desk / "docs/05.txt").write_text("")
    docmill.run("docs", job="text", tasks=["sentiment"], settings=FAST)
    results = docmill.Results("output")
    assert results.exit_code == 3 and not results.ok
    assert results.summaries["text"]["documents"] == {"ok": 11, "failed": 1}
    with pytest.raises(docmill.FailedRows, match="output: some rows failed"):
        results.check()
    assert docmill.Results("output", accept_failed=["empty"]).check().ok
    elsewhere = docmill.Results("output", cwd=desk, accept_failed=["empty", "refused"])
    assert elsewhere.ok and elsewhere.summaries == results.summaries
    requeue = [docmill.binary(), "requeue", "--all", "03.txt"]
    subprocess.run(requeue, check=True, capture_output=True)
    with pytest.raises(docmill.Stopped, match="incomplete"):
        docmill.Results("output").check()


def test_results_need_a_run(desk: Path) -> None:
    for place in ["nowhere", "docs"]:
        with pytest.raises(docmill.UsageError, match=place):
            docmill.Results(place)


def test_a_limited_run_is_complete(desk: Path) -> None:
    options = docmill.RunOptions(job="text", tasks=["sentiment"], settings=FAST, limit=2)
    assert docmill.run("docs", **options).ok
    assert docmill.Results("output").check().ok


def test_a_program_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMILL", "/nowhere/docmill")
    with pytest.raises(FileNotFoundError, match="DOCMILL=/nowhere/docmill is not a program"):
        docmill.Results("output")


def test_leaving_the_block_drains_and_the_next_run_continues(desk: Path) -> None:
    slow = {"simulator.latency_ms": 300, "simulator.jitter_ms": 0, "llm.concurrency": 2}
    options = docmill.RunOptions(job="text", tasks=["sentiment"], settings=slow)
    with docmill.start("docs", **options) as run:
        for event in run:
            if event.kind == "document_done":
                break
        # Another run in the same directory is refused meanwhile.
        with pytest.raises(docmill.Busy) as busy:
            docmill.run("docs", **options)
        assert busy.value.exit_code == 6
    assert not (Path("/proc") / str(run.pid)).exists()
    with pytest.raises(docmill.Stopped) as stopped:
        run.wait()
    assert stopped.value.exit_code == 4 and stopped.value.results is not None
    with pytest.raises(docmill.Stopped, match="incomplete"):
        docmill.Results("output").check()
    done = [row for row in stopped.value.results if row["status"] == "ok"]
    assert 1 <= len(done) < 12
    state = subprocess.run(
        [docmill.binary(), "status", "--json"], check=True, capture_output=True
    ).stdout
    assert json.loads(state)["in_doubt"] == []
    whole = docmill.run("docs", **options).summaries["text"]["whole_run"]
    assert whole["this_run"]["requests"] == 12 - len(done)


def test_ctrl_c_in_python_drains_once(desk: Path) -> None:
    code = (
        "import docmill\n"
        "def tell(event):\n"
        "    if event.kind == 'document_done': print('done', flush=True)\n"
        "settings = {'simulator.latency_ms': 400, 'llm.concurrency': 2}\n"
        "docmill.run('docs', job='text', tasks=['sentiment'], settings=settings, on_event=tell)\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as python:
        assert python.stdout is not None
        python.stdout.readline()
        # As a terminal does: to the whole group.
        os.killpg(python.pid, signal.SIGINT)
        _, errors = python.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors
    state = subprocess.run([docmill.binary(), "status", "--json"], check=True, capture_output=True)
    assert json.loads(state.stdout)["in_doubt"] == []


def test_python_m_docmill_is_the_program() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "docmill", "--version"], check=True, capture_output=True, text=True
    )
    assert shown.stdout.startswith("docmill ")
