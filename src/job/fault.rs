//! Faults of a job file, with their places.

use super::Problem;
use toml::de::{DeTable, DeValue};

/// One or more faults, each with the path from the root of the file to its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(Vec<One>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct One {
    message: String,
    path: Vec<Step>,
}

/// A step from a table or a list to one of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self(vec![One { message, path: Vec::new() }])
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl Fault {
    /// The same fault, seen from the table or list around its place.
    pub fn at(mut self, step: impl Into<Step>) -> Self {
        let step = step.into();
        self.0.iter_mut().for_each(|one| one.path.insert(0, step.clone()));
        self
    }

    /// The same fault with words before its message.
    pub fn of(mut self, what: &str) -> Self {
        self.0.iter_mut().for_each(|one| one.message = format!("{what}: {}", one.message));
        self
    }

    /// All values, or the faults of all results.
    pub fn gather<T>(results: impl IntoIterator<Item = Result<T, Self>>) -> Result<Vec<T>, Self> {
        let (mut values, mut faults) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(value) => values.push(value),
                Err(Self(more)) => faults.extend(more),
            }
        }
        if faults.is_empty() { Ok(values) } else { Err(Self(faults)) }
    }

    /// Both values, or the faults of both results.
    pub fn both<A, B>(one: Result<A, Self>, other: Result<B, Self>) -> Result<(A, B), Self> {
        match (one, other) {
            (Ok(one), Ok(other)) => Ok((one, other)),
            (Err(Self(one)), Err(Self(other))) => Err(Self([one, other].concat())),
            (Err(fault), Ok(_)) | (Ok(_), Err(fault)) => Err(fault),
        }
    }

    /// The faults with their lines, in the order of the lines.
    pub fn problems(self, text: &str) -> Vec<Problem> {
        let mut problems: Vec<Problem> =
            self.0.into_iter().map(|one| Problem { line: one.line(text).or(Some(1)), message: one.message }).collect();
        problems.sort_by_key(|problem| problem.line);
        problems.dedup();
        problems
    }
}

impl One {
    /// The line of the fault in the text of the file, counted from 1. If the text has no value at
    /// its place, the line of the nearest table around it.
    fn line(&self, text: &str) -> Option<usize> {
        let root = DeTable::parse(text).ok()?.into_inner();
        let (mut place, mut offset) = (&DeValue::Table(root), None);
        for step in &self.path {
            let inner = match (step, place) {
                (Step::Key(key), DeValue::Table(table)) => {
                    table.iter().find(|(name, _)| name.get_ref() == key).map(|(name, value)| (name.span(), value))
                }
                (Step::Index(index), DeValue::Array(list)) => list.get(*index).map(|value| (value.span(), value)),
                _ => None,
            };
            let Some((span, value)) = inner else { break };
            (place, offset) = (value.get_ref(), Some(span.start));
        }
        Some(text.get(..offset?)?.matches('\n').count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"x\"\n\n[[task]]\nid = \"a\"\n[[task]]\nid = \"b\"\nover = { side = [\n\"left\",\n\"left\"] }\n\
        [task.answer]\nlength = \"string\"\n\n[combine.weights]\nleft = 1\n";

    fn line(path: &[Step]) -> Option<usize> {
        path.iter().rev().fold(Fault::from("wrong"), |fault, step| fault.at(step.clone())).0[0].line(TEXT)
    }

    #[test]
    fn a_fault_has_the_line_of_its_place() {
        let key = |name: &str| Step::from(name);
        assert_eq!(line(&[key("name")]), Some(1));
        assert_eq!(line(&[key("task"), 1.into(), key("id")]), Some(6));
        assert_eq!(line(&[key("task"), 1.into(), key("over"), key("side"), 1.into()]), Some(9));
        assert_eq!(line(&[key("task"), 1.into(), key("answer"), key("length")]), Some(11));
        assert_eq!(line(&[key("combine"), key("weights"), key("left")]), Some(14));
    }

    #[test]
    fn a_fault_without_a_value_has_the_line_of_the_table_around_it() {
        assert_eq!(line(&["task".into(), 1.into(), "prompt".into()]), Some(5));
        assert_eq!(line(&["system".into()]), None);
        assert_eq!(Fault::from("wrong").0[0].line("not = = toml"), None);
    }
}
