//! Compares jobs, models and prompts: runs each variant in its own run store.

use super::agreement::{Comparison, some};
use super::answers::{Answers, directory};
use super::labels::{Labels, Matched, normalised};
use super::{ComparisonDir, load, prepare};
use crate::ask::Provider;
use crate::cli::agreed;
use crate::cli::args::CompareArgs;
use crate::cli::exit::{CliError, Exit};
use crate::cli::plan::{ASK_FROM_USD, Report};
use crate::cli::print;
use crate::cli::start_run::run_failed;
use crate::engine::History;
use crate::model::{Schema, counted};
use crate::read::Roots;
use crate::setup::{Assembled, Server};
use crate::write::cell;
use serde_json::Value;
use std::collections::BTreeMap;

/// Prefix of columns with a recommendation.
const BEST: &str = "best_";

pub(super) async fn compare(args: &CompareArgs) -> Result<Exit, CliError> {
    let mut labels = args.labels.as_deref().map(|file| Labels::read(file, args.label_column.as_deref())).transpose()?;
    if args.variants.len() < 2 && labels.is_none() {
        return Err(CliError::usage(
            "--variant: a comparison needs two variants, or one variant and labels. Add another \
            --variant, or --labels.",
        ));
    }
    let (_config, settings) = load(args, &[])?;
    let dir = ComparisonDir::open(&settings.output.dir, args.quiet)?;
    // All variants are assembled before the first one runs, so that mistakes cost nothing.
    let mut runs: Vec<(String, Assembled)> = Vec::new();
    for variant in &args.variants {
        let (name, _) = parse(variant)?;
        if runs.iter().any(|(other, _)| *other == name) {
            return Err(CliError::usage(format!("--variant '{name}' is given twice")));
        }
        let run = variant_of(args, &name, Server::Configured).await;
        let (mut run, asks_all) = run.map_err(|stop| CliError { message: format!("--variant '{name}': {}", stop.message), ..stop })?;
        if asks_all {
            dir.say(&format!("compare: variant {name} has no such tasks as job.tasks names, so it asks all its tasks"));
        }
        dir.check(&directory(&name))?;
        run.plan.more_answers = Some(dir.output.clone());
        runs.push((name, run));
    }
    let field = field(&runs, args.field.as_deref())?;
    if let (Some(labels), Some((_, run))) = (&mut labels, runs.first()) {
        match_labels(labels, &run.plan.roots, &dir)?;
        check_values(labels, &runs, &field, &dir)?;
    }
    if !price_is_agreed(args, &dir, &runs).await? {
        return Ok(Exit::Ok);
    }
    let mut answers = Vec::new();
    for (name, run) in runs {
        answers.push(Box::pin(Answers::of(&dir, &name, run, &field)).await?);
    }

    let comparison = Comparison::of(&field, &answers, labels.as_ref());
    let json = comparison.json();
    let files = [dir.write("compare.csv", &comparison.csv().map_err(CliError::internal)?)?, dir.keep("variants", &json)?];
    if args.json {
        print(&serde_json::to_string_pretty(&json).map_err(CliError::internal)?)?;
    } else {
        comparison.lines().iter().try_for_each(|line| print(line))?;
        print(&format!("\n{}\n{}", files[0].display(), files[1].display()))?;
    }
    Ok(if answers.iter().any(|answers| answers.unanswered) { Exit::FailedRows } else { Exit::Ok })
}

/// Assigns the labels to the documents of the input, and reports how many match.
fn match_labels(labels: &mut Labels, roots: &Roots, dir: &ComparisonDir) -> Result<(), CliError> {
    let Matched { documents, by_end, without, example } = labels.give(roots.walk().map(|(document, _)| document.name));
    let (file, unknown): (_, Vec<&str>) = (&labels.file, labels.unknown.iter().map(String::as_str).collect());
    if documents == 0 {
        return Err(CliError::usage(format!(
            "labels {file}: no name matches a document: {}; documents have names such as {example}. Nothing was sent.",
            some(&unknown)
        )));
    }
    let ends = if by_end > 0 { format!(", {by_end} of them by the end of their path") } else { String::new() };
    dir.say(&format!("compare: labels {file}: {documents} documents have a label{ends}, {without} have no label"));
    if !unknown.is_empty() {
        dir.say(&format!("compare: labels {file}: {} without a document: {}", counted(unknown.len() as u64, "name"), some(&unknown)));
    }
    Ok(())
}

