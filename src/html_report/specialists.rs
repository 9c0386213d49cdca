//! The matrix of specialists: answers of a task that judges each document from several sides.
//!
//! A task with an axis, such as `assess` over `material`, has one answer for each value of the
//! axis. The matrix shows the score of each value in each document, and the final choice.

use crate::model::{CallRecord, Row};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Maximum number of columns.
const MAX_SIDES: usize = 24;
/// Maximum number of hidden columns of results.
const MAX_COLUMNS: usize = 2_000;

/// The matrix of a job.
#[derive(Debug, Default, Serialize)]
pub struct Specialists {
    /// The task.
    pub task: String,
    /// Name of the axis, such as `material`.
    pub axis: String,
    /// Field of the score: the first number of the answer.
    pub score: Option<String>,
    /// Field of the mark: the first boolean of the answer.
    pub mark: Option<String>,
    /// Field of the final choice: the first answer that is a value of the axis.
    pub choice: Option<String>,
    /// The values of the axis.
    pub sides: Vec<Side>,
    /// Documents whose choice has the best score, and documents with choice and scores.
    pub agreed: (u64, u64),
    /// Lowest and highest score.
    pub range: Option<(f64, f64)>,
    /// Names of result columns that hold these answers.
    #[serde(skip)]
    columns: BTreeSet<String>,
}

/// One value of the axis over all documents.
#[derive(Debug, Default, Serialize)]
pub struct Side {
    /// The value.
    pub name: String,
    /// Number of answers.
    pub answers: u64,
    /// Mean score.
    pub mean: Option<f64>,
    /// Number of answers with the mark.
    pub marked: u64,
    /// Documents for which it is the choice.
    pub chosen: u64,
    #[serde(skip)]
    scores: (f64, u64),
}

/// One document in the matrix.
#[derive(Debug, Default, PartialEq)]
struct Line {
    /// Score and mark for each side.
    cells: Vec<(Option<f64>, bool)>,
    choice: Option<usize>,
}

impl Specialists {
    /// Counts a row. The first task with an axis becomes the matrix.
    pub fn add(&mut self, row: &Row) {
        for call in row.calls.iter().filter(|call| !call.axes.is_empty()) {
            self.hide(call);
            if self.task.is_empty() {
                self.task.clone_from(&call.task);
                self.axis = call.axes.keys().cloned().collect::<Vec<_>>().join(", ");
            }
            if call.task != self.task {
                continue;
            }
            let name = side(&call.axes);
            if self.sides.len() < MAX_SIDES && self.sides.iter().all(|side| side.name != name) {
                self.sides.push(Side { name, ..Side::default() });
            }
            let Some(answer) = call.answer.as_ref().and_then(Value::as_object) else { continue };
            let field = |is: fn(&Value) -> bool| answer.iter().find(|(_, value)| is(value)).map(|(name, _)| name.clone());
            self.score = self.score.take().or_else(|| field(Value::is_number));
            self.mark = self.mark.take().or_else(|| field(Value::is_boolean));
        }
        if self.sides.is_empty() {
            return;
        }
        if self.choice.is_none() {
            let is_side = |value: &Value| value.as_str().is_some_and(|text| self.place(text).is_some());
            self.choice = row.answers.iter().find(|(name, value)| is_side(value) && !self.hides(name)).map(|(name, _)| name.clone());
        }
        self.count(row);
    }

    fn count(&mut self, row: &Row) {
        let Line { cells, choice } = self.line(row);
        let answered = row.calls.iter().filter(|call| call.task == self.task && call.answer.is_some()).map(|call| side(&call.axes));
        let answered: BTreeSet<String> = answered.collect();
        for (at, (score, mark)) in cells.iter().enumerate() {
            let side = &mut self.sides[at];
            side.answers += u64::from(answered.contains(&side.name));
            side.marked += u64::from(*mark);
            side.chosen += u64::from(choice == Some(at));
            if let Some(score) = score {
                side.scores = (side.scores.0 + score, side.scores.1 + 1);
                side.mean = Some(side.scores.0 / side.scores.1 as f64);
                let (low, high) = self.range.unwrap_or((*score, *score));
                self.range = Some((low.min(*score), high.max(*score)));
            }
        }
        let scores: Vec<f64> = cells.iter().filter_map(|(score, _)| *score).collect();
        if let Some(own) = choice.and_then(|at| cells[at].0)
            && scores.len() > 1
        {
            self.agreed.0 += u64::from(scores.iter().all(|score| *score <= own));
            self.agreed.1 += 1;
        }
    }

