//! Aggregation without a model: by majority, or by weighted scores.

use super::weights::mean;
use crate::model::{Column, ColumnType};
use serde_json::{Map, Value, json};

/// One answer's vote on one candidate.
#[derive(Debug, Clone)]
pub(super) struct Ballot {
    pub choice: String,
    pub votes: bool,
    pub score: Option<f64>,
    /// Weight of the candidate.
    pub weight: f64,
    /// Weight of this ballot among those on the candidate.
    pub share: f64,
}

/// The winner of a vote, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// `None` if nothing speaks for any candidate.
    pub best: Option<String>,
    pub runner_up: Option<String>,
    pub rationale: String,
    pub confidence: &'static str,
}

impl Verdict {
    pub fn into_fields(self, subject: &str) -> Map<String, Value> {
        Map::from_iter([
            (format!("best_{subject}"), json!(self.best)),
            ("runner_up".to_owned(), json!(self.runner_up)),
            ("rationale".to_owned(), json!(self.rationale)),
            ("confidence".to_owned(), json!(self.confidence)),
        ])
    }
}

/// Columns of a verdict, in the order of [`Verdict::into_fields`].
pub(super) fn columns(subject: &str) -> Vec<Column> {
    let confidence = ColumnType::Enum(["high", "medium", "low"].map(ToOwned::to_owned).into());
    vec![
        Column::new(format!("best_{subject}"), ColumnType::String),
        Column::new("runner_up", ColumnType::String),
        Column::new("rationale", ColumnType::String),
        Column::new("confidence", confidence),
    ]
}

/// All ballots on one candidate.
struct Tally<'b> {
    choice: &'b str,
    /// Ballots and votes, each with its share.
    ballots: f64,
    votes: f64,
    /// Scores and their weights.
    scores: Vec<(f64, f64)>,
    weight: f64,
}

impl Tally<'_> {
    fn mean(&self) -> Option<f64> {
        mean(self.scores.iter().copied())
    }

    fn weighted_votes(&self) -> f64 {
        self.votes * self.weight
    }

    fn weighted_mean(&self) -> f64 {
        self.mean().unwrap_or(0.0) * self.weight
    }
}

fn tallies(ballots: &[Ballot]) -> Vec<Tally<'_>> {
    let mut tallies: Vec<Tally<'_>> = Vec::new();
    for ballot in ballots {
        let index = tallies.iter().position(|t| t.choice == ballot.choice).unwrap_or_else(|| {
            tallies.push(Tally { choice: &ballot.choice, ballots: 0.0, votes: 0.0, scores: Vec::new(), weight: ballot.weight });
            tallies.len() - 1
        });
        let tally = &mut tallies[index];
        tally.ballots += ballot.share;
        tally.votes += if ballot.votes { ballot.share } else { 0.0 };
        tally.scores.extend(ballot.score.map(|score| (score, ballot.share)));
    }
    tallies
}

