//! Formats a comparison of variants as text.

use super::agreement::{Comparison, some};
use super::answers::Answers;
use crate::cli::table;
use crate::insight::agreement::Confusion;
use crate::insight::distribution::quantile;
use crate::insight::proportion::Share;
use crate::model::{Money, RowStatus, counted};

/// Confusion tables with more values are not printed. They are in compare.json.
const MOST_VALUES: usize = 12;

impl Comparison<'_> {
    /// Tables and notes.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.variants_table();
        lines.push(String::new());
        let (documents, compared) = (self.documents.len(), self.answered.len());
        lines.push(format!("{} is compared on {compared} of {documents} documents; intervals are of 95 %", self.field));
        for ((variant, reason), n) in self.left_out() {
            lines.push(format!("  left out: {n} without an answer of {variant}: {reason}"));
        }
        lines.extend(self.about_labels());
        if self.variants.len() > 1 {
            lines.push(String::new());
            lines.extend(self.pairs_table());
        }
        for (at, variant) in self.variants.iter().enumerate() {
            if let Some(confusion) = self.against_labels(at).filter(|confusion| !confusion.counts.is_empty()) {
                lines.extend(matrix(&confusion, "label", &variant.variant));
            }
        }
        if self.labels.is_none() && !self.numeric {
            for pair in self.pairs() {
                lines.extend(matrix(&self.confusion(pair), &self.variants[pair.0].variant, &self.variants[pair.1].variant));
            }
        }
        lines
    }

    fn variants_table(&self) -> Vec<String> {
        let mut heads = vec!["variant", "documents", "not ok", "calls", "cost", "cost each", "median time", "95 % under"];
        heads.extend(self.labels.map(|_| "accuracy"));
        let row = |(at, answers): (usize, &Answers)| {
            let asked = answers.totals.tally.rows() - answers.totals.tally.count(RowStatus::Skipped);
            let seconds = |share| quantile(&answers.seconds, share).map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2} s"));
            let each = answers.cost_per_document().map_or_else(|| "-".to_owned(), |usd| Money::from_usd(usd).to_string());
            let cost = answers.totals.cost.exact().map_or_else(|| "unknown".to_owned(), |cost| cost.to_string());
            let mut row = vec![answers.variant.clone(), asked.to_string(), answers.totals.tally.unanswered().to_string()];
            row.extend([answers.totals.calls.to_string(), cost, each, seconds(0.5), seconds(0.95)]);
            row.extend(self.against_labels(at).map(|confusion| share(confusion.agreed())));
            row
        };
        let rows = self.variants.iter().enumerate().map(row);
        table::lines(&[heads.into_iter().map(str::to_owned).collect()].into_iter().chain(rows).collect::<Vec<_>>(), true)
    }

    fn pairs_table(&self) -> Vec<String> {
        let mut heads = vec!["pair", "same answer"];
        heads.extend(if self.numeric { ["mean absolute difference", "correlation"].as_slice() } else { &["kappa"] });
        heads.extend(self.labels.into_iter().flat_map(|_| ["only first right", "only second right", "McNemar p"]));
        let row = |pair: (usize, usize)| {
            let confusion = self.confusion(pair);
            let mut row = vec![format!("{} / {}", self.variants[pair.0].variant, self.variants[pair.1].variant), share(confusion.agreed())];
            let interval = |value: f64, [low, high]: [f64; 2]| format!("{value:.2} [{low:.2}, {high:.2}]");
            if self.numeric {
                let close = self.closeness(pair);
                row.push(close.map_or_else(|| "-".to_owned(), |close| format!("{:.2}", close.mean_absolute_difference)));
                let r = close.and_then(|close| Some((close.correlation?, close.correlation_interval)));
                row.push(r.map_or_else(|| "-".to_owned(), |(r, ends)| ends.map_or_else(|| format!("{r:.2}"), |ends| interval(r, ends))));
            } else {
                row.push(confusion.kappa().map_or_else(|| "-".to_owned(), |kappa| interval(kappa.value, kappa.interval)));
            }
            if let Some(only) = self.only_right(pair) {
                row.extend([only.first.to_string(), only.second.to_string(), format!("{:.3}", only.p())]);
            }
            row
        };
        let rows = self.pairs().into_iter().map(row);
        table::lines(&[heads.into_iter().map(str::to_owned).collect()].into_iter().chain(rows).collect::<Vec<_>>(), true)
    }

    fn about_labels(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let Some((labels, (unknown, missing))) = self.labels.zip(self.unlabelled()) else { return lines };
        if !unknown.is_empty() {
            let like = self.documents.first().map_or_else(String::new, |(name, _)| format!(" (documents have names such as {name})"));
            lines.push(format!(
                "  {}: {} without a document: {}{like}",
                labels.file,
                counted(unknown.len() as u64, "label"),
                some(&unknown)
            ));
        }
        if !missing.is_empty() {
            lines.push(format!("  {}: {} documents have no label: {}", labels.file, missing.len(), some(&missing)));
        }
        if labels.repeated > 0 {
            lines.push(format!("  {}: {} lines repeat a label", labels.file, labels.repeated));
        }
        lines
    }
}

/// Formats a share with its interval: `12/16 = 75 % [51, 90]`.
fn share(share: Share) -> String {
    let [low, high] = share.interval().map(|end| 100.0 * end);
    let Share { of, n } = share;
    share.value().map_or_else(|| "-".to_owned(), |value| format!("{of}/{n} = {:.0} % [{low:.0}, {high:.0}]", 100.0 * value))
}

/// Formats a confusion table: counts of pairs of values.
fn matrix(confusion: &Confusion, rows: &str, columns: &str) -> Vec<String> {
    let values = confusion.values();
    if values.is_empty() || values.len() > MOST_VALUES {
        return Vec::new();
    }
    let head = [format!("{rows} \\ {columns}")].into_iter().chain(values.iter().map(|value| (*value).to_owned())).collect();
    let row = |one: &&str| {
        let count = |other: &&str| confusion.counts.get(&((*one).to_owned(), (*other).to_owned())).map_or(".".to_owned(), u64::to_string);
        [(*one).to_owned()].into_iter().chain(values.iter().map(count)).collect()
    };
    let table: Vec<Vec<String>> = [head].into_iter().chain(values.iter().map(row)).collect();
    [String::new()].into_iter().chain(table::lines(&table, true)).collect()
}
