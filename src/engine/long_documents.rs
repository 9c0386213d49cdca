//! Divides documents that are too long for one call, and merges the answers of their chunks.

use super::document::{Answerer, Subject, Unfinished};
use crate::job::{Chunks, Job, LongMethod, LongRule, Merged};
use crate::model::{CallRecord, CallStatus, Chunk, Content, Facts, Failure, FailureCode};
use crate::prepare::{Divide, counted, split, truncate};
use futures::future::join_all;

/// Share of a limit, in percent, up to which a token estimate is used without counting.
const SURE_PERCENT: u64 = 85;

/// Divides a document by the rules of its job. `divide` divides texts.
///
/// `longest` is the maximum document tokens of a call, if known. May take long, because it counts
/// tokens near a limit.
pub(super) fn divided(
    content: &Content,
    facts: &mut Facts,
    job: &Job,
    longest: Option<u64>,
    divide: Divide<'_>,
) -> Result<Chunks, Failure> {
    let rules = job.long_rules(longest);
    let unsure = |rule: &LongRule| content.tokens().saturating_mul(100) > rule.limit.saturating_mul(SURE_PERCENT);
    let content = &if rules.iter().flatten().any(unsure) { counted(content) } else { content.clone() };
    let tokens = content.tokens();
    facts.tokens = tokens;
    let whole = || Chunk { content: content.clone(), before: None, place: None };
    let mut divided: Vec<(Option<LongRule>, Vec<Chunk>)> = Vec::new();
    let mut of_task = Vec::new();
    for rule in rules {
        let rule = rule.filter(|rule| tokens > rule.limit);
        let known = divided.iter().position(|(other, _)| *other == rule);
        of_task.push(known.unwrap_or(divided.len()));
        if known.is_none() {
            let chunks = rule.map_or_else(|| Ok(vec![whole()]), |rule| apply(rule, content, facts, divide))?;
            divided.push((rule, chunks));
        }
    }
    Ok(Chunks { sets: divided.into_iter().map(|(_, chunks)| chunks).collect(), of_task, paged: facts.pages.len() > 1 })
}

/// Applies the rule for long documents to a document above its limit.
fn apply(rule: LongRule, content: &Content, facts: &mut Facts, divide: Divide<'_>) -> Result<Vec<Chunk>, Failure> {
    let LongRule { limit, method, overlap } = rule;
    match method {
        LongMethod::Fail => Err(Failure::new(
            FailureCode::TooLong,
            format!(
                "the document has about {} tokens, but one call takes {limit}. Give the job a [long] with method = \
                    \"split\" or \"truncate\", or exclude the document",
                content.tokens()
            ),
        )),
        LongMethod::Truncate => {
            let content = truncate(content, limit);
            if content.0.is_empty() {
                return Err(Failure::new(
                    FailureCode::TooLong,
                    format!(
                        "no part of the document fits into {limit} tokens. Raise \
                    max_input_tokens, or exclude the document"
                    ),
                ));
            }
            facts.sent_tokens = Some(content.tokens());
            Ok(vec![Chunk { content, before: None, place: None }])
        }
        LongMethod::Split => {
            let chunks = split(content, limit, overlap, divide)?;
            facts.parts = facts.parts.max(u32::try_from(chunks.len()).ok());
            Ok(chunks)
        }
    }
}

/// Merges the answers of a document's chunks into one answer for each question, by calls of at most
/// `limit` tokens of answers.
///
/// Returns the additional calls that merging took, and one record for each question.
pub(super) async fn merge(
    processor: &impl Answerer,
    subject: Subject<'_>,
    limit: u64,
    records: &[CallRecord],
) -> Result<(Vec<CallRecord>, Vec<CallRecord>), Unfinished> {
    let mut questions: Vec<Vec<CallRecord>> = Vec::new();
    for record in records {
        match questions.iter_mut().find(|group| record.part.is_some() && group[0].task == record.task && group[0].axes == record.axes) {
            Some(group) => group.push(record.clone()),
            None => questions.push(vec![record.clone()]),
        }
    }
    let merging = questions.into_iter().map(|group| merge_one(processor, subject, limit, group));
    let merged = join_all(merging).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (calls, answers): (Vec<_>, Vec<_>) = merged.into_iter().unzip();
    Ok((calls.concat(), answers))
}