/// Ranks by votes times weight, then by mean score, then by file order.
///
/// Confidence, by weighted votes:
///
/// - `high`: the winner has at least three times the runner-up's votes.
/// - `medium`: the winner has more votes, or equal votes and a mean score that is higher by at
///   least 2.
/// - `low`: otherwise, and without any vote.
///
/// Without any vote or score, there is no winner.
///
/// Missing answers turn `high` into `medium`. If each ballot is for one of all candidates (`is_choice`),
/// the rationale counts votes among all ballots, else among those on the candidate.
pub(super) fn majority(ballots: &[Ballot], is_choice: bool, missing: &[String]) -> Option<Verdict> {
    let all: f64 = ballots.iter().map(|ballot| ballot.share).sum();
    let mut ranked = tallies(ballots);
    // The sort is stable: equal candidates stay in the job file's order.
    ranked.sort_by(|a, b| {
        b.weighted_votes().total_cmp(&a.weighted_votes()).then(b.mean().unwrap_or(0.0).total_cmp(&a.mean().unwrap_or(0.0)))
    });
    let best = ranked.first()?;
    if best.votes <= 0.0 && ranked.iter().all(|tally| tally.scores.is_empty()) {
        let rationale = format!("None of the {} candidates has a vote.", ranked.len()) + &lacking(missing);
        return Some(Verdict { best: None, runner_up: None, rationale, confidence: "low" });
    }
    let second = ranked.get(1);
    let second_votes = second.map_or(0.0, Tally::weighted_votes);
    let lead = best.mean().unwrap_or(0.0) - second.and_then(Tally::mean).unwrap_or(0.0);
    let confidence = match best.weighted_votes() {
        votes if votes <= 0.0 => "low",
        votes if votes >= 3.0 * second_votes && votes > second_votes => "high",
        votes if votes > second_votes || lead >= 2.0 => "medium",
        _ => "low",
    };
    let describe = |t: &Tally<'_>| {
        let score = t.mean().map_or_else(String::new, |mean| format!(", mean score {mean:.1}"));
        let weight = if (t.weight - 1.0).abs() > f64::EPSILON { format!(" x weight {}", t.weight) } else { String::new() };
        format!("{} has {} of {} votes{weight}{score}", t.choice, rounded(t.votes), rounded(if is_choice { all } else { t.ballots }))
    };
    Some(verdict(best, second, confidence, describe, missing))
}

/// Ranks by mean score times weight, then by the job file's order.
///
/// Confidence:
///
/// - `high`: the winner leads by at least a fifth of its value.
/// - `medium`: the winner leads by at least a twelfth of its value.
/// - `low`: otherwise.
///
/// Missing answers turn `high` into `medium`.
pub(super) fn weighted(ballots: &[Ballot], missing: &[String]) -> Option<Verdict> {
    let mut ranked = tallies(ballots);
    ranked.sort_by(|a, b| b.weighted_mean().total_cmp(&a.weighted_mean()));
    let best = ranked.first()?;
    let second = ranked.get(1);
    let value = best.weighted_mean();
    let lead = value - second.map_or(0.0, Tally::weighted_mean);
    let confidence = match lead / value.max(f64::MIN_POSITIVE) {
        share if share >= 1.0 / 5.0 => "high",
        share if share >= 1.0 / 12.0 => "medium",
        _ => "low",
    };
    let describe =
        |t: &Tally<'_>| format!("{} scores {:.1} (mean {:.1} x weight {})", t.choice, t.weighted_mean(), t.mean().unwrap_or(0.0), t.weight);
    Some(verdict(best, second, confidence, describe, missing))
}

/// A sum of shares with at most two digits after the point.
fn rounded(sum: f64) -> f64 {
    (sum * 100.0).round() / 100.0
}

