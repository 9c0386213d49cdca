//! Inputs in object storage and on the web, and results copied there.

use crate::order::ECHO;
use crate::support::{Bucket, Finished, ModelServer, SIGN, Workspace};
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use s3s::s3_error;
use std::sync::{Arc, Mutex};

/// A workspace with access to the bucket.
fn workspace(server: &ModelServer, bucket: &Bucket) -> Workspace {
    let workspace = bucket.env().iter().fold(Workspace::new().against(server), |workspace, (name, value)| workspace.env(name, value));
    workspace.write("echo.toml", ECHO);
    workspace
}

/// Runs over one input and checks that no output contains a secret.
#[track_caller]
fn run(workspace: &Workspace, input: &str, more: &[&str]) -> Finished {
    let finished = workspace.start_with(["run", input, "--job", "echo.toml"].into_iter().chain(more.iter().copied())).finish();
    tells_no_secret(&finished, Bucket::secret());
    finished
}

#[track_caller]
fn tells_no_secret(finished: &Finished, secret: &str) {
    assert!(!finished.stdout.contains(secret) && !finished.stderr.contains(secret), "{}\n{}", finished.stdout, finished.stderr);
}

/// The documents of a result with their answers.
fn rows(finished: &Finished) -> Vec<(String, String)> {
    let csv = finished.csv("echo");
    csv.rows.iter().map(|row| (row["document"].clone(), row["said"].clone())).collect()
}

/// Documents whose byte order differs from directory order. Returns 300 documents, and objects to
/// leave out.
fn documents() -> Vec<(String, String)> {
    let directories = ["a", "a-b", "a.d", "a/deep", "ä b%20", "z"];
    let mut all: Vec<_> = (0..300).map(|n| (format!("{}/{}+{n}.txt", directories[n % 6], n * 7 % 300), format!("docid:{n}"))).collect();
    all.extend(["a.txt", "B"].map(|name| (name.to_owned(), format!("docid:{name}"))));
    all
}

#[test]
fn a_bucket_is_read_like_a_directory_and_unchanged_objects_only_once() {
    let (server, bucket) = (ModelServer::start(), Bucket::start(7));
    let (here, there) = (workspace(&server, &bucket), workspace(&server, &bucket));
    let left_out = [".hidden/x.txt", "a/.git/y", "Thumbs.db", "a/~$z.txt", "notes.md", "drafts/one.txt", "drafts/two.txt"];
    let left_out = left_out.map(|name| (name.to_owned(), "not a document".to_owned()));
    let ignored = (".docmillignore".to_owned(), "drafts/**\n".to_owned());
    for (name, text) in documents().iter().chain(&left_out).chain([&ignored]) {
        here.doc(name, text);
        bucket.put(&format!("scans/{name}"), text);
    }
    bucket.put("scans2/not below.txt", "docid:other");

    let exclude = ["--set", "input.exclude=**/*.md"];
    let local = run(&here, "docs", &exclude).exits(0);
    let remote = run(&there, "s3://test/scans/", &exclude).exits(0);
    assert_eq!(rows(&remote), rows(&local));
    assert_eq!(rows(&remote).len(), 302);
    assert_eq!(remote.csv("echo").without_seconds(), local.csv("echo").without_seconds());
    assert_eq!(remote.summary("echo")["whole_run"]["left_out"]["patterns"], 3);
    let seen = bucket.take_seen();
    // The first page is listed once, and the others twice: for the total and for the walk.
    assert_eq!(seen.pages, 1 + 2 * (312 / 7), "{} pages", seen.pages);
    // The pattern file is one of these objects.
    assert_eq!(seen.gets.len(), 303);
    // Only a HEAD request tells directory markers from empty objects.
    assert!(seen.heads.iter().all(|key| key.ends_with(SIGN) || key == "scans"), "{:?}", seen.heads);

    // A repeated run reads only the pattern file.
    let asked = server.requests();
    run(&there, "s3://test/scans", &exclude).exits(0).says(&["up to date"]);
    assert_eq!(bucket.take_seen().gets, ["scans/.docmillignore"]);

    // The entity tag shows a change of equal size and time.
    bucket.put("scans/z/35+5.txt", "docid:X");
    let changed = run(&there, "s3://test/scans", &exclude).exits(0);
    assert!(rows(&changed).contains(&("z/35+5.txt".into(), "said of docid:X".into())), "{:?}", rows(&changed));
    assert_eq!(bucket.take_seen().gets, ["scans/.docmillignore", "scans/z/35+5.txt"]);
    assert_eq!(server.requests(), asked + 1);

    // A renamed object keeps its answer. A copy is a new document.
    std::fs::rename(bucket.path("scans/B"), bucket.path("scans/C")).unwrap();
    std::fs::copy(bucket.path("scans/a.txt"), bucket.path("scans/copy.txt")).unwrap();
    let renamed = run(&there, "s3://test/scans", &exclude).exits(0);
    assert!(rows(&renamed).contains(&("C".into(), "said of docid:B".into())), "{:?}", rows(&renamed));
    assert_eq!((rows(&renamed).len(), server.requests()), (303, asked + 2));
    let verified = there.docmill(["verify"]).exits(0);
    assert!(verified.stdout.contains("303 inputs are unchanged, 0 changed, 0 gone"), "{}", verified.stdout);
}

