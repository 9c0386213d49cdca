//! What clients submit to `docmill serve`, and the names of its documents.

use crate::serve::{rows, workspace};
use crate::support::postgres::Postgres;
use crate::support::serving::Serving;
use crate::support::{ModelServer, Workspace};
use serde_json::json;

#[test]
fn rows_are_named_by_their_ids_and_never_by_paths_of_the_server() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let submission = json!({
        "job": "echo", "texts": [{"name": "z.txt", "text": "docid:z"}],
        "rows": [{"id": "B2", "body": "docid:b"}, {"id": "A1", "body": "docid:a"}],
        "settings": {"input.id_column": "id", "input.text_column": "body"},
    });
    let id = serving.post("/api/runs", &submission).is(202).json()["id"].as_str().unwrap().to_owned();
    serving.wait_for(&id, "complete");
    let names: Vec<String> = rows(&serving, &id).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["rows.jsonl#B2", "rows.jsonl#A1", "z.txt"]);
    serving.post(&format!("/api/runs/{id}/requeue"), &json!({"documents": ["rows.jsonl#A1"], "all": true})).is(200);
    serving.wait_for(&id, "complete");
    workspace.docmill(["verify", "--output", &format!("server/runs/{id}")]).exits(0);

    let metrics = serving.get("/metrics").is(200).text;
    assert!(metrics.contains("docmill_runs{state=\"complete\"} 1\n") && metrics.contains("docmill_spent_usd{by=\"runs\"} "), "{metrics}");

    let refused = serving.post("/api/runs", &json!({"job": "material", "texts": ["a letter"]})).is(422);
    assert!(refused.text.contains("takes images only"), "{}", refused.text);
}

#[test]
fn a_run_at_work_shows_its_numbers() {
    let server = ModelServer::script().hold(|ask, _| ask.text.contains("docid:9")).start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let texts: Vec<(String, String)> = (0..10).map(|n| (format!("{n}.txt"), format!("docid:{n}"))).collect();
    let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let id = serving.submit("echo", &texts);
    let run = serving.wait(&id, "nine rows", |run| run["documents"]["done"] == 9);
    assert_eq!((&run["state"], &run["documents"]["pending"]), (&json!("running"), &json!(1)), "{run}");
    assert!(run["requests"].as_u64().unwrap() >= 9, "{run}");
    serving.post(&format!("/api/runs/{id}/cancel"), &json!({})).is(200);
}

#[test]
fn what_is_submitted_must_be_an_object_with_known_settings() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    for (submission, status, says) in [
        (json!(["text", null, ["positional"]]), 400, "expected a JSON object"),
        (json!({"texts": [{"text": "x"}]}), 400, "missing field `name`"),
        (json!({"texts": [["a", "b"]]}), 400, "expected a text, or an object with `name` and `text`"),
        (json!({"rows": [{"a": 1}], "settings": {"input.id_column": "b"}}), 422, "no row has the column"),
        (json!({"texts": ["x"], "settings": {"llm.modell": "m"}}), 422, "unknown setting llm.modell; did you mean llm.model?"),
        (json!({"texts": ["x"], "settings": {"llm.base_url": "http://x"}}), 403, "clients cannot change llm.base_url"),
    ] {
        let refused = serving.post("/api/runs", &submission).is(status);
        assert!(refused.text.contains(says), "{}", refused.text);
    }
}

#[test]
fn documents_that_no_job_takes_are_counted() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    workspace.write("note.txt", "a letter");
    let serving = Serving::start(&workspace);
    let form = concat!(
        "--b\r\nContent-Disposition: form-data; name=\"run\"\r\n\r\n{\"job\": \"material\"}\r\n",
        "--b\r\nContent-Disposition: form-data; name=\"documents\"; filename=\"a.txt\"\r\n\r\na letter\r\n",
        "--b\r\nContent-Disposition: form-data; name=\"documents\"; filename=\"a.gif\"\r\n\r\nGIF89a\r\n--b--\r\n"
    );
    let response = serving.post_with("/api/runs", &[("content-type", "multipart/form-data; boundary=b")], form).is(202);
    let run = serving.wait_for(response.json()["id"].as_str().unwrap(), "complete");
    assert_eq!((&run["documents"]["done"], &run["documents"]["skipped"]), (&json!(2), &json!(1)), "{run}");
}