fn verdict(
    best: &Tally<'_>,
    second: Option<&Tally<'_>>,
    confidence: &'static str,
    describe: impl Fn(&Tally<'_>) -> String,
    missing: &[String],
) -> Verdict {
    let mut rationale = describe(best);
    if let Some(second) = second {
        rationale.push_str("; ");
        rationale.push_str(&describe(second));
    }
    rationale.push('.');
    rationale.push_str(&lacking(missing));
    Verdict {
        best: Some(best.choice.to_owned()),
        runner_up: second.map(|s| s.choice.to_owned()),
        rationale,
        confidence: if confidence == "high" && !missing.is_empty() { "medium" } else { confidence },
    }
}

/// The end of a rationale without these answers.
fn lacking(missing: &[String]) -> String {
    if missing.is_empty() { String::new() } else { format!(" Missing: {}.", missing.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ballot(choice: &str, votes: bool, score: f64, weight: f64) -> Ballot {
        Ballot { choice: choice.into(), votes, score: Some(score), weight, share: 1.0 }
    }

    #[test]
    fn the_majority_wins_and_scores_break_ties() {
        let ballots = [ballot("metal", true, 6.0, 1.0), ballot("wood", true, 8.5, 1.0), ballot("glass", false, 9.0, 1.0)];
        let verdict = majority(&ballots, false, &[]).unwrap();
        assert_eq!(
            (verdict.best.as_deref().unwrap_or_default(), verdict.runner_up.as_deref(), verdict.confidence),
            ("wood", Some("metal"), "medium")
        );
        assert_eq!(verdict.rationale, "wood has 1 of 1 votes, mean score 8.5; metal has 1 of 1 votes, mean score 6.0.");
    }

    #[test]
    fn a_clear_majority_is_high_confidence_unless_something_is_missing() {
        let ballots =
            [ballot("yes", true, 0.0, 1.0), ballot("yes", true, 0.0, 1.0), ballot("yes", true, 0.0, 1.0), ballot("no", true, 0.0, 1.0)];
        let clear = majority(&ballots, true, &[]).unwrap();
        assert_eq!(clear.confidence, "high");
        assert!(clear.rationale.starts_with("yes has 3 of 4 votes, mean score 0.0; no has 1 of 4 votes"), "{}", clear.rationale);
        let cut = majority(&ballots, true, &["third (refused)".into()]).unwrap();
        assert_eq!(cut.confidence, "medium");
        assert!(cut.rationale.ends_with("Missing: third (refused)."));
    }

    #[test]
    fn without_votes_and_scores_nobody_wins() {
        let no = |choice: &str| Ballot { score: None, ..ballot(choice, false, 0.0, 1.0) };
        let verdict = majority(&[no("metal"), no("wood")], false, &["third (refused)".into()]).unwrap();
        assert_eq!((verdict.best, verdict.runner_up, verdict.confidence), (None, None, "low"));
        assert_eq!(verdict.rationale, "None of the 2 candidates has a vote. Missing: third (refused).");
        assert!(majority(&[ballot("metal", false, 3.0, 1.0)], false, &[]).unwrap().best.is_some());
    }

    #[test]
    fn weights_can_change_the_winner() {
        let ballots = [ballot("metal", false, 8.0, 1.0), ballot("wood", false, 6.0, 1.5)];
        let verdict = weighted(&ballots, &[]).unwrap();
        assert_eq!((verdict.best.as_deref().unwrap_or_default(), verdict.confidence), ("wood", "medium"));
    }

    #[test]
    fn weights_count_in_a_vote_too() {
        let harsh = |choice: &str, votes| Ballot { share: 2.0, ..ballot(choice, votes, 5.0, 1.0) };
        let ballots = [ballot("metal", true, 5.0, 1.0), harsh("metal", false), ballot("wood", false, 5.0, 1.0), harsh("wood", true)];
        let verdict = majority(&ballots, false, &[]).unwrap();
        assert_eq!((verdict.best.as_deref().unwrap_or_default(), verdict.confidence), ("wood", "medium"));
        assert!(verdict.rationale.starts_with("wood has 2 of 3 votes, mean score 5.0; metal has 1 of 3 votes"), "{}", verdict.rationale);
        let ballots = [ballot("metal", true, 5.0, 0.5), ballot("wood", true, 5.0, 2.0)];
        let verdict = majority(&ballots, false, &[]).unwrap();
        assert_eq!((verdict.best.as_deref().unwrap_or_default(), verdict.confidence), ("wood", "high"));
        assert!(verdict.rationale.starts_with("wood has 1 of 1 votes x weight 2, mean score 5.0"), "{}", verdict.rationale);
    }

    #[test]
    fn ballots_of_a_candidate_count_by_their_share() {
        let harsh = |choice: &str, score: f64| Ballot { share: 3.0, ..ballot(choice, false, score, 1.0) };
        let ballots = [ballot("metal", false, 4.0, 1.0), harsh("metal", 8.0), ballot("wood", false, 8.0, 1.0), harsh("wood", 4.0)];
        let verdict = weighted(&ballots, &[]).unwrap();
        assert_eq!(verdict.rationale, "metal scores 7.0 (mean 7.0 x weight 1); wood scores 5.0 (mean 5.0 x weight 1).");
    }

    #[test]
    fn no_ballots_give_no_verdict() {
        assert_eq!(majority(&[], true, &[]), None);
        assert_eq!(weighted(&[], &[]), None);
    }
}
