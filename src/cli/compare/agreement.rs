//! Compares the answers of variants: agreement, accuracy, cost, time.

use super::answers::{Answers, Reply};
use super::labels::{Labels, normalised};
use crate::insight::agreement::{Confusion, closeness};
use crate::insight::distribution::quantile;
use crate::insight::proportion::{Share, mcnemar};
use crate::write::{cell, guarded};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Names that are listed before the rest is counted.
const NAMED: usize = 5;

/// Variants side by side.
pub(super) struct Comparison<'a> {
    pub field: &'a str,
    pub variants: &'a [Answers],
    pub labels: Option<&'a Labels>,
    /// Documents that at least one variant's job accepts, in input order, with each variant's
    /// reply.
    pub documents: Vec<(&'a str, Vec<&'a Reply>)>,
    /// Documents that all variants have answered.
    pub answered: Vec<Answered<'a>>,
    /// Whether all answers are numbers.
    pub numeric: bool,
}

/// A document that all variants have answered.
pub(super) struct Answered<'a> {
    pub values: Vec<&'a Value>,
    /// The answers in normalised form.
    pub texts: Vec<String>,
    /// The label in normalised form.
    pub label: Option<String>,
}

/// Documents that only one of two variants has right.
pub(super) struct OnlyRight {
    pub first: u64,
    pub second: u64,
}

impl OnlyRight {
    /// Probability of such a difference between equally good variants (McNemar's test).
    pub fn p(&self) -> f64 {
        mcnemar(self.first, self.second)
    }
}

/// The reply about a document that was not in a variant's run.
const MISSING: Reply = Reply::Skipped;

impl<'a> Comparison<'a> {
    pub fn of(field: &'a str, variants: &'a [Answers], labels: Option<&'a Labels>) -> Self {
        let mut order: Vec<&str> = Vec::new();
        let mut replies: HashMap<&str, Vec<&Reply>> = HashMap::new();
        for (at, variant) in variants.iter().enumerate() {
            for (document, answer) in &variant.replies {
                let all = replies.entry(document).or_insert_with(|| {
                    order.push(document);
                    vec![&MISSING; variants.len()]
                });
                all[at] = answer;
            }
        }
        let documents = order.into_iter().filter_map(|document| Some((document, replies.remove(document)?)));
        let documents: Vec<_> = documents.filter(|(_, replies)| replies.iter().any(|reply| **reply != Reply::Skipped)).collect();
        let answered = documents.iter().filter_map(|(document, replies)| {
            let values = replies
                .iter()
                .map(|reply| if let Reply::Answer(value) = reply { Some(value) } else { None })
                .collect::<Option<Vec<_>>>()?;
            let label = labels.and_then(|labels| labels.by_document.get(*document)).map(|label| normalised(label));
            let texts = values.iter().map(|value| normalised(&plain(value))).collect();
            Some(Answered { values, texts, label })
        });
        let answered: Vec<Answered<'_>> = answered.collect();
        let numeric = !answered.is_empty() && answered.iter().all(|document| document.values.iter().all(|value| value.is_number()));
        Self { field, variants, labels, documents, answered, numeric }
    }

    /// Documents left out, counted by variant and reason.
    pub fn left_out(&self) -> BTreeMap<(&str, &str), u64> {
        let mut reasons = BTreeMap::new();
        for (_, replies) in &self.documents {
            for (variant, reply) in self.variants.iter().zip(replies) {
                let reason = match reply {
                    Reply::Answer(_) => continue,
                    Reply::Nothing(reason) => reason,
                    Reply::Skipped => "not for its job",
                };
                *reasons.entry((variant.variant.as_str(), reason)).or_default() += 1;
            }
        }
        reasons
    }