/// Reports labels that no variant can answer.
fn check_values(labels: &Labels, runs: &[(String, Assembled)], field: &str, dir: &ComparisonDir) -> Result<(), CliError> {
    let forms: Vec<Option<&Value>> = runs.iter().flat_map(|(_, run)| run.plan.jobs.iter()).map(|job| job.form_of(field)).collect();
    let can = |label: &str| forms.iter().any(|form| form.is_none_or(|form| can_be(form, label)));
    let mut values: BTreeMap<String, u64> = BTreeMap::new();
    for label in labels.by_document.values().filter(|label| !can(label)) {
        *values.entry(normalised(label)).or_default() += 1;
    }
    if values.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = values.iter().map(|(value, n)| format!("\"{value}\" ({n} times)")).collect();
    let named = some(&named.iter().map(String::as_str).collect::<Vec<_>>());
    let choices = forms.iter().flatten().find_map(|form| form["enum"].as_array());
    let choices =
        choices.map_or_else(String::new, |all| format!("; {field} can be: {}", all.iter().map(cell).collect::<Vec<_>>().join(", ")));
    let message = format!("labels {}: no variant can answer {named}{choices}", labels.file);
    if values.values().sum::<u64>() == labels.by_document.len() as u64 {
        return Err(CliError::usage(format!("{message}. Nothing was sent. Check --label-column and --field.")));
    }
    dir.say(&format!("compare: {message}"));
    Ok(())
}

/// Whether an answer of this form can be equal to a label.
fn can_be(form: &Value, label: &str) -> bool {
    let label = normalised(label);
    if let Some(choices) = form["enum"].as_array() {
        return choices.iter().any(|choice| normalised(&cell(choice)) == label);
    }
    match Schema::type_of(form) {
        Some("boolean") => ["true", "false"].contains(&label.as_str()),
        Some(kind @ ("integer" | "number")) => label.parse::<f64>().is_ok_and(|number| {
            let bound = |key: &str| form[key].as_f64();
            let whole = kind == "number" || number.fract() == 0.0;
            whole && bound("minimum").is_none_or(|least| number >= least) && bound("maximum").is_none_or(|most| number <= most)
        }),
        _ => true,
    }
}

/// Reports the cost of calls without an answer. Returns whether it is small or the user agrees.
async fn price_is_agreed(args: &CompareArgs, dir: &ComparisonDir, runs: &[(String, Assembled)]) -> Result<bool, CliError> {
    let (mut most, mut calls) = (Some(0.0), 0);
    for (name, run) in runs.iter().filter(|(_, run)| run.plan.account.provider != Provider::Simulated) {
        let mut plan = variant_of(args, name, Server::Offline).await?.0.plan;
        plan.output.dir = dir.directory.join(directory(name));
        plan.more_answers = Some(dir.output.clone());
        let history = History::of(&plan).map_err(run_failed)?;
        let report = Report::of(plan, &history).await?;
        calls += report.prediction.calls;
        most = most.zip(report.prediction.cost).map(|(sum, cost)| sum + cost.high);
        if report.prediction.calls > 0 {
            dir.say(&format!(
                "compare: variant {name} with {}: {} calls, {}",
                run.plan.account.model,
                report.prediction.calls,
                report.cost()
            ));
        }
    }
    let is_dear = calls > 0 && most.is_some_and(|usd| usd > ASK_FROM_USD);
    Ok(!is_dear || args.yes || agreed("Begin?", "nothing was sent: the comparison may cost more than $1. Pass --yes to agree")?)
}

/// Assembles the run of a variant. Returns whether it asks all tasks of its job, because the job has
/// no such tasks as the settings select.
async fn variant_of(args: &CompareArgs, variant: &str, server: Server) -> Result<(Assembled, bool), CliError> {
    let further = parse(variant)?.1;
    match prepare(args, &further, server.clone()).await {
        Err(stop) if stop.exit == Exit::Usage && !further.iter().any(|setting| setting.starts_with("job.tasks=")) => {
            let all = [further, vec!["job.tasks=[]".to_owned()]].concat();
            prepare(args, &all, server).await.map(|run| (run, true)).map_err(|_| stop)
        }
        run => run.map(|run| (run, false)),
    }
}

/// Parses a variant into its name and its settings, the job included. The name is a variant, too.
fn parse(variant: &str) -> Result<(String, Vec<String>), CliError> {
    let wrong = || CliError::usage(format!("--variant '{variant}': expected a job and settings, such as 'material llm.model=gpt-6-luna'"));
    let words = shell_words::split(variant).ok().filter(|words| !words.is_empty()).ok_or_else(wrong)?;
    if words[0].contains('=') || words[1..].iter().any(|word| !word.contains('=')) {
        return Err(wrong());
    }
    let job = format!("job.use={}", toml::Value::String(words[0].clone()));
    let plain = |word: &String| shell_words::split(word).is_ok_and(|words| words == [word.as_str()]);
    let named = |word: &String| if plain(word) { word.clone() } else { shell_words::quote(word).into_owned() };
    let name = words.iter().map(named).collect::<Vec<_>>().join(" ");
    Ok((name, [job].into_iter().chain(words[1..].iter().cloned()).collect()))
}

