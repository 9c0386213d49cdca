//! Care with vectors: bad texts, other dimensions, caps, plans and searches.

use crate::embedding::{Server, embed, number, store, text, vectors, write};
use crate::support::Workspace;

#[test]
fn equal_chunks_of_a_document_pass_the_audit() {
    let server = Server::start("");
    let workspace = server.workspace();
    workspace.doc("r.txt", "The cable is inspected every year by a diver from the city. ".repeat(90));
    workspace.doc("other.txt", text(1));
    embed(&workspace).exits(0);
    let (chunks, answers) = ("SELECT count(*) FROM chunks", "SELECT count(*) FROM answers");
    assert!(number(&store(&workspace), chunks) > number(&store(&workspace), answers), "the text has no equal chunks");
    workspace.docmill(["verify", "--output", "output"]).exits(0);
    let writer = rusqlite::Connection::open(workspace.path("output/docmill.db")).unwrap();
    writer.execute("DELETE FROM answers WHERE document = (SELECT id FROM documents WHERE name = 'r.txt')", ()).unwrap();
    let found = workspace.docmill(["verify", "--output", "output"]).exits(3).stdout;
    assert!(found.contains("WRONG every answer in a row is in the store") && found.contains("r.txt"), "{found}");
}

#[test]
fn vectors_of_other_dimensions_are_refused_in_later_runs_and_in_searches() {
    let (server, other) = (Server::start("[embeddings]\ndimensions = 64"), Server::start("[embeddings]\ndimensions = 32"));
    let workspace = server.workspace();
    write(&workspace, 0..4);
    embed(&workspace).exits(0);
    workspace.doc("new.txt", text(900));
    let address = |server: &Server| format!("llm.base_url={}/v1", server.address());
    let run = embed(&workspace.clone().set("llm.base_url", address(&other).split_once('=').unwrap().1)).exits(3);
    assert_eq!(run.csv("embed").row("new.txt")["failure_code"], "invalid_answer");
    run.says(&["32 dimensions instead of the 64 of the vectors in the run store"]);
    assert_eq!(vectors(&workspace).len(), 4);
    let search = |server: &Server, more: &[&str]| {
        let settings = ["--set", "llm.provider=openai-compatible", "--set", "llm.model=simulated-embedding", "--set"];
        let address = address(server);
        workspace
            .docmill(["search", "output", "subject1"].iter().copied().chain(settings).chain([address.as_str()]).chain(more.iter().copied()))
    };
    search(&other, &[]).exits(2).says(&["32 dimensions", "64"]);
    search(&server, &["--top", "0"]).exits(2);
    let found = search(&server, &["--json"]).exits(0).stdout;
    assert!(found.lines().count() == 4 && found.ends_with("}\n") && !found.ends_with("\n\n"), "{found:?}");
    workspace.docmill(["search", "output", " "]).exits(2).says(&["is empty"]);
    workspace.run(["--job", "embed", "--retry-failed"]).exits(0);
}

#[test]
fn a_text_that_breaks_the_server_fails_alone() {
    for (fault, code) in [("server_error", "server_error"), ("reset", "lost_reply"), ("garbage", "bad_reply")] {
        let server = Server::start(&format!("[[poison]]\nmarker = 'spoilt'\nfault = '{fault}'"));
        let workspace = server.workspace().set("llm.pack.max_items", 128).set("llm.retry.max_attempts", 3);
        write(&workspace, 0..300);
        workspace.doc("0100.txt", "a spoilt text");
        let run = embed(&workspace).exits(3);
        let csv = run.csv("embed");
        let failed: Vec<_> = csv.rows.iter().filter(|row| row["status"] != "ok").collect();
        assert!(failed.len() == 1 && failed[0]["document"] == "0100.txt" && failed[0]["failure_code"] == code, "{fault}: {failed:?}");
        assert_eq!(vectors(&workspace).len(), 299, "{fault}");
        let requests = number(&store(&workspace), "SELECT sum(request = id) FROM attempts");
        // One alone, three or four packs, three attempts with a pack and with a text, and the search.
        assert!(requests <= 1 + 4 + 2 * 3 + 2 * 7, "{fault}: {requests} requests");
    }
}

#[test]
fn a_server_that_is_down_stops_the_run_soon() {
    let server = Server::start("[[poison]]\nmarker = 'spoilt'\nfault = 'server_error'");
    let workspace = server.workspace().set("llm.pack.max_items", 64).set("llm.retry.max_attempts", 2);
    for n in 0..500 {
        workspace.doc(format!("a{n}.txt"), format!("a spoilt text {n}"));
    }
    embed(&workspace).exits(4).says(&["all failed with server_error"]);
    let requests = number(&store(&workspace), "SELECT sum(request = id) FROM attempts");
    assert!(requests < 150, "{requests} requests");
}

#[test]
fn packs_shrink_to_what_the_cap_has_left() {
    let server = Server::start("");
    let workspace = server.workspace().set("budget.max_usd", 0.4);
    workspace.write("pipeline.toml", "[prices]\nsimulated-embedding = { input = 100.0, output = 0.0 }\n");
    for n in 0..6 {
        workspace.doc(format!("{n}.txt"), format!("number{n} and more words of it. ").repeat(45));
    }
    embed(&workspace).exits(4).says(&["budget"]);
    let answered = vectors(&workspace).len();
    let spent = number(&store(&workspace), "SELECT sum(pico_usd) FROM attempts");
    assert!((4..6).contains(&answered) && spent <= 400_000_000_000, "{answered} texts, {spent}");
}

#[test]
fn a_run_of_other_tasks_leaves_the_vectors_to_searches() {
    let workspace = Workspace::new().set("llm.provider", "simulated");
    let ask = "[[task]]\nid = 'q'\nprompt = 'What? {{ document }}'\nanswer = { about = { type = 'string' } }\n";
    workspace.write("both.toml", format!("name = 'both'\ninput = 'text'\n{ask}[[task]]\nid = 'v'\n[task.embed]\n"));
    write(&workspace, 0..3);
    workspace.run(["--job", "both.toml"]).exits(0);
    workspace.run(["--job", "both.toml", "--tasks", "q"]).exits(0);
    let found = workspace.docmill(["search", "output", "number1", "--set", "llm.provider=simulated"]).exits(0).stdout;
    assert!(found.contains("0001.txt"), "{found}");
}

#[test]
fn a_plan_for_vectors_speaks_of_texts_and_of_their_model() {
    let workspace = Workspace::new().env("GEMINI_API_KEY", "x");
    write(&workspace, 0..50);
    let plan = |provider: &str| {
        let provider = format!("llm.provider={provider}");
        workspace.docmill(["plan", "docs", "--job", "embed", "--set", &provider, "--set", "llm.thinking_tokens=1000"]).exits(0)
    };
    let shown = plan("gemini").stdout;
    assert!(!shown.contains("flash") && !shown.contains("answer fields") && !shown.contains("thinking tokens"), "{shown}");
    let report = workspace.docmill(["plan", "docs", "--job", "embed", "--json", "--set", "llm.provider=simulated"]).exits(0).stdout;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let (most, high) = (report["cost_at_most_usd"].as_f64(), report["cost_usd"]["high"].as_f64());
    assert!(most >= high, "{report}");
}
