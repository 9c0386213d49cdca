//! JSON Schemas of settings and job files, judged by other people's validators.

use crate::clients::clients;
use crate::support::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Broken settings: the text, and the line of the fault.
const SETTINGS: [(&str, usize); 16] = [
    ("[llm]\nconcurency = 4\n", 2),
    ("[raed]\nqueue = 1\n", 1),
    ("[llm]\nconcurrency = 0\n", 2),
    ("[llm]\nconcurrency = \"many\"\n", 2),
    ("[llm]\n\nprovider = \"anthropics\"\n", 3),
    ("[output]\nformats = [\"csv\", \"docx\"]\n", 2),
    ("[output]\nformats = []\n", 2),
    ("[budget]\nmax_usd = -1.0\n", 2),
    ("[prepare.image]\njpeg_quality = 101\n", 2),
    ("[input]\npaths = \"docs\"\n", 2),
    ("[llm.limits]\nslow_start = true\n", 2),
    ("[llm]\nbase_url = []\n", 2),
    ("[budget]\ntoken = \"plain\"\n", 2),
    ("[serve]\nwebhook_secrets = [\"plain\"]\n", 2),
    ("[llm.headers]\nX-Team = [\"archive\"]\n", 2),
    ("[output]\ndir = \"o\"\n[[alert]]\nwehn = \"cost_usd > 1\"\nrun = [\"true\"]\n", 3),
];

/// Broken jobs, as a change of a valid one, and the line of the fault.
const JOBS: [(&str, &str, usize); 12] = [
    ("input = \"text\"", "input = \"pdf\"", 2),
    ("name = \"mine\"", "name = \"my job\"", 1),
    ("name = \"mine\"", "nmae = \"mine\"", 1),
    ("max_output_tokens = 100", "max_output_tokens = 0", 9),
    ("max_output_tokens = 100", "max_tokens = 100", 9),
    ("merge = \"vote\"", "merge = \"join\"", 10),
    ("method = \"split\"", "method = \"chunk\"", 4),
    ("said = \"string\"", "said = { type = \"text\" }", 12),
    ("said = \"string\"", "said = { type = \"string\", min = 1 }", 12),
    ("said = \"string\"", "said = { type = \"object\" }", 12),
    ("said = \"string\"", "said = { type = \"string\", description = 4 }", 12),
    ("said = \"string\"", "said = { type = \"string\", unknown = \"x\" }", 12),
];

const JOB: &str = "name = \"mine\"
input = \"text\"
[long]
method = \"split\"

[[task]]
id = \"ask\"
prompt = \"What does it say?\"
max_output_tokens = 100
merge = \"vote\"
[task.answer]
said = \"string\"
";

/// Other people's validators of a file against a schema.
struct Witnesses {
    taplo: PathBuf,
    python: PathBuf,
}

impl Witnesses {
    fn find() -> Option<Self> {
        let clients = clients()?;
        Some(Self { taplo: clients.join("node/node_modules/.bin/taplo"), python: clients.join("python/bin/python") })
    }

    /// The messages of both validators: `None` from one that accepts the file.
    fn judge(&self, schema: &Path, file: &Path) -> [Option<String>; 2] {
        let address = format!("file://{}", schema.display());
        let run = |command: &mut Command| {
            let done = command.output().unwrap();
            let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            (!done.status.success()).then_some(said)
        };
        [
            run(Command::new(&self.taplo).args(["lint", "--colors", "never", "--no-auto-config", "--schema", &address]).arg(file)),
            run(Command::new(&self.python).args(["-m", "check_jsonschema", "--schemafile"]).arg(schema).arg(file)),
        ]
    }
}

fn schema(workspace: &Workspace, of: &str) -> PathBuf {
    workspace.write(format!("{of}.schema.json"), workspace.docmill(["schema", of]).exits(0).stdout);
    workspace.path(format!("{of}.schema.json"))
}

fn shipped(directory: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).unwrap();
    let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    files.collect()
}

#[test]
fn other_validators_accept_every_shipped_file() {
    let Some(witnesses) = Witnesses::find() else { return };
    let workspace = Workspace::new();
    workspace.doc("a.txt", "x");
    workspace.docmill(["init", "mine", "--documents", "docs", "--provider", "anthropic", "--ask", "Who wrote it?"]).exits(0);
    let (settings, job) = (schema(&workspace, "pipeline"), schema(&workspace, "job"));
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline.toml");
    let jobs = shipped("src/job/builtin").into_iter().chain([workspace.path("mine/job.toml")]);
    let files = [(&settings, default), (&settings, workspace.path("mine/pipeline.toml"))];
    for (schema, file) in files.into_iter().chain(jobs.map(|file| (&job, file))) {
        assert_eq!(witnesses.judge(schema, &file), [None, None], "{}", file.display());
    }
}

