//! Checks of the output directory: its disk and its run store.

use super::Finding;
use crate::model::command_in;
use crate::setup::Settings;
use crate::store::{Archive, RunLock};
use crate::system::{FileSystem, Kind, disk_advice, file_system, obstacle, write_trouble};
use std::path::Path;

/// Free space below which docmill warns, and below which runs fail, in bytes.
const LITTLE: u64 = 1 << 30;
const TOO_LITTLE: u64 = 64 << 20;

/// Advice if the output directory is unusable.
const ELSEWHERE: &str = "Choose another directory with --output";

/// Whether the output directory takes files, and how much room it has.
pub(super) fn disk(settings: &Settings) -> Vec<Finding> {
    let wanted = std::path::absolute(&settings.output.dir).unwrap_or_else(|_| settings.output.dir.clone());
    // The directory may not exist yet.
    let there = wanted.ancestors().find(|directory| directory.is_dir()).unwrap_or(Path::new("/"));
    let shown = wanted.display();
    if let Some(file) = obstacle(&wanted) {
        let message = format!("{} is a file, not a directory", file.display());
        return vec![Finding::problem("output", message, ELSEWHERE)];
    }
    let writable = match write_trouble(&there.join("docmill.db")) {
        Some(error) => {
            let advice = Some(disk_advice(&error)).filter(|advice| !advice.is_empty()).unwrap_or(ELSEWHERE);
            Finding::problem("output", format!("{shown}: cannot write to it: {error}"), advice)
        }
        None if there == wanted => Finding::ok("output", format!("{shown} is writable")),
        None => Finding::ok("output", format!("{shown} does not exist yet, and can be made")),
    };
    let space = match file_system(there) {
        Err(error) => Finding::warning("disk", format!("cannot look at the file system: {error}"), ""),
        Ok(FileSystem { free, kind }) => {
            let megabytes = free >> 20;
            let (room, message) = (format!("{megabytes} MB free"), |what: &str| format!("{megabytes} MB free, on {what}"));
            match kind {
                _ if free < TOO_LITTLE => Finding::problem("disk", room, "Free space. A run needs at least 64 MB"),
                Kind::Network(name) => Finding::warning(
                    "disk",
                    message(&format!("a network file system ({name})")),
                    "The run store needs a local disk. output.copy_to copies results to object storage",
                ),
                Kind::Memory => {
                    Finding::warning("disk", message("a file system in memory"), "Paid answers are lost when the machine restarts")
                }
                Kind::Local if free < LITTLE => Finding::warning("disk", room, "Free space before a large run"),
                Kind::Local => Finding::ok("disk", room),
            }
        }
    };
    vec![writable, space]
}

/// The health of the run store.
pub(super) fn store(settings: &Settings) -> Vec<Finding> {
    let directory = &settings.output.dir;
    let mut findings = Vec::new();
    if obstacle(directory).is_some() {
        return findings;
    }
    match RunLock::look(directory) {
        Ok(Some(holder)) => {
            let message = format!("process {} is at work in {}", holder.process, directory.display());
            findings.push(Finding::warning(
                "lock",
                message,
                format!("A second run ends with exit code 6. Use {}", command_in(directory, "status --watch")),
            ));
        }
        Ok(None) => {}
        Err(error) => findings.push(Finding::problem("lock", error.to_string(), ELSEWHERE)),
    }
    let damages = Archive::open(directory).and_then(|archive| archive.map(|archive| archive.damages()).transpose());
    findings.push(match damages {
        Ok(None) => Finding::ok("store", "no run yet"),
        Ok(Some(damages)) if damages.is_empty() => Finding::ok("store", "intact"),
        Ok(Some(damages)) => Finding::problem(
            "store",
            format!("damaged: {}", damages.join("; ")),
            format!("{} shows which parts are readable", command_in(directory, "verify")),
        ),
        Err(error) => Finding::problem("store", error.to_string(), ""),
    });
    findings
}