#[test]
fn an_object_key_that_is_not_a_path_gets_a_row_and_stops_no_other() {
    for page in [3, 1000] {
        let (server, bucket) = (ModelServer::start(), Bucket::start(page));
        let workspace = workspace(&server, &bucket);
        for name in ["b/1", "b/2", "d/1", "d/2", "d/3", "f"] {
            bucket.put(&format!("in/{name}.txt"), format!("docid:{name}"));
        }
        // The third key is hidden, as a part begins with a dot. The last key marks a directory.
        for key in ["in//a.txt", "in/d//1.txt", "in/d/../f.txt", "in/z//1.txt", "in/z//2.txt", "in/z//"] {
            bucket.put_odd(key);
        }
        let finished = run(&workspace, "s3://test/in", &[]).exits(3);
        let documents = ["/a.txt", "b/1.txt", "b/2.txt", "d//1.txt", "d/1.txt", "d/2.txt", "d/3.txt", "f.txt", "z//1.txt", "z//2.txt"];
        let csv = finished.csv("echo");
        assert_eq!(csv.column("document"), documents);
        for row in &csv.rows {
            let odd = row["document"].starts_with('/') || row["document"].contains("//");
            assert_eq!(row["failure_code"], if odd { "unreadable" } else { "" }, "{row:?}");
            assert!(!odd || row["failure_message"].contains("Rename the object"), "{row:?}");
        }
        assert_eq!(finished.summary("echo")["whole_run"]["left_out"]["hidden"], 1);
        let exclude = ["--set", r#"input.exclude=["/*", "**//*"]"#, "--replace"];
        assert_eq!(run(&workspace, "s3://test/in", &exclude).exits(0).csv("echo").rows.len(), 6);
        assert_eq!(server.requests(), 6);
    }
}

#[test]
fn an_object_and_a_file_keep_their_own_names() {
    let (server, bucket) = (ModelServer::start(), Bucket::start(1000));
    let workspace = workspace(&server, &bucket);
    bucket.put("in/one.txt", "docid:one");
    bucket.put("in/two.txt", "docid:two");
    workspace.doc("three.txt", "docid:three");
    let finished = run(&workspace, "docs", &["s3://test/in/two.txt", "s3://test/in/one.txt"]).exits(0);
    let names: Vec<_> = rows(&finished).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["docs/three.txt", "s3://test/in/two.txt", "s3://test/in/one.txt"]);
    assert!(bucket.take_seen().gets.iter().all(|key| key.starts_with("in/")));
    run(&workspace, "s3://test/in", &["s3://test/in/one.txt"]).exits(2).says(&["s3://test/in and s3://test/in/one.txt overlap"]);
}

#[test]
fn missing_and_forbidden_inputs_are_reported_before_the_run() {
    let (server, bucket) = (ModelServer::start(), Bucket::start(1000));
    bucket.put("in/one.txt", "docid:one");
    let workspace = workspace(&server, &bucket);
    run(&workspace, "s3://nowhere/in", &[]).exits(2).says(&["input s3://nowhere/in", "Check the name"]);
    run(&workspace, "s3://test/typo", &[]).exits(2).says(&["input s3://test/typo", "404", "Check the name"]);
    run(&workspace, "s3:///in", &[]).exits(2).says(&["names no bucket"]);
    let stranger = workspace.clone().env("AWS_SECRET_ACCESS_KEY", "another secret of somebody");
    let denied = run(&stranger, "s3://test/in", &[]).exits(2).says(&["input s3://test/in", "403", "AWS_ACCESS_KEY_ID"]);
    tells_no_secret(&denied, "another secret");
    let far = workspace.clone().env("AWS_ENDPOINT_URL", "http://minio.lan:9000");
    run(&far, "s3://test/in", &[]).exits(2).says(&["AWS_ENDPOINT_URL is http://minio.lan:9000", "AWS_ALLOW_HTTP=true"]);
    let nobody = workspace.clone().env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    run(&nobody, "s3://test/in", &[]).exits(2).says(&["input s3://test/in", "Check the network"]);
    assert_eq!(server.requests(), 0);
    assert!(!workspace.path("output").exists());
}