    /// Hides the columns of a call. A column has the values of the axes in front of the field,
    /// sometimes with the task between them.
    fn hide(&mut self, call: &CallRecord) {
        let front: Vec<&str> = call.axes.values().filter_map(Value::as_str).collect();
        let front = front.join("_");
        for field in call.answer.iter().filter_map(Value::as_object).flat_map(Map::keys) {
            if self.columns.len() >= MAX_COLUMNS {
                return;
            }
            // A chart of the other name does not exist.
            self.columns.extend([format!("{front}_{field}"), format!("{front}_{}_{field}", call.task)]);
        }
    }

    /// Whether the matrix shows a column of the results, or a field inside it.
    pub fn hides(&self, column: &str) -> bool {
        self.columns.contains(column) || column.split_once('.').is_some_and(|(column, _)| self.columns.contains(column))
    }

    /// The matrix, if there is one: at least two sides, with a score or a mark.
    pub fn finish(self) -> Option<Self> {
        (self.sides.len() > 1 && (self.score.is_some() || self.mark.is_some())).then_some(self)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.sides.iter().position(|side| side.name == name)
    }

    fn line(&self, row: &Row) -> Line {
        let mut cells = vec![(None, false); self.sides.len()];
        for call in row.calls.iter().filter(|call| call.task == self.task) {
            let (Some(at), Some(answer)) = (self.place(&side(&call.axes)), call.answer.as_ref()) else { continue };
            let field = |name: &Option<String>| name.as_ref().and_then(|name| answer.get(name));
            cells[at] = (field(&self.score).and_then(Value::as_f64), field(&self.mark) == Some(&Value::Bool(true)));
        }
        let choice = self.choice.as_ref().and_then(|field| row.answers.get(field)).and_then(Value::as_str);
        Line { cells, choice: choice.and_then(|name| self.place(name)) }
    }

    /// A row in the matrix, as `[[score, mark] for each side, number of the choice]`. Null without
    /// scores and marks.
    pub fn cells(&self, row: &Row) -> Value {
        let Line { cells, choice } = self.line(row);
        let cell = |(score, mark): &(Option<f64>, bool)| json!([score, u8::from(*mark)]);
        let any = cells.iter().any(|(score, mark)| score.is_some() || *mark);
        if any { json!([cells.iter().map(cell).collect::<Vec<_>>(), choice]) } else { Value::Null }
    }
}

/// The name of a side: the values of the axes.
pub fn side(axes: &Map<String, Value>) -> String {
    axes.values().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(scores: [i32; 2], choice: &str) -> Row {
        let call = |n: usize, material: &str| {
            json!({"task": "assess", "axes": {"material": material}, "status": "ok", "attempts": 1, "seconds": 0.1, "usage": {"uncached_input": 1, "cache_read": 0, "cache_write": 0, "output": 1},
                "answer": {"suitability": scores[n], "recommended": scores[n] > 5}})
        };
        let answers = json!({"best": choice, "metal_suitability": scores[0], "wood_suitability": scores[1]});
        let row = json!({"status": "ok", "job": "j", "provider": "p", "model": "m", "answers": answers, "calls": [call(0, "metal"), call(1, "wood")]});
        Row::read(0, "d", &row.to_string()).expect("a row")
    }

    #[test]
    fn the_matrix_counts_scores_marks_and_choices() {
        let mut all = Specialists::default();
        for (scores, choice) in [([8, 3], "metal"), ([2, 9], "metal"), ([4, 4], "wood")] {
            all.add(&row(scores, choice));
        }
        let all = all.finish().expect("a matrix");
        assert_eq!((all.agreed, all.range, all.choice.as_deref()), ((2, 3), Some((2.0, 9.0)), Some("best")));
        let sides: Vec<(&str, u64, u64, u64)> = all.sides.iter().map(|s| (s.name.as_str(), s.answers, s.marked, s.chosen)).collect();
        assert_eq!(sides, [("metal", 3, 1, 2), ("wood", 3, 1, 1)]);
        assert!(all.hides("metal_suitability") && all.hides("wood_recommended") && !all.hides("best"));
        assert_eq!(all.cells(&row([8, 3], "metal")), json!([[[8.0, 1], [3.0, 0]], 0]));
    }

    #[test]
    fn a_job_without_an_axis_has_no_matrix() {
        let mut none = Specialists::default();
        let mut plain = row([1, 2], "metal");
        plain.calls.iter_mut().for_each(|call| call.axes.clear());
        none.add(&plain);
        assert!(none.finish().is_none());
    }
}
