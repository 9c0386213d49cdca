//! Vectors in databases of other people: PostgreSQL with and without pgvector.
//!
//! Qdrant and sqlite-vec have a script in `tests/clients/python`.

use crate::clients::clients;
use crate::embedding::store;
use crate::support::Workspace;
use crate::support::postgres::Postgres;
use std::collections::BTreeMap;

const TABLE: &str = "docmill_embed_vectors";

/// The server of a Python package, which has pgvector.
fn with_pgvector() -> Option<Postgres> {
    let versions = clients()?.join("python/lib");
    let version = std::fs::read_dir(versions).unwrap().next().unwrap().unwrap();
    Some(Postgres::start_of(&version.path().join("site-packages")))
}

fn workspace(database: &Postgres) -> Workspace {
    let workspace = Workspace::new().env("PG_ADDRESS", &database.url());
    for (name, text) in
        [("a.txt", "bolts of steel\tand \\ nuts"), ("b.txt", "wooden tables"), ("c.txt", "a letter about rent"), ("d.txt", "x")]
    {
        workspace.doc(name, text);
    }
    workspace.run(["--job", "embed"]).exits(0);
    workspace
}

/// The vector of each document of the newest run.
fn vectors(workspace: &Workspace) -> BTreeMap<String, Vec<f32>> {
    let sql = "SELECT d.name, v.vector FROM listing l JOIN chunks c ON c.document = l.document JOIN documents d ON d.id = l.document
        JOIN vectors v ON v.id = c.vector WHERE l.run = (SELECT listing FROM runs ORDER BY id DESC LIMIT 1)";
    let vector = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(String, Vec<f32>)> {
        let bytes: Vec<u8> = row.get(1)?;
        Ok((row.get(0)?, bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect()))
    };
    store(workspace).prepare(sql).unwrap().query_map((), vector).unwrap().map(Result::unwrap).collect()
}

/// The vectors of a table, as its server shows them.
fn stored(database: &Postgres, kind: &str) -> BTreeMap<String, Vec<f32>> {
    let rows = database.sql(&format!("SELECT document || '|' || vector::{kind} FROM {TABLE} ORDER BY document"));
    let numbers = |text: &str| text.trim_matches(['[', ']', '{', '}']).split(',').map(|number| number.parse().unwrap()).collect();
    rows.lines().map(|line| line.split_once('|').unwrap()).map(|(document, vector)| (document.to_owned(), numbers(vector))).collect()
}

#[test]
fn a_table_of_pgvector_becomes_equal_to_the_chunks_and_answers_by_distance() {
    let Some(database) = with_pgvector() else { return };
    let workspace = workspace(&database);
    let copy = |expected: &str| {
        let done = workspace.docmill(["vectors", "env:PG_ADDRESS"]).exits(0);
        assert!(done.stdout.contains(expected), "{}", done.stdout);
        assert_eq!(done.stderr, "");
        assert_eq!(stored(&database, "text"), vectors(&workspace));
    };
    copy("4 vectors of simulated-small, 4 written, 0 removed");
    let first: Vec<String> = vectors(&workspace)["a.txt"].iter().map(ToString::to_string).collect();
    let nearest = format!("SELECT document, text FROM {TABLE} ORDER BY vector <=> '[{}]' LIMIT 1", first.join(","));
    assert_eq!(database.sql(&nearest), "a.txt|bolts of steel\tand \\ nuts");
    let versions = || database.sql(&format!("SELECT string_agg(document || xmin::text, ',' ORDER BY document) FROM {TABLE}"));
    let before = versions();
    copy("0 written, 0 removed");
    assert_eq!(versions(), before);
    // Documents that change, come and go.
    workspace.doc("b.txt", "stone tables").doc("e.txt", "news");
    std::fs::remove_file(workspace.path("docs/c.txt")).unwrap();
    workspace.run(["--job", "embed"]).exits(0);
    copy("4 vectors of simulated-small, 2 written, 1 removed");
    assert_eq!(database.sql("SELECT format_type(atttypid, atttypmod) ~ '^vector' FROM pg_attribute WHERE attrelid = 'docmill_embed_vectors'::regclass AND attname = 'vector'"), "t");

    // The table belongs to this output directory.
    let other = self::workspace(&database);
    let refused = other.docmill(["vectors", "env:PG_ADDRESS"]).exits(2);
    assert!(refused.stderr.contains("has other results of docmill"), "{}", refused.stderr);
    assert_eq!(stored(&database, "text"), vectors(&workspace));
    other.docmill(["vectors", "env:PG_ADDRESS", "--replace"]).exits(0);
    assert_eq!(stored(&database, "text"), vectors(&other));
    database.sql("CREATE TABLE mine (a int)");
    let refused = other.docmill(["vectors", "env:PG_ADDRESS", "--table", "mine", "--replace"]).exits(2);
    assert!(refused.stderr.contains("table public.mine exists, and docmill has not made it"), "{}", refused.stderr);
}