#[test]
fn an_unreadable_object_fails_only_its_document() {
    let tries = Arc::new(Mutex::new(0));
    let (counted, server) = (Arc::clone(&tries), ModelServer::start());
    let bucket = Bucket::with(
        2,
        move |key| match key {
            "in/gone.txt" => Err(s3_error!(NoSuchKey)),
            "in/locked.txt" => Err(s3_error!(AccessDenied, "not you")),
            "in/shaky.txt" => {
                let mut tries = counted.lock().unwrap();
                *tries += 1;
                if *tries < 3 { Err(s3_error!(SlowDown)) } else { Ok(()) }
            }
            _ => Ok(()),
        },
        false,
    );
    for name in ["fine", "gone", "locked", "shaky"] {
        bucket.put(&format!("in/{name}.txt"), format!("docid:{name}"));
    }
    bucket.put("in/empty.txt", "");
    bucket.put("in/large.txt", vec![b'x'; 1_000_001]);
    let workspace = workspace(&server, &bucket);
    let finished = run(&workspace, "s3://test/in", &["--set", "read.max_file_mb=1"]).exits(3);
    let csv = finished.csv("echo");
    let code = |name: &str| csv.row(name)["failure_code"].clone();
    let codes = ["empty", "fine", "gone", "large", "locked", "shaky"].map(|name| code(&format!("{name}.txt")));
    assert_eq!(codes, ["empty", "", "vanished", "too_large", "unreadable", ""]);
    assert!(csv.row("locked.txt")["failure_message"].contains("403 Forbidden (AccessDenied: not you)"), "{csv:?}");
    assert_eq!(*tries.lock().unwrap(), 3);
    assert!(!bucket.take_seen().gets.contains(&"in/large.txt".to_owned()), "its listing told");
}

/// A web server with one file, which requires a signature.
fn web(signature: &'static str, head: bool) -> (tokio::runtime::Runtime, String, Arc<Mutex<Vec<String>>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let serve = move |State(seen): State<Arc<Mutex<Vec<String>>>>,
                      method: axum::http::Method,
                      Path(name): Path<String>,
                      RawQuery(query): RawQuery| async move {
        seen.lock().unwrap().push(format!("{method} {name}"));
        let allowed = query.as_deref() == Some(signature) && (head || method != "HEAD");
        let modified = [(header::LAST_MODIFIED, "Fri, 20 Nov 2026 08:00:00 GMT")];
        if allowed {
            (StatusCode::OK, HeaderMap::from_iter(modified.map(|(k, v)| (k, v.parse().unwrap()))), "docid:web")
        } else {
            (StatusCode::FORBIDDEN, HeaderMap::new(), "no")
        }
    };
    let app = Router::new().route("/files/{name}", get(serve)).with_state(Arc::clone(&seen));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}/files", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
    (runtime, url, seen)
}

#[test]
fn a_web_document_is_named_by_its_address_without_the_signature() {
    const SIGNATURE: &str = "X-Amz-Signature=0123456789abcdef";
    for head in [true, false] {
        let (server, (_runtime, url, seen)) = (ModelServer::start(), web(SIGNATURE, head));
        let workspace = Workspace::new().against(&server);
        workspace.write("echo.toml", ECHO);
        let signed = format!("{url}/page one.txt?{SIGNATURE}").replace(' ', "%20");
        let finished = run(&workspace, &signed, &[]).exits(0);
        tells_no_secret(&finished, "0123456789abcdef");
        assert_eq!(rows(&finished), [(format!("{url}/page%20one.txt"), "said of docid:web".into())]);
        seen.lock().unwrap().clear();
        let again = run(&workspace, &signed, &[]).exits(0).says(&["up to date"]);
        tells_no_secret(&again, "0123456789abcdef");
        assert_eq!(seen.lock().unwrap()[0], "HEAD page one.txt");
        for command in ["status", "runs"] {
            tells_no_secret(&workspace.docmill([command]).exits(0), "0123456789abcdef");
        }
        let store = std::fs::read(workspace.path("output/docmill.db")).unwrap();
        assert!(!store.windows(16).any(|part| part == b"0123456789abcdef"), "the store knows the signature");
        let refused = run(&workspace, &format!("{url}/page.txt?{SIGNATURE}x"), &[]).exits(2).says(&["403"]);
        tells_no_secret(&refused, "0123456789abcdef");
        run(&workspace, &format!("{url}/?{SIGNATURE}"), &[]).exits(2).says(&["a web server cannot be listed"]);
        assert_eq!(server.requests(), 1);
    }
}

