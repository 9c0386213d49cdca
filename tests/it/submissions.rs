//! What clients submit to `docmill serve`, and the names of its documents.

use crate::serve::{rows, workspace};
use crate::support::ModelServer;
use crate::support::serving::Serving;
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
    assert_eq!(names, ["documents/z.txt", "rows.jsonl#B2", "rows.jsonl#A1"]);
    serving.post(&format!("/api/runs/{id}/requeue"), &json!({"documents": ["rows.jsonl#A1"], "all": true})).is(200);
    serving.wait_for(&id, "complete");
    workspace.docmill(["verify", "--output", &format!("server/runs/{id}")]).exits(0);

    let metrics = serving.get("/metrics").is(200).text;
    assert!(metrics.contains("docmill_runs{state=\"complete\"} 1\n") && metrics.contains("docmill_spent_usd{by=\"runs\"} "), "{metrics}");

    let refused = serving.post("/api/runs", &json!({"job": "material", "texts": ["a letter"]})).is(422);
    assert!(refused.text.contains("takes images only"), "{}", refused.text);
}
