//! Collects tables cell by cell, and writes them as Markdown.

/// Bytes above which a cell counts as part of a page.
///
/// This applies only to tables with a nested table.
const LONGEST_CELL: usize = 1000;
/// Maximum number of columns of one cell, and of copies of a cell or row.
const SPAN: usize = 64;

/// A table that is being read.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub rows: Vec<Vec<String>>,
    pub in_cell: bool,
    /// Whether the table contains another table.
    pub nested: bool,
    /// Number of open lists when the cell began.
    pub lists: usize,
    /// Number of open quotations when the cell began.
    pub quotes: usize,
    /// Number of columns of the open cell.
    columns: usize,
    /// Rows of the foot, which pages may have before the body.
    foot: Vec<Vec<String>>,
    /// Position of the first row of the open foot.
    foot_begin: Option<usize>,
    /// Number of rows still covered in each column.
    ///
    /// A cell above covers them.
    taken: Vec<usize>,
}

impl Table {
    /// Begins the foot of the table.
    pub fn begin_foot(&mut self) {
        self.end_foot();
        self.foot_begin = Some(self.rows.len());
    }

    /// Ends the foot of the table. Its rows come after all others.
    pub fn end_foot(&mut self) {
        if let Some(begin) = self.foot_begin.take() {
            self.foot.extend(self.rows.drain(begin.min(self.rows.len())..));
            self.taken.clear();
        }
    }

    /// Adds the rows of the foot.
    pub fn finish(&mut self) {
        self.end_foot();
        self.rows.append(&mut self.foot);
    }

    pub fn row(&mut self) {
        if let Some(row) = self.rows.last() {
            self.taken.iter_mut().skip(row.len()).for_each(|rows| *rows = rows.saturating_sub(1));
        }
        self.rows.push(Vec::new());
    }

    /// Opens the next cell of the last row.
    ///
    /// It skips columns that cells above cover.
    pub fn open_cell(&mut self, columns: usize, rows: usize, lists: usize) {
        if self.rows.is_empty() {
            self.row();
        }
        (self.in_cell, self.lists, self.columns) = (true, lists, columns.clamp(1, SPAN));
        let Some(row) = self.rows.last_mut() else { return };
        while let Some(left) = self.taken.get_mut(row.len()).filter(|left| **left > 0) {
            *left -= 1;
            row.push(String::new());
        }
        if rows > 1 {
            let (from, to) = (row.len(), row.len() + self.columns);
            self.taken.resize(self.taken.len().max(to), 0);
            self.taken[from..to].fill(rows - 1);
        }
    }

    pub fn widen(&mut self, columns: usize) {
        self.columns = columns.clamp(1, SPAN);
    }

    pub fn close_cell(&mut self, text: String) {
        self.in_cell = false;
        if let Some(row) = self.rows.last_mut() {
            row.push(text);
            row.extend((1..self.columns).map(|_| String::new()));
        }
    }

    /// Repeats the last cell of the open row.
    pub fn repeat_cell(&mut self, times: usize) {
        if let Some(row) = self.rows.last_mut()
            && let Some(cell) = row.last().filter(|cell| cell.len() <= LONGEST_CELL).cloned()
        {
            row.extend(std::iter::repeat_n(cell, times.clamp(1, SPAN) - 1));
        }
    }

    /// Repeats the last row, unless it is empty or long as it will be written.
    pub fn repeat_row(&mut self, times: usize) {
        let written = |row: &&Vec<String>| row.iter().map(|cell| cell.len() + 3).sum::<usize>();
        let is_short = |row: &&Vec<String>| row.iter().any(|cell| !cell.is_empty()) && written(row) <= LONGEST_CELL;
        if let Some(row) = self.rows.last().filter(is_short).cloned() {
            self.rows.extend(std::iter::repeat_n(row, times.clamp(1, SPAN) - 1));
        }
    }

    /// Whether the table only arranges a page.
    ///
    /// Tables with one column do so. A table with a nested table does so if it has one row, or if
    /// its cells are parts of a page.
    pub fn arranges(&self) -> bool {
        let page = |cell: &String| cell.len() > LONGEST_CELL || cell.lines().any(|line| line.starts_with('#'));
        self.rows.iter().all(|row| row.len() <= 1) || self.nested && (self.rows.len() == 1 || self.rows.iter().flatten().any(page))
    }
}

/// Writes the text of a cell on one line.
///
/// A nested table becomes a sequence of rows: `A, B; 1, 2`.
fn in_a_line(cell: &str) -> String {
    let mut text = String::new();
    // Number of rows of the open nested table.
    let mut rows = 0;
    for line in cell.split('\n').map(str::trim).filter(|line| !line.is_empty()) {
        let row = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |"));
        rows = if row.is_some() { rows + 1 } else { 0 };
        // The second row is the line below the header.
        if rows == 2 {
            continue;
        }
        text.push_str(if text.is_empty() {
            ""
        } else if rows > 2 {
            "; "
        } else {
            " "
        });
        match row {
            Some(row) => text.push_str(&row.split(" | ").map(str::trim).collect::<Vec<_>>().join(", ").replace("\\|", "|")),
            None => text.push_str(line),
        }
    }
    text
}

/// Writes a Markdown table with the first row as its header.
///
/// Empty rows are omitted.
pub(super) fn written(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (at, row) in rows.iter().filter(|row| row.iter().any(|cell| !cell.is_empty())).enumerate() {
        text.push_str(if at > 0 { "\n|" } else { "|" });
        for cell in row {
            text.push(' ');
            text.push_str(&in_a_line(cell).replace('|', "\\|"));
            text.push_str(" |");
        }
        if at == 0 {
            text.push_str("\n|");
            text.push_str(&" --- |".repeat(row.len()));
        }
    }
    text
}