#[test]
fn results_are_copied_summaries_last_and_a_failed_copy_is_repeated() {
    let (server, bucket) = (ModelServer::start(), Bucket::start(1000));
    let plain = workspace(&server, &bucket);
    let workspace = plain.clone().set("output.copy_to", "s3://test/results/");
    for n in 0..5 {
        bucket.put(&format!("in/{n}.txt"), format!("docid:{n}"));
    }
    let finished = run(&workspace, "s3://test/in", &[]).exits(0).says(&["results  s3://test/results/echo"]);
    let names = ["results.csv", "results.jsonl", "results.json", "summary.json"];
    let puts: Vec<_> = bucket.take_seen().puts.into_iter().map(|(key, _)| key).collect();
    assert_eq!(puts, names.map(|name| format!("results/echo/{name}")));
    for name in names {
        assert_eq!(bucket.get(&format!("results/echo/{name}")), finished.file("echo", name).into_bytes(), "{name}");
    }

    // Copied files are not sent again. A run without work sends at most its summary.
    run(&workspace, "s3://test/in", &[]).exits(0).says(&["up to date"]);
    let puts: Vec<_> = bucket.take_seen().puts.into_iter().map(|(key, _)| key).collect();
    assert!(puts.iter().all(|key| key.ends_with("summary.json")), "{puts:?}");
    bucket.put("results/echo/results.csv", "somebody else's");
    run(&workspace, "s3://test/in", &[]).exits(0);
    assert_eq!(bucket.get("results/echo/results.csv"), finished.file("echo", "results.csv").into_bytes());
    bucket.take_seen();

    // The right to write is missing for one run.
    let locked = Bucket::read_only();
    let elsewhere = locked.env().iter().fold(workspace.clone(), |workspace, (name, value)| workspace.env(name, value));
    locked.put("in/new.txt", "docid:new");
    let failed = run(&elsewhere, "s3://test/in", &[]).exits(4);
    let failed = failed.says(&["cannot copy to s3://test/results/echo/results.csv", "403", "local results are complete", "same command"]);
    assert_eq!(rows(&failed), [("new.txt".into(), "said of docid:new".into())]);
    let asked = server.requests();
    bucket.put("in/new.txt", "docid:new");
    (0..5).for_each(|n| std::fs::remove_file(bucket.path(&format!("in/{n}.txt"))).unwrap());
    run(&workspace, "s3://test/in", &[]).exits(0).says(&["up to date"]);
    assert_eq!((server.requests(), bucket.take_seen().puts.len()), (asked, 4));
    assert_eq!(bucket.get("results/echo/results.csv"), failed.file("echo", "results.csv").into_bytes());

    run(&plain, "s3://test/in", &["--set", "output.copy_to=s3://test/in/results"]).exits(2).says(&["results would become documents"]);
    run(&plain, "s3://test/in", &["--set", "output.copy_to=https://host/x"]).exits(2).says(&["output.copy_to", "s3://BUCKET/PREFIX"]);
    run(&plain, "s3://test/in", &["--set", "output.copy_to=results"]).exits(2).says(&["output.copy_to", "s3://BUCKET/PREFIX"]);
}

#[test]
fn large_results_are_copied_in_parts() {
    // Three texts get answers of megabytes each.
    let server = ModelServer::script().answer(|ask| serde_json::json!({ "said": ask.docid.clone().unwrap().repeat(1 << 20) })).start();
    let bucket = Bucket::start(1000);
    let workspace = workspace(&server, &bucket).set("output.copy_to", "s3://test/results");
    for name in ["aaaa", "bbbb", "cccc"] {
        workspace.doc(format!("{name}.txt"), format!("docid:{name}"));
    }
    let finished = run(&workspace, "docs", &["--set", "output.formats=csv"]).exits(0);
    let csv = finished.file("echo", "results.csv");
    assert!(csv.len() > 12 << 20, "{} bytes", csv.len());
    assert!(bucket.get("results/echo/results.csv") == csv.into_bytes());
    let puts = bucket.take_seen().puts;
    assert_eq!(puts, [("results/echo/results.csv".to_owned(), 2), ("results/echo/summary.json".to_owned(), 1)]);
    run(&workspace, "docs", &["--set", "output.formats=csv"]).exits(0);
    assert!(bucket.take_seen().puts.iter().all(|(key, _)| key.ends_with("summary.json")));
}
