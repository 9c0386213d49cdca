//! Merges the documents of several runs into one listing, for `--add`.
//!
//! The order of documents:
//!
//! - Known documents keep their places.
//! - New versions take the places of old ones.
//! - New documents follow in the order of their inputs.
//! - Documents that are gone lose their places.
//!
//! SQLite does all the work, so memory does not grow with the number of documents.

use super::catalog::stamp;
use super::{Archive, Store, StoreError, View, ViewReader};
use crate::model::{Digest, Stamp, UNNAMED_ROW};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// Counts of existing result rows, and of rows that a run keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Number of existing rows.
    pub rows: u64,
    /// Number of existing rows whose documents are in the run.
    pub kept: u64,
}

/// Counts of added table rows by their effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placed {
    /// Rows that replaced an earlier version with other content.
    pub replaced: u64,
    /// Replaced rows whose new version is older than the replaced one.
    pub reverted: u64,
    /// Unchanged rows.
    pub unchanged: u64,
    /// Rows without an earlier version.
    pub new: u64,
    /// Existing rows of the same tables that are not among the added rows.
    pub absent: u64,
    /// The first added row.
    pub example: Option<String>,
    /// The first existing row.
    pub example_there: Option<String>,
}

impl Archive {
    /// Counts a view's rows by job. `kept` counts rows whose documents have one of these names, or
    /// for which `still_there` returns true. It gets name, content and stamp of a document.
    pub fn kept(
        &self,
        view: &View,
        names: impl Iterator<Item = String>,
        still_there: impl Fn(&str, Option<Digest>, Option<Stamp>) -> bool,
    ) -> Result<BTreeMap<String, Kept>, StoreError> {
        self.read("rows", || {
            let connection = self.connection();
            connection.execute_batch("DROP TABLE IF EXISTS temp.shown; CREATE TEMP TABLE shown (name TEXT, job TEXT, document INTEGER)")?;
            let sql = "INSERT INTO temp.shown SELECT d.name, r.job, d.id FROM listing l JOIN documents d ON d.id = l.document
                JOIN rows r ON r.recipe = ?2 AND r.document = l.document WHERE l.run = ?1";
            connection.execute(sql, (view.listing, view.recipe))?;
            connection.execute_batch("CREATE INDEX temp.shown_by_name ON shown (name)")?;
            let by_job = "SELECT job, count(*) FROM temp.shown GROUP BY job";
            let counted = || -> rusqlite::Result<BTreeMap<String, u64>> {
                connection.prepare(by_job)?.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            };
            let rows = counted()?;
            let mut met = connection.prepare("DELETE FROM temp.shown WHERE name = ?1")?;
            for name in names {
                met.execute([name])?;
            }
            let mut gone = counted()?;
            let mut others =
                connection.prepare("SELECT s.name, s.job, d.digest, d.stamp FROM temp.shown s JOIN documents d ON d.id = s.document")?;
            let mut others = others.query(())?;
            while let Some(row) = others.next()? {
                let digest = row.get_ref(2)?.as_blob()?.try_into().ok().map(Digest);
                if still_there(row.get_ref(0)?.as_str()?, digest, stamp(row.get_ref(3)?.as_blob()?)) {
                    gone.entry(row.get(1)?).and_modify(|gone| *gone -= 1);
                }
            }
            let kept = |(job, rows): (String, u64)| {
                let kept = rows - gone.get(&job).copied().unwrap_or(0);
                (job, Kept { rows, kept })
            };
            Ok(rows.into_iter().map(kept).collect())
        })
    }

    /// A reader of the rows of an incomplete `--add` run. The run added documents to the listing
    /// `before`. The reader returns the earlier rows and the rows of the run.
    pub fn rows_beside(&self, view: &View, before: i64, versions: &[(String, String)]) -> Result<ViewReader, StoreError> {
        let reader = self.rows(view)?;
        let of = (before, view.listing, Some(view.recipe));
        merge(reader.connection(), view.run, of, versions, |_, _| false)
            .map_err(|e| StoreError::new(self.path(), "cannot merge listings", e))?;
        Ok(reader.of_united(view.run))
    }
}