/// The column to compare: `asked`, or the only recommendation that all variants have, or the only
/// common column.
fn field(runs: &[(String, Assembled)], asked: Option<&str>) -> Result<String, CliError> {
    let columns: Vec<(&str, Vec<&String>)> = runs
        .iter()
        .map(|(name, run)| (name.as_str(), run.plan.jobs.iter().flat_map(|job| job.csv_columns()).map(|column| &column.name).collect()))
        .collect();
    choose(&columns, asked)
}

fn choose(columns: &[(&str, Vec<&String>)], asked: Option<&str>) -> Result<String, CliError> {
    let (first, others) = columns.split_first().ok_or_else(|| CliError::internal("no variant"))?;
    let mut common = first.1.clone();
    common.retain(|column| others.iter().all(|(_, columns)| columns.contains(column)));
    let list = |columns: &[&String]| columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", ");
    if common.is_empty() {
        let each: Vec<String> = columns.iter().map(|(name, columns)| format!("\n  {name}: {}", list(columns))).collect();
        return Err(CliError::usage(format!("the variants have no column in common to compare{}", each.concat())));
    }
    let best: Vec<&String> = common.iter().copied().filter(|column| column.starts_with(BEST)).collect();
    let chosen = match (asked, &best[..], &common[..]) {
        (Some(asked), ..) => {
            common.iter().find(|column| column.as_str() == asked).ok_or_else(|| format!("--field {asked}: not all variants have it"))
        }
        (None, [only], _) | (None, _, [only]) => Ok(only),
        _ => Err("--field: name the column to compare".to_owned()),
    };
    chosen.map(|column| (*column).clone()).map_err(|why| CliError::usage(format!("{why}; all have: {}", list(&common))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_variant_is_the_same_variant() {
        for variant in
            ["material", "text llm.model=m job.tasks=summary", "mine.toml job.params.grades='[\"a b\", \"c\"]'", "'my job.toml' a.b='x y'"]
        {
            let (name, settings) = parse(variant).unwrap();
            assert_eq!(parse(&name).unwrap(), (name.clone(), settings), "{variant}");
        }
        assert_eq!(parse("text  llm.model=m").unwrap().0, "text llm.model=m");
    }

    #[test]
    fn the_compared_column_is_the_recommendation_that_all_variants_have() {
        let names = |list: &str| list.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
        let pick = |lists: [&str; 2], asked: Option<&str>| {
            let lists = lists.map(names);
            let columns: Vec<(&str, Vec<&String>)> =
                ["one", "two"].into_iter().zip(lists.iter().map(|list| list.iter().collect())).collect();
            choose(&columns, asked).map_err(|stop| stop.message)
        };
        assert_eq!(pick(["best_material score", "best_material x"], None).unwrap(), "best_material");
        assert_eq!(pick(["a score", "score x"], None).unwrap(), "score");
        assert_eq!(pick(["best_a best_b x", "x best_b best_a"], Some("x")).unwrap(), "x");
        assert!(pick(["best_a best_b", "best_b best_a"], None).unwrap_err().contains("all have: best_a, best_b"));
        assert!(pick(["a b", "b a"], Some("c")).unwrap_err().contains("--field c: not all variants have it; all have: a, b"));
        assert!(pick(["a b", "c"], None).unwrap_err().contains("one: a, b\n  two: c"));
    }

    #[test]
    fn a_label_that_no_answer_can_equal_is_found() {
        let form = |form: &str| serde_json::from_str::<Value>(form).unwrap();
        for (schema, label, can) in [
            (r#"{"type": "string", "enum": ["metal", "wood"]}"#, " Metal", true),
            (r#"{"type": "string", "enum": ["metal", "wood"]}"#, "steel", false),
            (r#"{"type": "integer", "minimum": 1, "maximum": 10}"#, "10.0", true),
            (r#"{"type": "integer", "minimum": 1, "maximum": 10}"#, "11", false),
            (r#"{"type": "integer"}"#, "many", false),
            (r#"{"type": "number"}"#, "1.5", true),
            (r#"{"type": "boolean"}"#, "TRUE", true),
            (r#"{"type": "boolean"}"#, "yes", false),
            (r#"{"type": "string"}"#, "anything", true),
        ] {
            assert_eq!(can_be(&form(schema), label), can, "{schema} {label}");
        }
    }

    #[test]
    fn a_variant_is_parsed_with_quotes_as_in_a_shell() {
        let (name, settings) = parse("  mine.toml  job.params.tone='very dry' llm.model=m").map_err(|e| e.message).unwrap();
        assert_eq!(name, "mine.toml 'job.params.tone=very dry' llm.model=m");
        assert_eq!(settings, ["job.use=\"mine.toml\"", "job.params.tone=very dry", "llm.model=m"]);
        for wrong in ["", "'", "llm.model=m", "material single"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