#[test]
fn files_of_a_kind_that_the_job_does_not_take_are_refused() {
    let server = ModelServer::start();
    let serving = Serving::start(&workspace(&server));
    for (job, name, content, says) in [
        ("material", "a.txt", "a letter", "takes images only, but all files are texts"),
        ("echo", "a.gif", "GIF89a", "takes texts only, but all files are images"),
    ] {
        let form = format!(
            "--b\r\nContent-Disposition: form-data; name=\"run\"\r\n\r\n{{\"job\": \"{job}\"}}\r\n\
            --b\r\nContent-Disposition: form-data; name=\"documents\"; filename=\"{name}\"\r\n\r\n{content}\r\n--b--\r\n"
        );
        let refused = serving.post_with("/api/runs", &[("content-type", "multipart/form-data; boundary=b")], form).is(422);
        assert!(refused.text.contains(says), "{}", refused.text);
    }
}

#[test]
fn documents_have_the_order_of_the_submission() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let names = ["z.txt", "b/2.txt", " a", "b/1.txt", "\"q\".txt", "%PDF-1.7"];
    let texts: Vec<_> = names.iter().map(|name| json!({"name": name, "text": format!("docid:{name}")})).collect();
    let id = serving.post("/api/runs", &json!({"job": "echo", "texts": texts})).is(202).json()["id"].as_str().unwrap().to_owned();
    serving.wait_for(&id, "complete");
    let found: Vec<String> = rows(&serving, &id).into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, names);
    serving.post(&format!("/api/runs/{id}/requeue"), &json!({"documents": ["b/1.txt"], "all": true})).is(200);
    serving.wait_for(&id, "complete");
    assert_eq!(server.requests(), names.len() + 1);
    workspace.docmill(["verify", "--output", &format!("server/runs/{id}")]).exits(0);
}

#[test]
fn a_run_of_an_earlier_version_keeps_its_names() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let submission = json!({"job": "echo", "texts": [{"name": "z.txt", "text": "z"}, {"name": "a.txt", "text": "a"}], "held": true});
    let id = serving.post("/api/runs", &submission).is(202).json()["id"].as_str().unwrap().to_owned();
    std::fs::remove_file(workspace.path(format!("server/inputs/{id}/documents.txt"))).unwrap();
    serving.post(&format!("/api/runs/{id}/resume"), &json!({})).is(200);
    serving.wait_for(&id, "complete");
    let found: Vec<String> = rows(&serving, &id).into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, ["a.txt", "z.txt"]);
}

#[test]
fn a_client_that_sends_its_whole_body_first_gets_the_refusal() {
    use std::io::{Read as _, Write as _};
    let server = ModelServer::start();
    let serving = Serving::start(&workspace(&server));
    let body = vec![b'x'; 20_000_000];
    for (path, origin, status) in [("/nothing", "", "404"), ("/api/runs", "Origin: http://evil.example\r\n", "403")] {
        let mut socket = std::net::TcpStream::connect(serving.base().trim_start_matches("http://")).unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{origin}Content-Length: {}\r\n\r\n", body.len());
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(&body).unwrap_or_else(|error| panic!("{path}: the connection broke before the response: {error}"));
        let mut begin = [0; 12];
        socket.read_exact(&mut begin).unwrap();
        assert_eq!(String::from_utf8_lossy(&begin), format!("HTTP/1.1 {status}"), "{path}");
    }
}

#[test]
fn rows_go_to_the_database_of_the_server_and_clients_cannot_choose_another() {
    let Some(database) = Postgres::start() else { return };
    let server = ModelServer::start();
    let workspace = workspace(&server).env("DATABASE_URL", &database.url()).set("output.postgres", "env:DATABASE_URL");
    let bare = ["serve", "server", "--bind", "0", "--set", "output.postgres=env:DATABASE_URL"];
    workspace.docmill(bare).exits(2).says(&["output.postgres_table", "{dir}"]);
    let workspace = workspace.set("output.postgres_table", "docmill_{job}_{dir}");
    let workspace = workspace.set("serve.settings", "[\"output.postgres\", \"output.postgres_table\"]");
    let serving = Serving::start(&workspace);
    let ids = ["a", "b"].map(|name| serving.submit("echo", &[(name, &format!("docid:{name}"))]));
    for (id, name) in ids.iter().zip(["a", "b"]) {
        assert_eq!(serving.wait_for(id, "complete")["message"], "");
        assert_eq!(database.sql(&format!("SELECT document FROM docmill_echo_{id}")), name);
    }
    for key in ["output.postgres", "output.postgres_table"] {
        let refused = serving.post("/api/runs", &json!({"job": "echo", "texts": ["x"], "settings": {key: "env:OTHER"}})).is(403);
        assert!(refused.text.contains("decide where rows go"), "{}", refused.text);
    }
}

