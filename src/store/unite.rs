//! Documents of several runs in one listing: what `--add` makes of results that are there and of those of the run.
//!
//! The order: documents that were there keep their places, new versions take the places of old ones, and documents that are
//! new follow in the order of their inputs. Everything happens inside SQLite, so memory does not grow with the documents.

use super::{Archive, Store, StoreError, View};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Rows of results, and how many of them are of documents that a run has among its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Rows that there are.
    pub rows: u64,
    /// Rows of documents that the run looks at.
    pub kept: u64,
}

impl Archive {
    /// The rows of a view by job, and how many of them are of documents with these names.
    pub fn kept(&self, view: &View, names: impl Iterator<Item = String>) -> Result<BTreeMap<String, Kept>, StoreError> {
        self.read("rows", || {
            let connection = self.connection();
            connection.execute_batch("DROP TABLE IF EXISTS temp.shown; CREATE TEMP TABLE shown (name TEXT, job TEXT)")?;
            let sql = "INSERT INTO temp.shown SELECT d.name, r.job FROM listing l JOIN documents d ON d.id = l.document
                JOIN rows r ON r.recipe = ?2 AND r.document = l.document WHERE l.run = ?1";
            connection.execute(sql, (view.listing, view.recipe))?;
            connection.execute_batch("CREATE INDEX temp.shown_by_name ON shown (name, job)")?;
            let mut kept = BTreeMap::new();
            let mut counted = connection.prepare("SELECT job, count(*) FROM temp.shown GROUP BY job")?;
            let mut rows = counted.query(())?;
            while let Some(row) = rows.next()? {
                kept.insert(row.get(0)?, Kept { rows: row.get(1)?, kept: 0 });
            }
            let mut job_of = connection.prepare("SELECT job FROM temp.shown WHERE name = ?1")?;
            for name in names {
                let mut rows = job_of.query([name])?;
                while let Some(row) = rows.next()? {
                    if let Some(kept) = kept.get_mut(row.get_ref(0)?.as_str()?) {
                        kept.kept += 1;
                    }
                }
            }
            Ok(kept)
        })
    }
}

impl Store {
    /// Gives this run a listing of everything in the listings `before` and `own`. `versions` are pairs of what the names of rows begin
    /// with that are versions of each other, before and now.
    pub fn unite(&self, before: i64, own: i64, versions: &[(String, String)]) -> Result<(), StoreError> {
        unite(&self.writer, self.run(), (before, own), versions).map_err(|e| self.error("listings cannot be united", e))
    }
}