async fn merge_one(
    processor: &impl Answerer,
    subject: Subject<'_>,
    limit: u64,
    mut group: Vec<CallRecord>,
) -> Result<(Vec<CallRecord>, CallRecord), Unfinished> {
    let mut calls = Vec::new();
    loop {
        let failed = group.iter().find(|record| record.status != CallStatus::Ok).cloned();
        let [first, .., last] = &group[..] else { return Ok((calls, group.swap_remove(0))) };
        if let Some(failed) = failed {
            // The chunks that have vectors keep them.
            let answer = subject.job.embedded(&group);
            let missing = group.iter().filter(|record| record.answer.is_none()).count();
            let counted = |Failure { code, message }| {
                let message = format!("{missing} of {} chunks have no vector; the first: {message}", group.len());
                Failure::new(code, message)
            };
            let failure = if answer.is_some() { failed.failure.map(counted) } else { failed.failure };
            return Ok((calls, CallRecord { part: None, answer, failure, ..failed }));
        }
        match subject.job.merge(&group, limit, &processor.account().model, processor.effort()) {
            None => return Ok((calls, CallRecord { part: None, ..last.clone() })),
            Some(Merged::Done(answer)) => return Ok((calls, CallRecord { part: None, answer: Some(answer), ..first.clone() })),
            Some(Merged::Ask(questions)) => {
                group = processor.ask_all(subject, questions).await?;
                calls.extend(group.iter().cloned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::prepare::{Apart, ImageLimits, PdfMode, PdfSettings, PrepareSettings, Sniffed, TextSettings, chunks, prepare};

    const JOB: &str = "name = 'x'\ninput = 'text'\nlong = { method = 'split', max_input_tokens = LIMIT }\n\
                       [[task]]\nid = 'x'\nprompt = 'Say it.'\nanswer = { x = 'string' }";

    fn divided(text: &str, limit: u64) -> (u64, Facts, Vec<Chunk>) {
        let settings = PrepareSettings {
            workers: 1,
            queue: 1,
            memory_mb: 1,
            image: crate::prepare::ImageSettings { max_edge: 0, jpeg_quality: 85, max_pixels_mp: 1 },
            text: TextSettings { clean: false },
            pdf: PdfSettings { mode: PdfMode::Auto, max_pages: 0 },
            document_s: 1,
            document_mb: 1,
            apart: Apart::default(),
        };
        let prepared = prepare(text.as_bytes(), Sniffed::Text, &settings, &ImageLimits::openai()).unwrap();
        let job = Job::load("x", &JOB.replace("LIMIT", &limit.to_string()), &toml::Table::new(), None).unwrap();
        let (estimate, mut facts) = (prepared.facts.tokens, prepared.facts);
        let divide = |text: &str, limit| Ok(chunks(text, limit));
        let chunks = super::divided(&prepared.content, &mut facts, &job, None, &divide).unwrap();
        (estimate, facts, chunks.sets.concat())
    }

    #[test]
    fn tokens_are_counted_and_not_estimated_near_a_limit() {
        // The estimate samples the beginning of each block.
        let block = format!("{:<16384}", "word ".repeat(3100) + &"7,".repeat(200));
        let text = block.repeat(20);
        let (estimate, facts, chunks) = divided(&text, 10_000_000);
        assert_eq!((facts.tokens, chunks.len()), (estimate, 1));
        let limit = estimate * 102 / 100;
        let (estimate, facts, chunks) = divided(&text, limit);
        assert!(estimate < limit && facts.tokens > limit && chunks.len() > 1, "{estimate}, {}, {limit}", facts.tokens);
        assert!(chunks.iter().all(|chunk| chunk.content.tokens() <= limit));
    }
}
