//! Checks that the README is short and the manual complete.

use crate::support::Workspace;
use std::path::Path;

fn text(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Topics of the manual that a text links to, each once.
fn topics(text: &str) -> Vec<&str> {
    let mut topics: Vec<&str> =
        text.split("(src/manual/").skip(1).filter_map(|rest| rest.split_once(".md)")).map(|(topic, _)| topic).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

#[test]
fn the_readme_has_at_most_200_lines_of_100_columns() {
    let readme = text("README.md");
    assert!(readme.lines().count() <= 200, "{} lines", readme.lines().count());
    let long: Vec<&str> = readme.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn help_prints_each_page_that_the_readme_links_to_and_lists_all() {
    let (readme, workspace) = (text("README.md"), Workspace::new());
    let list = workspace.docmill(["help"]).exits(0).stdout;
    let mut pages: Vec<String> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manual"))
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".md")?.to_owned()))
        .collect();
    pages.sort_unstable();
    assert_eq!(topics(&readme), pages);
    for topic in pages {
        assert!(list.lines().any(|line| line.trim_start().starts_with(&format!("{topic} "))), "{topic} is not in the list");
        let shown = workspace.docmill(["help", &topic]).exits(0).stdout;
        assert!(shown.ends_with(&text(&format!("src/manual/{topic}.md"))), "{topic}: {shown}");
    }
}

#[test]
fn a_topic_named_like_a_command_shows_the_options_of_the_command_first() {
    let shown = Workspace::new().docmill(["help", "compare"]).exits(0).stdout;
    let (options, page) = shown.split_once("\n# ").unwrap();
    assert!(options.contains("Usage: docmill compare [OPTIONS] [INPUT]...") && page.starts_with("Compare: "), "{shown}");
}

#[test]
fn an_unknown_topic_is_an_error() {
    Workspace::new().docmill(["help", "nonsense"]).exits(2).says(&["nonsense"]);
}
