//! The columns of tables whose rows state where their cells end.
//!
//! Word and RTF have no columns: each row has its own edges. A cell spans all columns between its
//! edges, so that the cells of different rows stay below each other.

/// Maximum distance between edges that are the same, in twentieths of a point.
const SAME: i32 = 30;

/// The edges of all rows of a table, from left to right.
#[derive(Debug, Default, Clone)]
pub(super) struct CellEdges(Vec<i32>);

impl CellEdges {
    pub fn of<'r>(rows: impl IntoIterator<Item = &'r Vec<i32>>) -> Self {
        let mut edges: Vec<i32> = rows.into_iter().flatten().copied().collect();
        edges.sort_unstable();
        edges.dedup_by(|b, a| b.saturating_sub(*a) <= SAME);
        Self(edges)
    }

    /// Number of columns of a cell of a row, which has these right edges.
    pub fn span(&self, row: &[i32], cell: usize) -> usize {
        let column = |edge: Option<&i32>| edge.map(|edge| self.0.partition_point(|other| *other < edge.saturating_sub(SAME)));
        let left = cell.checked_sub(1).map_or(Some(0), |before| column(row.get(before)).map(|column| column + 1));
        left.zip(column(row.get(cell))).map_or(1, |(left, right)| (right + 1).saturating_sub(left)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_span_the_columns_between_their_edges() {
        let rows = [vec![1000, 2000, 3000], vec![2010, 3000], vec![1000, 3005]];
        let edges = CellEdges::of(&rows);
        let spans = |row: &Vec<i32>| (0..=row.len()).map(|cell| edges.span(row, cell)).collect::<Vec<_>>();
        assert_eq!(rows.iter().map(spans).collect::<Vec<_>>(), [vec![1, 1, 1, 1], vec![2, 1, 1], vec![1, 2, 1]]);
    }
}
