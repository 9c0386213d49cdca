//! Jobs, models and prompts against each other: each variant in a run store of its own, and then their answers side by side.

use super::agreement::Comparison;
use super::answers::{Answers, directory};
use super::labels::Labels;
use super::{Ground, load, prepare};
use crate::ask::Provider;
use crate::cli::agreed;
use crate::cli::args::CompareArgs;
use crate::cli::assemble::{Assembled, Server};
use crate::cli::carry_out::run_failed;
use crate::cli::exit::{Exit, Stop};
use crate::cli::plan::{ASK_FROM_USD, Report};
use crate::cli::print;
use crate::engine::History;

/// What columns that hold a recommendation begin with.
const BEST: &str = "best_";

pub(super) async fn compare(args: &CompareArgs) -> Result<Exit, Stop> {
    let labels = args.labels.as_deref().map(|file| Labels::read(file, args.label_column.as_deref())).transpose()?;
    if args.variants.len() < 2 && labels.is_none() {
        return Err(Stop::usage("there is nothing to compare it with: name another --variant, or --labels"));
    }
    let (_config, settings) = load(args, &[])?;
    let ground = Ground::open(&settings.output.dir, args.quiet)?;
    // All of them are put together before the first is asked: mistakes cost nothing then.
    let mut runs: Vec<(String, Assembled)> = Vec::new();
    for variant in &args.variants {
        let (name, further) = parse(variant)?;
        if runs.iter().any(|(other, _)| *other == name) {
            return Err(Stop::usage(format!("--variant '{name}' is there twice")));
        }
        let run = prepare(args, &further, Server::Configured).await;
        let run = run.map_err(|stop| Stop { message: format!("--variant '{name}': {}", stop.message), ..stop })?;
        runs.push((name, run));
    }
    let field = field(&runs, args.field.as_deref())?;
    if !price_is_agreed(args, &ground, &runs).await? {
        return Ok(Exit::Ok);
    }
    let mut answers = Vec::new();
    for (name, run) in runs {
        answers.push(Box::pin(Answers::of(&ground, &name, run, &field)).await?);
    }

    let comparison = Comparison::of(&field, &answers, labels.as_ref());
    let json = comparison.json();
    let files = [ground.write("compare.csv", &comparison.csv().map_err(Stop::internal)?)?, ground.keep("variants", &json)?];
    if args.json {
        print(&serde_json::to_string_pretty(&json).map_err(Stop::internal)?)?;
    } else {
        comparison.lines().iter().try_for_each(|line| print(line))?;
        print(&format!("\n{}\n{}", files[0].display(), files[1].display()))?;
    }
    Ok(if answers.iter().any(|answers| answers.unanswered) { Exit::FailedRows } else { Exit::Ok })
}

/// Tells what the calls that are not answered yet will cost. Whether that is little, or agreed to.
async fn price_is_agreed(args: &CompareArgs, ground: &Ground, runs: &[(String, Assembled)]) -> Result<bool, Stop> {
    let (mut most, mut calls) = (Some(0.0), 0);
    for (name, run) in runs.iter().filter(|(_, run)| run.plan.account.provider != Provider::Simulated) {
        let mut plan = prepare(args, &parse(name)?.1, Server::Nobody).await?.plan;
        plan.output.dir = ground.directory.join(directory(name));
        let history = History::of(&plan).map_err(run_failed)?;
        let report = Report::of(plan, &history).await?;
        calls += report.prediction.calls;
        most = most.zip(report.prediction.cost).map(|(sum, cost)| sum + cost.high);
        if report.prediction.calls > 0 {
            ground.say(&format!(
                "compare: variant {name} with {}: {} calls, {}",
                run.plan.account.model,
                report.prediction.calls,
                report.cost()
            ));
        }
    }
    let is_dear = calls > 0 && most.is_some_and(|usd| usd > ASK_FROM_USD);
    Ok(!is_dear || args.yes || agreed("Begin?", "nothing was sent: the comparison may cost more than $1; --yes agrees to that")?)
}

/// A variant's name, and its job and settings as settings.
fn parse(variant: &str) -> Result<(String, Vec<String>), Stop> {
    let wrong = || Stop::usage(format!("--variant '{variant}': write a job and settings, such as 'material llm.model=gpt-6-luna'"));
    let words = shell_words::split(variant).ok().filter(|words| !words.is_empty()).ok_or_else(wrong)?;
    if words[0].contains('=') || words[1..].iter().any(|word| !word.contains('=')) {
        return Err(wrong());
    }
    let job = format!("job.use={}", toml::Value::String(words[0].clone()));
    Ok((words.join(" "), [job].into_iter().chain(words[1..].iter().cloned()).collect()))
}

/// The column that is compared: the one asked for, or else the only recommendation, or the only column at all, that all
/// variants have.
fn field(runs: &[(String, Assembled)], asked: Option<&str>) -> Result<String, Stop> {
    let columns: Vec<(&str, Vec<&String>)> =
        runs.iter().map(|(name, run)| (name.as_str(), run.plan.jobs.iter().flat_map(|job| job.csv_columns()).collect())).collect();
    choose(&columns, asked)
}

fn choose(columns: &[(&str, Vec<&String>)], asked: Option<&str>) -> Result<String, Stop> {
    let (first, others) = columns.split_first().ok_or_else(|| Stop::internal("no variant"))?;
    let mut common = first.1.clone();
    common.retain(|column| others.iter().all(|(_, columns)| columns.contains(column)));
    let list = |columns: &[&String]| columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", ");
    if common.is_empty() {
        let each: Vec<String> = columns.iter().map(|(name, columns)| format!("\n  {name}: {}", list(columns))).collect();
        return Err(Stop::usage(format!("the variants have no column in common that could be compared{}", each.concat())));
    }
    let best: Vec<&String> = common.iter().copied().filter(|column| column.starts_with(BEST)).collect();
    let chosen = match (asked, &best[..], &common[..]) {
        (Some(asked), ..) => {
            common.iter().find(|column| column.as_str() == asked).ok_or_else(|| format!("--field {asked}: not all variants have it"))
        }
        (None, [only], _) | (None, _, [only]) => Ok(only),
        _ => Err("--field: name the column that is to be compared".to_owned()),
    };
    chosen.map(|column| (*column).clone()).map_err(|why| Stop::usage(format!("{why}; all have: {}", list(&common))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_is_the_recommendation_that_all_have() {
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
    fn a_variant_is_a_job_and_settings_with_quotes_as_in_a_shell() {
        let (name, settings) = parse("  mine.toml  job.params.tone='very dry' llm.model=m").map_err(|e| e.message).unwrap();
        assert_eq!(name, "mine.toml job.params.tone=very dry llm.model=m");
        assert_eq!(settings, ["job.use=\"mine.toml\"", "job.params.tone=very dry", "llm.model=m"]);
        for wrong in ["", "'", "llm.model=m", "material single"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