    /// All pairs of variants.
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        (0..self.variants.len()).flat_map(|one| (one + 1..self.variants.len()).map(move |other| (one, other))).collect()
    }

    pub fn confusion(&self, (one, other): (usize, usize)) -> Confusion {
        self.answered.iter().map(|document| (document.texts[one].clone(), document.texts[other].clone())).collect()
    }

    /// Labels against the answers of a variant; `None` without labels.
    pub fn against_labels(&self, variant: usize) -> Option<Confusion> {
        let labelled = self.answered.iter().filter_map(|document| Some((document.label.clone()?, document.texts[variant].clone())));
        self.labels.map(|_| labelled.collect())
    }

    pub fn only_right(&self, (one, other): (usize, usize)) -> Option<OnlyRight> {
        let right = |document: &Answered<'_>, variant: usize| document.label.as_ref() == Some(&document.texts[variant]);
        let only = |one, other| self.answered.iter().filter(|document| right(document, one) && !right(document, other)).count() as u64;
        self.labels.map(|_| OnlyRight { first: only(one, other), second: only(other, one) })
    }

    /// Labels that match no document, and documents without a label.
    pub fn unlabelled(&self) -> Option<(Vec<&str>, Vec<&str>)> {
        let labels = self.labels?;
        let unknown = labels.unknown.iter().map(String::as_str).collect();
        let missing = self.documents.iter().map(|(name, _)| *name).filter(|name| !labels.by_document.contains_key(*name)).collect();
        Some((unknown, missing))
    }

    pub fn closeness(&self, (one, other): (usize, usize)) -> Option<crate::insight::agreement::Closeness> {
        let number = |document: &Answered<'_>, at: usize| document.values[at].as_f64();
        let pairs: Vec<_> = self.answered.iter().filter_map(|document| number(document, one).zip(number(document, other))).collect();
        if self.numeric { closeness(&pairs) } else { None }
    }

    /// A CSV line for each document: its label, each variant's answer, and whether all agree.
    pub fn csv(&self) -> csv::Result<Vec<u8>> {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        let label = self.labels.map(|_| "label");
        let heads = ["document"].into_iter().chain(label).chain(self.variants.iter().map(|variant| variant.variant.as_str()));
        writer.write_record(heads.chain(["agree"]).map(|head| guarded(head).into_owned()))?;
        for (document, replies) in &self.documents {
            let answers: Vec<Option<&Value>> =
                replies.iter().map(|reply| if let Reply::Answer(value) = reply { Some(value) } else { None }).collect();
            let texts: Option<Vec<String>> = answers.iter().map(|value| value.map(|value| normalised(&plain(value)))).collect();
            let agree = texts.map_or("", |texts| if texts.windows(2).all(|pair| pair[0] == pair[1]) { "true" } else { "false" });
            let label = self.labels.map(|labels| guarded(labels.by_document.get(*document).map_or("", String::as_str)).into_owned());
            let answers = answers.iter().map(|value| value.map_or_else(String::new, |value| cell(value).into_owned()));
            writer.write_record([guarded(document).into_owned()].into_iter().chain(label).chain(answers).chain([agree.to_owned()]))?;
        }
        writer.into_inner().map_err(|e| e.into_error().into())
    }

    /// The whole comparison as JSON.
    pub fn json(&self) -> Value {
        let variant = |(at, answers): (usize, &Answers)| {
            json!({
                "variant": answers.variant,
                "directory": answers.directory,
                "provider": answers.provider,
                "model": answers.model,
                "documents": answers.totals.tally.documents,
                "failures": answers.totals.tally.failures,
                "calls": answers.totals.calls,
                "cost_usd": answers.totals.cost.exact().map(crate::model::Money::usd),
                "cost_per_document_usd": answers.cost_per_document(),
                "seconds_per_document": { "median": quantile(&answers.seconds, 0.5), "p95": quantile(&answers.seconds, 0.95) },
                "accuracy": self.against_labels(at).map(|confusion| share(confusion.agreed())),
                "confusion": self.against_labels(at).map(|confusion| counts(&confusion, ["label", "answer"])),
            })
        };
        let pair = |pair: (usize, usize)| {
            let (confusion, only_right) = (self.confusion(pair), self.only_right(pair));
            json!({
                "variants": [self.variants[pair.0].variant, self.variants[pair.1].variant],
                "agreed": share(confusion.agreed()),
                "kappa": if self.numeric { None } else { confusion.kappa() },
                "numbers": self.closeness(pair),
                "only_right": only_right.as_ref().map(|only| [only.first, only.second]),
                "mcnemar_p": only_right.as_ref().map(OnlyRight::p),
                "confusion": counts(&confusion, ["first", "second"]),
            })
        };
        let left_out = self.left_out();
        let left_out = left_out.iter().map(|((variant, reason), n)| json!({"variant": variant, "reason": reason, "documents": n}));
        let labels = self.labels.zip(self.unlabelled()).map(|(labels, (unknown, missing))| {
            json!({
                "file": labels.file,
                "column": labels.column,
                "labels": labels.by_document.len() + unknown.len(),
                "repeated": labels.repeated,
                "unknown": unknown,
                "documents_without": missing.len(),
            })
        });
        json!({
            "field": self.field,
            "documents": self.documents.len(),
            "compared": self.answered.len(),
            "left_out": left_out.collect::<Vec<_>>(),
            "labels": labels,
            "variants": self.variants.iter().enumerate().map(variant).collect::<Vec<_>>(),
            "pairs": self.pairs().into_iter().map(pair).collect::<Vec<_>>(),
        })
    }
}

/// A value as text, without the marks that protect spreadsheets from formulas.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| cell(value).into_owned(), ToOwned::to_owned)
}

fn share(share: Share) -> Value {
    json!({"of": share.of, "n": share.n, "share": share.value(), "interval": share.interval()})
}

fn counts(confusion: &Confusion, [first, second]: [&str; 2]) -> Vec<Value> {
    confusion.counts.iter().map(|((one, other), n)| json!({first: one, second: other, "documents": n})).collect()
}

/// Lists the first few names, and counts the rest.
pub(super) fn some(names: &[&str]) -> String {
    let more = names.len().checked_sub(NAMED + 1).map_or_else(String::new, |more| format!(" and {} more", more + 1));
    format!("{}{more}", names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
}