impl Store {
    /// Merges two listings into this run's listing, without documents that are gone. `before` and
    /// `own` are the runs of these listings. Run `results` made the results of `before`.
    ///
    /// `is_gone` gets the name of a document outside the run's own listing, and whether it was
    /// readable. `versions` are pairs of name prefixes, before and now, whose rows are versions of
    /// each other. Returns counts of the documents for which `is_row` is true.
    pub fn unite(
        &self,
        (results, before, own): (i64, i64, i64),
        versions: &[(String, String)],
        is_gone: impl Fn(&str, bool) -> bool,
        is_row: impl Fn(&str) -> bool,
    ) -> Result<Placed, StoreError> {
        let unite = || {
            merge(&self.writer, self.run(), (before, own, None), versions, is_gone)?;
            let placed = placed(&self.writer, (results, self.run.recipe), is_row)?;
            list(&self.writer, self.run())?;
            Ok(placed)
        };
        unite().map_err(|e| self.error("cannot merge listings", e))
    }
}

/// Fills the temporary table `united` for run `run`. If `recipe` is set, documents of `own` count
/// only if they have a row of this recipe.
fn merge(
    connection: &Connection,
    run: i64,
    (before, own, recipe): (i64, i64, Option<i64>),
    versions: &[(String, String)],
    is_gone: impl Fn(&str, bool) -> bool,
) -> rusqlite::Result<()> {
    connection.execute_batch(
        "DROP TABLE IF EXISTS temp.own; CREATE TEMP TABLE own (position INTEGER PRIMARY KEY, document INTEGER, name TEXT, tables INTEGER, id TEXT);
         DROP TABLE IF EXISTS temp.there;
         CREATE TEMP TABLE there (position INTEGER PRIMARY KEY, document INTEGER, name TEXT, was_read INTEGER);
         DROP TABLE IF EXISTS temp.places; CREATE TEMP TABLE places (own INTEGER, there INTEGER, PRIMARY KEY (own, there)) WITHOUT ROWID;
         DROP TABLE IF EXISTS temp.united; CREATE TEMP TABLE united (run INTEGER, position INTEGER PRIMARY KEY, document INTEGER);",
    )?;
    let listed = "FROM listing l JOIN documents d ON d.id = l.document WHERE l.run = ?1";
    let done = "(?2 IS NULL OR EXISTS (SELECT 1 FROM rows r WHERE r.recipe = ?2 AND r.document = l.document))";
    connection.execute(
        &format!("INSERT INTO temp.own (position, document, name) SELECT l.position, l.document, d.name {listed} AND {done}"),
        (own, recipe),
    )?;
    connection
        .execute(&format!("INSERT INTO temp.there SELECT l.position, l.document, d.name, length(d.digest) > 0 {listed}"), [before])?;
    connection.execute_batch(
        "CREATE INDEX temp.there_by_document ON there (document); CREATE INDEX temp.there_by_name ON there (name);
         INSERT OR IGNORE INTO temp.places SELECT o.position, t.position FROM temp.own o JOIN temp.there t ON t.document = o.document;
         INSERT OR IGNORE INTO temp.places SELECT o.position, t.position FROM temp.own o JOIN temp.there t ON t.name = o.name;",
    )?;
    // An unchanged row keeps the name from its earlier delivery, so any of the deliveries may have
    // named it.
    let mut deliveries: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (old, new) in versions {
        deliveries.entry(new).or_insert_with(|| BTreeSet::from([new.as_str()])).insert(old);
    }
    for (at, tables) in (0_i64..).zip(deliveries.values()) {
        let of_table = "UPDATE temp.own SET tables = ?1, id = substr(name, length(?2) + 1)
            WHERE tables IS NULL AND substr(name, 1, length(?2) + 1) = ?2 || '#'";
        tables.iter().try_for_each(|table| connection.execute(of_table, (at, table)).map(drop))?;
        // A row without an id never matches a row of another table.
        let places = "INSERT OR IGNORE INTO temp.places SELECT o.position, t.position FROM temp.own o
            JOIN temp.there t ON t.name = ?2 || o.id WHERE o.tables = ?1 AND substr(o.id, 2, length(?3)) <> ?3";
        tables.iter().try_for_each(|table| connection.execute(places, (at, table, UNNAMED_ROW)).map(drop))?;
    }
    drop_gone(connection, is_gone)?;
    // The last of several versions counts. A document takes the first of its several places.
    let sql = "INSERT INTO temp.united SELECT ?1, row_number() OVER (ORDER BY part, place) - 1, document FROM (
            SELECT 0 AS part, min(p.there) AS place, o.document AS document
                FROM (SELECT there, max(own) AS own FROM temp.places GROUP BY there) p JOIN temp.own o ON o.position = p.own GROUP BY p.own
            UNION ALL SELECT 0, t.position, t.document FROM temp.there t WHERE t.position NOT IN (SELECT there FROM temp.places)
            UNION ALL SELECT 1, o.position, o.document FROM temp.own o WHERE o.position NOT IN (SELECT own FROM temp.places))";
    connection.execute(sql, [run]).map(drop)
}