fn unite(connection: &Connection, run: i64, (before, own): (i64, i64), versions: &[(String, String)]) -> rusqlite::Result<()> {
    connection.execute_batch(
        "DROP TABLE IF EXISTS temp.own; CREATE TEMP TABLE own (position INTEGER PRIMARY KEY, document INTEGER, name TEXT);
         DROP TABLE IF EXISTS temp.there; CREATE TEMP TABLE there (position INTEGER PRIMARY KEY, document INTEGER, name TEXT);
         DROP TABLE IF EXISTS temp.places; CREATE TEMP TABLE places (own INTEGER, there INTEGER, PRIMARY KEY (own, there)) WITHOUT ROWID;",
    )?;
    let named = "SELECT l.position, l.document, d.name FROM listing l JOIN documents d ON d.id = l.document WHERE l.run = ?1";
    connection.execute(&format!("INSERT INTO temp.own {named}"), [own])?;
    connection.execute(&format!("INSERT INTO temp.there {named}"), [before])?;
    connection.execute_batch(
        "CREATE INDEX temp.there_by_document ON there (document); CREATE INDEX temp.there_by_name ON there (name);
         INSERT OR IGNORE INTO temp.places SELECT o.position, t.position FROM temp.own o JOIN temp.there t ON t.document = o.document;
         INSERT OR IGNORE INTO temp.places SELECT o.position, t.position FROM temp.own o JOIN temp.there t ON t.name = o.name;",
    )?;
    for (old, new) in versions {
        let sql = "INSERT OR IGNORE INTO temp.places SELECT o.position, t.position FROM temp.own o
            JOIN temp.there t ON t.name = ?1 || substr(o.name, length(?2) + 1) WHERE substr(o.name, 1, length(?2) + 1) = ?2 || '#'";
        connection.execute(sql, (old, new))?;
    }
    // Of several versions of one document the last one counts; of several places it takes the first.
    let transaction = connection.unchecked_transaction()?;
    transaction.execute("DELETE FROM listing WHERE run = ?1", [run])?;
    let sql = "INSERT INTO listing SELECT ?1, row_number() OVER (ORDER BY part, place) - 1, document FROM (
            SELECT 0 AS part, min(p.there) AS place, o.document AS document
                FROM (SELECT there, max(own) AS own FROM temp.places GROUP BY there) p JOIN temp.own o ON o.position = p.own GROUP BY p.own
            UNION ALL SELECT 0, t.position, t.document FROM temp.there t WHERE t.position NOT IN (SELECT there FROM temp.places)
            UNION ALL SELECT 1, o.position, o.document FROM temp.own o WHERE o.position NOT IN (SELECT own FROM temp.places))";
    let documents = transaction.execute(sql, [run])?;
    transaction.execute("UPDATE runs SET listing = ?1, documents = ?2 WHERE id = ?1", (run, documents))?;
    transaction.commit()?;
    connection.execute_batch("DROP TABLE temp.own; DROP TABLE temp.there; DROP TABLE temp.places;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of two listings of names, in which a number tells one document from another.
    fn united(before: &[&str], own: &[&str], versions: &[(&str, &str)]) -> Vec<String> {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE documents (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE runs (id INTEGER PRIMARY KEY, listing, documents);
                 CREATE TABLE listing (run, position, document, PRIMARY KEY (run, position)); INSERT INTO runs (id) VALUES (1), (2);",
            )
            .unwrap();
        for (run, names) in [(1, before), (2, own)] {
            for (position, named) in names.iter().enumerate() {
                let (name, id) = named.split_once(' ').unwrap();
                connection.execute("INSERT OR REPLACE INTO documents VALUES (?1, ?2)", (id, name)).unwrap();
                connection.execute("INSERT INTO listing VALUES (?1, ?2, ?3)", (run, position, id)).unwrap();
            }
        }
        let versions: Vec<(String, String)> = versions.iter().map(|(old, new)| ((*old).into(), (*new).into())).collect();
        unite(&connection, 2, (1, 2), &versions).unwrap();
        let sql =
            "SELECT l.position, d.name || ' ' || d.id FROM listing l JOIN documents d ON d.id = l.document WHERE l.run = 2 ORDER BY 1";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map((), |row| Ok((row.get::<_, usize>(0)?, row.get(1)?))).unwrap();
        let (positions, names): (Vec<usize>, Vec<String>) = rows.map(Result::unwrap).unzip();
        assert_eq!(positions, (0..names.len()).collect::<Vec<_>>());
        let listed: (i64, usize) =
            connection.query_row("SELECT listing, documents FROM runs WHERE id = 2", (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(listed, (2, names.len()));
        names
    }

    #[test]
    fn what_was_there_keeps_its_place_and_what_is_new_follows() {
        assert_eq!(united(&["a 1", "b 2"], &["c 3", "d 4"], &[]), ["a 1", "b 2", "c 3", "d 4"]);
        assert_eq!(united(&["a 1", "b 2", "c 3"], &["d 4", "b 5", "a 1"], &[]), ["a 1", "b 5", "c 3", "d 4"]);
        assert_eq!(united(&["a 1"], &["a 1"], &[]), ["a 1"]);
        assert_eq!(united(&[], &["a 1"], &[]), ["a 1"]);
        let tables = &[("one.csv", "two.csv")];
        let before = ["one.csv#x 1", "one.csv#y 2", "one.csv~#y 3", "other.csv#x 4"];
        let own = ["two.csv#z 5", "two.csv#x 6", "two.csvx#y 7"];
        assert_eq!(
            united(&before, &own, tables),
            ["two.csv#x 6", "one.csv#y 2", "one.csv~#y 3", "other.csv#x 4", "two.csv#z 5", "two.csvx#y 7"]
        );
        // A row that is the same under its new name, and one that two tables had.
        assert_eq!(united(&["one.csv#x 1", "one.csv#y 2"], &["two.csv#x 1"], tables), ["two.csv#x 1", "one.csv#y 2"]);
        let twice = &[("one.csv", "three.csv"), ("two.csv", "three.csv")];
        assert_eq!(united(&["one.csv#x 1", "a 2", "two.csv#x 3"], &["three.csv#x 4"], twice), ["three.csv#x 4", "a 2"]);
        let both = &[("one.csv", "two.csv"), ("one.csv", "three.csv")];
        assert_eq!(united(&["one.csv#x 1", "a 2"], &["two.csv#x 3", "three.csv#x 4"], both), ["three.csv#x 4", "a 2"]);
    }
}