/// Files that docmill takes.
const TAKEN: [(&str, &str); 3] = [
    ("pipeline", "[llm]\nbase_url = \"\"\nheaders = { X-Team = 4, X-Test = true }\nquery = { version = \"2\" }\n"),
    ("pipeline", "[budget]\ntoken = \"file:token\"\n[serve]\nwebhook_secrets = [\"env:SECRET\"]\n"),
    ("job", "said = { type = \"string\", unit = \"EUR\", pattern = \"[0-9]+\" }"),
];

#[test]
fn docmill_and_other_validators_take_the_same_files() {
    let witnesses = Witnesses::find();
    let workspace = Workspace::new();
    let schemas = ["pipeline", "job"].map(|of| schema(&workspace, of));
    for (of, text) in TAKEN {
        let is_job = of == "job";
        let text = if is_job { JOB.replace("said = \"string\"", text) } else { text.to_owned() };
        workspace.write(format!("{of}.toml"), &text);
        let args = if is_job { ["jobs", "check", "job.toml"].to_vec() } else { ["config", "show"].to_vec() };
        workspace.docmill(args).exits(0);
        if let Some(witnesses) = &witnesses {
            assert_eq!(witnesses.judge(&schemas[usize::from(is_job)], &workspace.path(format!("{of}.toml"))), [None, None], "{text}");
        }
    }
    // A job without a task.
    workspace.write("job.toml", "name = \"mine\"\ninput = \"text\"\n").docmill(["jobs", "check", "job.toml"]).exits(2);
    if let Some(witnesses) = &witnesses {
        assert!(witnesses.judge(&schemas[1], &workspace.path("job.toml")).iter().all(Option::is_some));
    }
    // A pattern that is no regular expression. taplo does not check formats.
    let text = JOB.replace("said = \"string\"", "said = { type = \"string\", pattern = \"(\" }");
    workspace.write("job.toml", text).docmill(["jobs", "check", "job.toml"]).exits(2).says(&["12: "]);
    if let Some(witnesses) = &witnesses {
        assert!(witnesses.judge(&schemas[1], &workspace.path("job.toml"))[1].is_some());
    }
}

#[test]
fn other_validators_refuse_what_docmill_refuses_in_the_same_line() {
    let witnesses = Witnesses::find();
    let workspace = Workspace::new();
    workspace.doc("a.txt", "x");
    let (settings, job) = (schema(&workspace, "pipeline"), schema(&workspace, "job"));
    workspace.write("job.toml", JOB).docmill(["jobs", "check", "job.toml"]).exits(0);
    let broken_jobs = JOBS.map(|(from, to, line)| {
        assert!(JOB.contains(from), "{from}");
        (JOB.replace(from, to), line)
    });
    let broken = SETTINGS.map(|(text, line)| ("pipeline.toml", &settings, text.to_owned(), line)).into_iter();
    let broken = broken.chain(broken_jobs.into_iter().map(|(text, line)| ("job.toml", &job, text, line)));
    for (name, schema, text, line) in broken {
        workspace.write(name, &text);
        let args = if name == "job.toml" { ["jobs", "check", "job.toml"].to_vec() } else { ["config", "show"].to_vec() };
        workspace.docmill(args).exits(2).says(&[&format!("{line}: ")]);
        let Some(witnesses) = &witnesses else { continue };
        let [taplo, check] = witnesses.judge(schema, &workspace.path(name));
        let taplo = taplo.unwrap_or_else(|| panic!("taplo accepts {text}"));
        // A wrong or missing key may be reported at its table.
        let lines = taplo.lines().filter_map(|said| said.split_once("─ ")?.1.split(':').nth_back(1)?.parse::<usize>().ok());
        let near = text.lines().take(line).collect::<Vec<_>>().iter().rposition(|line| line.starts_with('[')).map_or(1, |at| at + 1);
        assert!(lines.clone().any(|at| at == line || at == near), "line {line}: {text}\n{taplo}");
        assert!(check.is_some(), "check-jsonschema accepts {text}");
    }
}