/// Counts the rows among the documents of `own` after the merge. A row counts as replaced even if
/// only columns differ that no model sees. The document is the same then, but its row is newer than
/// run `results`. This run made the row, or a killed run that this run resumes.
fn placed(connection: &Connection, (results, recipe): (i64, i64), is_row: impl Fn(&str) -> bool) -> rusqlite::Result<Placed> {
    let sql = "SELECT o.name, count(p.there), ifnull(max(t.document = o.document), 0)
            AND NOT EXISTS (SELECT 1 FROM rows r WHERE r.recipe = ?2 AND r.document = o.document AND r.run > ?1),
            ifnull(max(t.document > o.document), 0)
        FROM temp.own o LEFT JOIN temp.places p ON p.own = o.position LEFT JOIN temp.there t ON t.position = p.there
        GROUP BY o.position";
    let mut placed = Placed::default();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query((results, recipe))?;
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_str()?;
        if !is_row(name) {
            continue;
        }
        placed.example.get_or_insert_with(|| name.to_owned());
        match (row.get::<_, u64>(1)?, row.get(2)?) {
            (0, _) => placed.new += 1,
            (_, true) => placed.unchanged += 1,
            (_, false) => {
                placed.replaced += 1;
                // Document numbers grow in the order of discovery.
                placed.reverted += row.get::<_, u64>(3)?;
            }
        }
    }
    let mut there = connection.prepare("SELECT name, position NOT IN (SELECT there FROM temp.places) FROM temp.there ORDER BY position")?;
    let mut there = there.query(())?;
    while let Some(row) = there.next()? {
        let name = row.get_ref(0)?.as_str()?;
        if is_row(name) {
            placed.example_there.get_or_insert_with(|| name.to_owned());
            placed.absent += row.get::<_, u64>(1)?;
        }
    }
    Ok(placed)
}

/// Removes documents that are gone.
fn drop_gone(connection: &Connection, is_gone: impl Fn(&str, bool) -> bool) -> rusqlite::Result<()> {
    let mut gone = Vec::new();
    let mut others =
        connection.prepare("SELECT position, name, was_read FROM temp.there WHERE position NOT IN (SELECT there FROM temp.places)")?;
    let mut rows = others.query(())?;
    while let Some(row) = rows.next()? {
        if is_gone(row.get_ref(1)?.as_str()?, row.get(2)?) {
            gone.push(row.get::<_, i64>(0)?);
        }
    }
    let mut drop_one = connection.prepare("DELETE FROM temp.there WHERE position = ?1")?;
    gone.into_iter().try_for_each(|position| drop_one.execute([position]).map(drop))
}

