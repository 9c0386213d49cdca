//! Pages of the manual: Markdown, embedded. `docmill help TOPIC` prints them.

mod shown;

pub use shown::for_terminal;

/// A page of the manual.
#[derive(Debug)]
pub struct Page {
    /// Its name on the command line and its file name without `.md`.
    pub topic: &'static str,
    /// Its text in Markdown. The first line is `# Title`.
    pub text: &'static str,
}

macro_rules! pages {
    ($($topic:literal,)+) => {
        /// The pages, in the order of the list of topics.
        pub const PAGES: &[Page] = &[$(Page { topic: $topic, text: include_str!(concat!($topic, ".md")) },)+];
    };
}

pages! { "jobs", "vectors", "input", "output", "databases", "settings", "money", "limits", "failures", "live", "watch", "shards", "budget", "compare", "serve", "gateway", "deploy", "security", "architecture", }

impl Page {
    /// The page about a topic.
    pub fn find(topic: &str) -> Option<&'static Self> {
        PAGES.iter().find(|page| page.topic == topic)
    }

    /// What it is about: the first line, without the topic in front.
    pub fn title(&self) -> &'static str {
        let title = self.text.lines().next().unwrap_or_default().trim_start_matches("# ");
        title.split_once(": ").map_or(title, |(_, title)| title)
    }
}

/// All topics with one line each, for `docmill help`.
pub fn topics() -> String {
    let line = |page: &Page| format!("  {:<12} {}", page.topic, page.title());
    let lines: Vec<String> = PAGES.iter().map(line).collect();
    format!("Pages of the manual (docmill help TOPIC):\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FailureCode, Repair};
    use std::path::Path;

    #[test]
    fn links_between_pages_lead_to_pages() {
        for page in PAGES {
            for target in page.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let is_page = target.strip_suffix(".md").is_some_and(|topic| Page::find(topic).is_some());
                assert!(is_page || target.starts_with("../"), "{}: no page {target}", page.topic);
            }
        }
    }

    #[test]
    fn lines_of_pages_outside_of_tables_have_at_most_100_columns() {
        for page in PAGES {
            for line in page.text.lines().filter(|line| !line.starts_with('|')) {
                assert!(line.chars().count() <= 100, "{}: {line}", page.topic);
            }
        }
    }

    #[test]
    fn files_that_the_page_about_architecture_names_exist() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let page = Page::find("architecture").unwrap().text;
        let is_path = |word: &&str| word.contains('/') && !word.contains(' ') && !word.contains('{');
        let paths: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_path).collect();
        assert!(paths.len() > 80, "{paths:?}");
        for path in paths {
            assert!(source.join(path).exists(), "no {path}");
        }
    }

    #[test]
    fn the_page_about_output_explains_every_failure_code_and_repair() {
        let output = Page::find("output").unwrap().text;
        let names = FailureCode::ALL.iter().map(|code| code.as_str()).chain(Repair::ALL.iter().map(|repair| repair.as_str()));
        let missing: Vec<&str> = names.filter(|name| !output.contains(&format!("\n| `{name}` |"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for code in FailureCode::ALL {
            let retried = output.contains(&format!("\n| `{code}` | yes |"));
            assert_eq!(retried, code.is_transient(), "{code}");
        }
    }
}
