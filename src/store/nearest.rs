//! Finds the vectors nearest to a query, by comparing it with all of them.

use super::schema::open_to_read;
use super::{Archive, StoreError, View};
use rayon::prelude::*;
use rusqlite::{Connection, Result};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A vector near a query.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Near {
    /// Its cosine with the query.
    cosine: f32,
    /// Its number in the store.
    vector: i64,
}

impl Eq for Near {}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The farthest is the greatest, so a heap gives it up first. Of equal ones, it is the youngest.
impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        other.cosine.total_cmp(&self.cosine).then(self.vector.cmp(&other.vector))
    }
}

/// A chunk of a document, found by its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// Name of the document.
    pub document: String,
    /// Its position in the results.
    pub position: u64,
    /// The number of the chunk, from 1.
    pub part: u32,
    /// The page where it begins.
    pub page: Option<u32>,
    /// Its text.
    pub text: String,
    /// Its cosine with the query.
    pub cosine: f32,
}

/// Vectors that a thread reads at a time.
const SLICE: i64 = 16 * 1024;
/// Numbers that are multiplied at a time. The compiler makes vector instructions of them.
const LANES: usize = 16;

impl Archive {
    /// The best passage of each of the `most` documents whose passages in `task` are nearest to a
    /// query of unit length. The documents belong to the view. Reads all vectors, with all cores.
    pub fn nearest(&self, view: &View, task: &str, query: &[f32], most: usize) -> Result<Vec<Passage>, StoreError> {
        let sql = "SELECT ifnull(max(id), 0) FROM vectors";
        let all: i64 = self.read("vectors", || self.connection().query_row(sql, (), |row| row.get(0)))?;
        // Some of the nearest vectors belong to other tasks, to old documents, or to one document.
        let mut wanted = most.saturating_mul(20).max(200);
        loop {
            let near = self.scan(query, all, wanted)?;
            let passages = self.read("chunks", || self.passages(view, task, &near, most))?;
            if passages.len() >= most || near.len() < wanted {
                return Ok(passages);
            }
            wanted = wanted.saturating_mul(20);
        }
    }

    /// The nearest of all vectors, nearest first.
    fn scan(&self, query: &[f32], all: i64, wanted: usize) -> Result<Vec<Near>, StoreError> {
        let slices: Vec<i64> = (0..=all / SLICE).map(|number| number * SLICE).collect();
        let path = self.path();
        let scan = |connection: &mut Result<Connection, StoreError>, from: &i64| match connection {
            Ok(connection) => slice(connection, *from, query, wanted).map_err(|e| StoreError::new(path, "cannot read vectors", e)),
            Err(why) => Err(StoreError::new(path, "cannot open it", why.to_string())),
        };
        let heaps = slices.par_iter().map_init(|| open_to_read(path), scan).collect::<Result<Vec<_>, StoreError>>()?;
        let mut near: Vec<Near> = heaps.into_iter().flatten().collect();
        near.sort_unstable();
        near.truncate(wanted);
        Ok(near)
    }

    fn passages(&self, view: &View, task: &str, near: &[Near], most: usize) -> Result<Vec<Passage>> {
        let sql = "SELECT d.name, l.position, c.part, c.page, p.text FROM chunks c
            JOIN listing l ON l.run = ?2 AND l.document = c.document JOIN documents d ON d.id = c.document
            JOIN passages p ON p.vector = c.vector
            WHERE c.vector = ?1 AND c.recipe = ?3 AND c.task = ?4 ORDER BY l.position, c.part";
        let mut statement = self.connection().prepare(sql)?;
        let mut passages: Vec<Passage> = Vec::new();
        for Near { cosine, vector } in near {
            let passage = |row: &rusqlite::Row<'_>| {
                let (document, position, part) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(Passage { document, position, part, page: row.get(3)?, text: row.get(4)?, cosine: *cosine })
            };
            for found in statement.query_map((vector, view.listing, view.recipe, task), passage)? {
                let found = found?;
                if passages.iter().all(|passage| passage.position != found.position) {
                    passages.push(found);
                }
                if passages.len() == most {
                    return Ok(passages);
                }
            }
        }
        Ok(passages)
    }
}

/// The nearest vectors of a slice.
fn slice(connection: &Connection, from: i64, query: &[f32], wanted: usize) -> Result<BinaryHeap<Near>> {
    let mut nearest = BinaryHeap::new();
    let mut statement = connection.prepare_cached("SELECT id, vector FROM vectors WHERE id > ?1 AND id <= ?1 + ?2")?;
    let mut rows = statement.query((from, SLICE))?;
    while let Some(row) = rows.next()? {
        let Some(cosine) = cosine(query, row.get_ref(1)?.as_blob()?) else { continue };
        nearest.push(Near { cosine, vector: row.get(0)? });
        if nearest.len() > wanted {
            nearest.pop();
        }
    }
    Ok(nearest)
}

/// The cosine of a query of unit length and a stored vector; `None` if their dimensions differ.
fn cosine(query: &[f32], stored: &[u8]) -> Option<f32> {
    let (stored, rest) = stored.as_chunks::<4>();
    if !rest.is_empty() || stored.len() != query.len() {
        return None;
    }
    let (mut products, mut squares) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (blocks, tail) = stored.as_chunks::<LANES>();
    let (queries, query_tail) = query.as_chunks::<LANES>();
    for (block, query) in blocks.iter().zip(queries) {
        for lane in 0..LANES {
            let number = f32::from_le_bytes(block[lane]);
            products[lane] += number * query[lane];
            squares[lane] += number * number;
        }
    }
    let (mut product, mut square): (f32, f32) = (products.iter().sum(), squares.iter().sum());
    for (number, query) in tail.iter().zip(query_tail) {
        let number = f32::from_le_bytes(*number);
        product += number * query;
        square += number * number;
    }
    Some(if square > 0.0 { product / square.sqrt() } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_do_not_depend_on_lengths_and_need_equal_dimensions() {
        let bytes = |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        let mut query = vec![0.0; 37];
        (query[0], query[36]) = (0.6, 0.8);
        let scaled = |by: f32| cosine(&query, &bytes(&query.iter().map(|number| number * by).collect::<Vec<f32>>()));
        assert!(scaled(5.0).is_some_and(|cosine| (cosine - 1.0).abs() < 1e-6));
        assert!(scaled(-5.0).is_some_and(|cosine| (cosine + 1.0).abs() < 1e-6));
        assert_eq!(cosine(&query, &bytes(&[0.0; 37])), Some(0.0));
        assert_eq!(cosine(&query, &bytes(&[1.0; 36])), None);
        assert_eq!(cosine(&query, &[0; 7]), None);
    }

    #[test]
    fn a_heap_keeps_the_nearest() {
        let mut heap = BinaryHeap::new();
        for (vector, cosine) in [(1, 0.1), (2, 0.9), (3, 0.5), (4, 0.9)] {
            heap.push(Near { cosine, vector });
            if heap.len() > 2 {
                heap.pop();
            }
        }
        let near: Vec<i64> = heap.into_sorted_vec().into_iter().map(|near| near.vector).collect();
        assert_eq!(near, [2, 4]);
    }
}