/// A multipart body with these parts: the headers after `form-data` and the content.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (about, content) in parts {
        body.extend_from_slice(format!("--b\r\nContent-Disposition: form-data; {about}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

const MULTIPART: [(&str, &str); 1] = [("content-type", "multipart/form-data; boundary=b")];

#[test]
fn uploaded_archives_are_read_like_directories() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let files = crate::containers::archive(&[("a.txt", b"docid:a"), ("b.txt", b"docid:b")]);
    let upload = |settings: &str| {
        let run = format!("{{\"job\": \"echo\", \"settings\": {{{settings}}}}}");
        let body = form(&[("name=\"run\"", run.as_bytes()), ("name=\"documents\"; filename=\"in.zip\"", &files)]);
        let id = serving.post_with("/api/runs", &MULTIPART, body).is(202).json()["id"].as_str().unwrap().to_owned();
        serving.wait_for(&id, "complete");
        rows(&serving, &id).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(upload(""), ["in.zip#a.txt", "in.zip#b.txt"]);
    assert_eq!(upload("\"input.archives\": \"refuse\""), ["in.zip"]);
}

#[test]
fn a_submission_comes_once_and_its_job_keeps_its_name() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let run = ("name=\"run\"", &b"{\"job\": \"echo\", \"texts\": [\"x\"]}"[..]);
    let refused = serving.post_with("/api/runs", &MULTIPART, form(&[run, run])).is(400);
    assert!(refused.text.contains("came twice"), "{}", refused.text);

    let own = serving.post("/api/runs", &json!({"job_file": crate::order::ECHO, "texts": ["docid:1"]})).is(202).json();
    assert_eq!((&own["job"], &own["own_job"]), (&json!("echo"), &json!(true)), "{own}");
    let id = own["id"].as_str().unwrap();
    serving.wait_for(id, "complete");
    assert_eq!(serving.get(&format!("/api/runs/{id}/rows")).is(200).json()["jobs"], json!(["echo"]));
    for path in [format!("/api/runs/{id}/rows?limit=0"), "/api/runs?limit=0".to_owned()] {
        serving.get(&path).is(400);
    }
    assert_eq!(serving.get("/api/jobs").json()["may_run"], true);
}

#[test]
fn a_file_is_no_directory_for_a_server() {
    let workspace = Workspace::new();
    workspace.write("keys.toml", "");
    workspace.docmill(["serve", "keys.toml", "--bind", "0"]).exits(2).says(&["serve.dir", "this is a file. Name a directory"]);
}

#[test]
fn rows_keep_the_digits_of_their_numbers() {
    let server = ModelServer::start();
    let serving = Serving::start(&workspace(&server));
    let body = "{\"job\": \"echo\", \"rows\": [\n{\"id\": 12345678901234567890123,\n\"body\": \"docid:1\"},
        {\"id\": 12345678901234567890124, \"body\": \"docid:2\"}, {\"id\": 0.1000000000000000055511, \"body\": \"docid:3\"}],
        \"settings\": {\"input.id_column\": \"id\", \"input.text_column\": \"body\"}}";
    let created = serving.post_with("/api/runs", &[("content-type", "application/json")], body.to_owned()).is(202);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    serving.wait_for(&id, "complete");
    let names: Vec<String> = rows(&serving, &id).into_iter().map(|(name, _)| name).collect();
    let expected = ["12345678901234567890123", "12345678901234567890124", "0.1000000000000000055511"];
    assert_eq!(names, expected.map(|id| format!("rows.jsonl#{id}")));
}

#[test]
fn job_files_without_end_are_refused_and_the_server_goes_on() {
    let server = ModelServer::start();
    let serving = Serving::start(&workspace(&server));
    let job = |prompt: &str, over: &str| {
        format!(
            "name = 'x'\ninput = 'text'\n[[task]]\nid = 'x'\nprompt = '{prompt}{{{{ document }}}}'\nanswer = {{ x = 'string' }}\n{over}"
        )
    };
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}";
    let values = (0..300).map(|n| format!("'v{n}'")).collect::<Vec<_>>().join(", ");
    let over = format!("over = {{ a = [{values}], b = [{values}], c = [{values}] }}");
    for (job, says) in [(job(nested, ""), "steps. Shorten its loops"), (job("{{ a }}", &over), "calls for each document")] {
        for path in ["/api/runs", "/api/estimate"] {
            let refused = serving.post(path, &json!({"job_file": job, "texts": ["docid:1"]})).is(422);
            assert!(refused.text.contains(says), "{}", refused.text);
        }
    }
    serving.get("/healthz").is(200);
}