/// Makes the merged documents the listing of the run.
fn list(connection: &Connection, run: i64) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute("DELETE FROM listing WHERE run = ?1", [run])?;
    let documents = transaction.execute("INSERT INTO listing SELECT run, position, document FROM temp.united", ())?;
    transaction.execute("UPDATE runs SET listing = ?1, documents = ?2 WHERE id = ?1", (run, documents))?;
    transaction.commit()?;
    connection.execute_batch("DROP TABLE temp.own; DROP TABLE temp.there; DROP TABLE temp.places; DROP TABLE temp.united")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Merges two listings of names, each with the number of its document. Documents whose names
    /// contain `unread` or `gone` count as gone.
    fn united(before: &[&str], own: &[&str], versions: &[(&str, &str)]) -> Vec<String> {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE documents (id INTEGER PRIMARY KEY, name TEXT, digest BLOB); CREATE TABLE runs (id INTEGER PRIMARY KEY, listing, documents);
                 CREATE TABLE rows (recipe, document);
                 CREATE TABLE listing (run, position, document, PRIMARY KEY (run, position)); INSERT INTO runs (id) VALUES (1), (2);",
            )
            .unwrap();
        for (run, names) in [(1, before), (2, own)] {
            for (position, named) in names.iter().enumerate() {
                let (name, id) = named.rsplit_once(' ').unwrap();
                let digest: &[u8] = if name.contains("unread") { &[] } else { &[1; 32] };
                connection.execute("INSERT OR REPLACE INTO documents VALUES (?1, ?2, ?3)", (id, name, digest)).unwrap();
                connection.execute("INSERT INTO listing VALUES (?1, ?2, ?3)", (run, position, id)).unwrap();
            }
        }
        let versions: Vec<(String, String)> = versions.iter().map(|(old, new)| ((*old).into(), (*new).into())).collect();
        merge(&connection, 2, (1, 2, None), &versions, |name, was_read| !was_read || name.contains("gone")).unwrap();
        list(&connection, 2).unwrap();
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
    fn known_documents_keep_their_places_and_new_ones_follow() {
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
        // A row that is the same under its new name, and a row that two tables had.
        assert_eq!(united(&["one.csv#x 1", "one.csv#y 2"], &["two.csv#x 1"], tables), ["two.csv#x 1", "one.csv#y 2"]);
        let twice = &[("one.csv", "three.csv"), ("two.csv", "three.csv")];
        assert_eq!(united(&["one.csv#x 1", "a 2", "two.csv#x 3"], &["three.csv#x 4"], twice), ["three.csv#x 4", "a 2"]);
        let both = &[("one.csv", "two.csv"), ("one.csv", "three.csv")];
        assert_eq!(united(&["one.csv#x 1", "a 2"], &["two.csv#x 3", "three.csv#x 4"], both), ["three.csv#x 4", "a 2"]);
        // Rows without ids: other rows, the same row, and the same table delivered again.
        let before = ["one.csv#(row 1) 1", "one.csv#(row 2) 2"];
        let own = ["two.csv#(row 1) 3", "one.csv#(row 2) 2", "two.csv#(row 3) 4"];
        assert_eq!(united(&before, &own, tables), ["one.csv#(row 1) 1", "one.csv#(row 2) 2", "two.csv#(row 1) 3", "two.csv#(row 3) 4"]);
        // A row whose first delivery named it, unchanged in a later one.
        assert_eq!(united(&["two.csv#x 3", "a 2"], &["one.csv#x 1"], twice), ["one.csv#x 1", "a 2"]);
    }

    #[test]
    fn a_document_that_is_gone_has_no_place_unless_it_reappears() {
        assert_eq!(
            united(&["a 1", "gone 2", "unread 3", "gone-too 4", "b 5"], &["c 6", "gone-too 4"], &[]),
            ["a 1", "gone-too 4", "b 5", "c 6"]
        );
    }
}