#[test]
fn only_a_parquet_file_is_replaced() {
    let workspace = Workspace::new();
    workspace.doc("a.txt", "bolts").run(["--job", "embed"]).exits(0);
    for other in ["output/docmill.db", "docs/a.txt", "output", "-", "none/x.parquet"] {
        workspace.docmill(["vectors", other]).exits(2).says(&[other, "Name a new file"]);
    }
    for other in ["http://u:s3cret@h/collections/c", "postgres://u:s3cret@h/d"] {
        workspace.docmill(["vectors", other]).exits(2).says_nothing_of("s3cret");
    }
    for _ in 0..2 {
        workspace.docmill(["vectors", "v.parquet"]).exits(0);
    }
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let workspace = Workspace::new();
    workspace.doc("a.txt", "bolts").run(["--job", "embed"]).exits(0);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:s3cret@{}/d?connect_timeout=1", silent.local_addr().unwrap());
    let failed = workspace.env("PG_ADDRESS", &url).docmill(["vectors", "env:PG_ADDRESS"]).exits(4);
    assert!(failed.stderr.contains("did not answer within 1 s") && !failed.stderr.contains("s3cret"), "{}", failed.stderr);
}

#[test]
fn a_server_without_pgvector_gets_lists_and_a_user_without_rights_too() {
    let Some(database) = Postgres::start() else { return };
    // The machine may have installed pgvector for its server.
    database.sql(
        r#"SET allow_system_table_mods = on; CREATE OR REPLACE VIEW pg_catalog.pg_available_extensions AS
         SELECT name, default_version, NULL::text COLLATE "C" AS installed_version, comment FROM pg_available_extensions() WHERE name <> 'vector'"#,
    );
    let workspace = workspace(&database);
    let done = workspace.docmill(["vectors", "env:PG_ADDRESS"]).exits(0);
    assert!(done.stderr.contains("the server has no pgvector, so vectors have the type real[]"), "{}", done.stderr);
    assert_eq!(stored(&database, "text"), vectors(&workspace));
    assert!(workspace.docmill(["vectors", "env:PG_ADDRESS"]).exits(0).stdout.contains("0 written"));
    database.sql(&format!("UPDATE {TABLE} SET text = 'edited', vector[1] = 9 WHERE document = 'a.txt'"));
    let mended = workspace.docmill(["vectors", "env:PG_ADDRESS"]).exits(0);
    assert!(mended.stderr.contains("another client has changed the table") && mended.stdout.contains("4 written"), "{}", mended.stderr);
    assert_eq!(stored(&database, "text"), vectors(&workspace));
    // A statement that fails leaves no half of the chunks behind.
    database.sql(&format!("ALTER TABLE {TABLE} ADD CHECK (document <> 'e.txt')"));
    workspace.doc("0.txt", "first").doc("e.txt", "refused");
    workspace.run(["--job", "embed"]).exits(0);
    let refused = workspace.docmill(["vectors", "env:PG_ADDRESS"]).exits(2);
    assert!(refused.stderr.contains("violates check constraint"), "{}", refused.stderr);
    assert_eq!(database.sql(&format!("SELECT count(*) FROM {TABLE}")), "4");
}
